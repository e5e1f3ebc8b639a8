"""The nasty cases of the real API, in every community; `cases` in the truth names them by node id."""

from collections.abc import Callable
from typing import Any

from crowd_pipelines.sandbox.github.community import Community
from crowd_pipelines.sandbox.github.deeds import Deeds
from crowd_pipelines.sandbox.github.ids import node_id
from crowd_pipelines.sandbox.github.model import Account, Anything, Discussion, Issue, PullRequest, Repository

DAY = 86_400
MANY = 105
"""More than one page of any connection holds."""
LONGEST = 65_536


class CaseBook:
    """Writes into the first repository, each thing half an hour after the one before."""

    def __init__(self, community: Community, deeds: Deeds) -> None:
        self.community = community
        self.deeds = deeds
        self.repository: Repository = community.repositories[0]
        self.people = community.people[11:40]
        self.bot = community.bots[0]
        self._clock = community.now - 60 * DAY
        self._turn = 0

    def at(self) -> int:
        self._clock += 1_800
        return self._clock

    def somebody(self) -> Account:
        self._turn += 1
        return self.people[self._turn % len(self.people)]

    def issue(self, title: str, **details: Any) -> Issue:
        author = details.pop("by", self.somebody())
        return self.deeds.issue(self.repository, author, self.at(), title=title, **details)

    def pull(self, title: str, **details: Any) -> PullRequest:
        author = details.pop("by", self.somebody())
        return self.deeds.pull_request(self.repository, author, self.at(), title=title, **details)

    def discussion(self, title: str, **details: Any) -> Discussion:
        author = details.pop("by", self.somebody())
        return self.deeds.discussion(self.repository.categories[0], author, self.at(), title=title, **details)

    def name(self, case: str, *nodes: Anything) -> None:
        named = [node_id(node) for node in nodes]
        self.community.cases[case] = named[0] if len(named) == 1 else named


def build(community: Community, deeds: Deeds) -> None:
    book = CaseBook(community, deeds)
    for case in _CASES:
        case(book)


def _long_issue(book: CaseBook) -> None:
    issue = book.issue("Very long conversation")
    for _ in range(MANY + 110):
        book.deeds.comment(issue, book.somebody(), book.at())
    book.name("long_issue", issue)


def _often_closed(book: CaseBook) -> None:
    issue = book.issue("Closed and opened again")
    for _ in range(3):
        book.deeds.close(issue, book.somebody(), book.at())
        book.deeds.reopen(issue, book.somebody(), book.at())
    book.deeds.close(issue, book.somebody(), book.at())
    book.name("often_closed", issue)


def _long_pull_request(book: CaseBook) -> None:
    pull = book.pull("Very long review")
    for _ in range(MANY):
        book.deeds.comment(pull, book.somebody(), book.at())
    for _ in range(MANY):
        book.deeds.event(pull, "AssignedEvent", book.somebody(), book.at(), book.somebody())
    book.name("long_pull_request", pull)


def _many_threads(book: CaseBook) -> None:
    pull = book.pull("Reviewed line by line")
    book.deeds.review(pull, book.somebody(), book.at(), state="CHANGES_REQUESTED", threads=MANY)
    thread = pull.threads[0]
    for _ in range(MANY):
        book.deeds.answer(thread, book.somebody(), book.at())
    book.name("many_threads", pull)
    book.name("long_thread", thread)


def _long_discussion(book: CaseBook) -> None:
    discussion = book.discussion("Very long discussion")
    for _ in range(MANY):
        book.deeds.say(discussion, book.somebody(), book.at())
    answered = book.deeds.say(discussion, book.somebody(), book.at())
    for _ in range(MANY):
        book.deeds.say(discussion, book.somebody(), book.at(), parent=answered)
    book.deeds.choose(answered, book.at())
    book.name("long_discussion", discussion)
    book.name("long_replies", answered)


def _bot_things(book: CaseBook) -> None:
    pull = book.pull("Bump left-pad from 1.2.3 to 1.2.4", by=book.bot)
    book.deeds.comment(pull, book.somebody(), book.at())
    book.deeds.comment(pull, book.bot, book.at())
    book.deeds.review(pull, book.somebody(), book.at(), state="APPROVED", threads=1)
    book.deeds.answer(pull.threads[0], book.bot, book.at())
    book.deeds.merge(pull, book.community.bots[1], book.at())
    issue = book.issue("Dependency dashboard", by=book.bot)
    book.deeds.comment(issue, book.somebody(), book.at())
    book.deeds.close(issue, book.bot, book.at())
    discussion = book.discussion("Release 1.0", by=book.bot)
    book.deeds.say(discussion, book.somebody(), book.at(), parent=book.deeds.say(discussion, book.bot, book.at()))
    book.name("by_bot", pull, issue, discussion)


def _ghost_things(book: CaseBook) -> None:
    pull = book.pull("Left behind", by=None)
    book.deeds.comment(pull, book.somebody(), book.at())
    book.deeds.comment(pull, None, book.at())
    book.deeds.event(pull, "ReviewRequestedEvent", None, book.at())
    book.deeds.event(pull, "AssignedEvent", None, book.at(), book.somebody())
    book.deeds.review(pull, None, book.at(), threads=1)
    book.deeds.answer(pull.threads[0], book.somebody(), book.at())
    book.deeds.close(pull, None, book.at())
    issue = book.issue("Is anybody there?", by=None)
    book.deeds.comment(issue, book.somebody(), book.at())
    discussion = book.discussion("Before I went", by=None)
    said = book.deeds.say(discussion, None, book.at())
    book.deeds.say(discussion, book.somebody(), book.at(), parent=said)
    book.deeds.say(discussion, None, book.at(), parent=said)
    book.name("by_ghost", pull, issue, discussion)


def _odd_subjects(book: CaseBook) -> None:
    """Asked or assigned: a team, an empty team, a bot, a mannequin, an organization, nobody any more."""
    pull = book.pull("Needs somebody")
    community = book.community
    team = book.deeds.event(pull, "ReviewRequestedEvent", book.somebody(), book.at(), community.teams[0])
    empty = book.deeds.event(pull, "ReviewRequestedEvent", book.somebody(), book.at(), community.teams[1])
    odd = [
        book.deeds.event(pull, "ReviewRequestedEvent", book.somebody(), book.at(), subject)
        for subject in (community.bots[2], community.mannequins[0], None)
    ]
    odd += [
        book.deeds.event(pull, "AssignedEvent", book.somebody(), book.at(), subject)
        for subject in (community.bots[0], community.mannequins[0], community.organizations[0], None)
    ]
    for author in (community.mannequins[0], community.organizations[0]):
        book.deeds.comment(pull, author, book.at())
    book.name("team_asked", team)
    book.name("empty_team_asked", empty)
    book.name("odd_subjects", *odd)


def _pending_review(book: CaseBook) -> None:
    pull = book.pull("Half reviewed")
    book.name("pending_review", book.deeds.review(pull, book.somebody(), book.at(), state="PENDING", threads=1))
    book.name("pending_comment", pull.threads[0].comments[0])
    book.name("dismissed_review", book.deeds.review(pull, book.somebody(), book.at(), state="DISMISSED"))


def _odd_text(book: CaseBook) -> None:
    book.name("nul_title", book.pull("Fix \x00 in title", body=""), book.issue("\x00", body="nul \x00 in body"))
    book.name("empty_body", book.issue("No words", body=""))
    long = book.issue("Many words", body="word " * (LONGEST // 5))
    book.name("longest_body", long, book.deeds.comment(long, book.somebody(), book.at(), body="x" * LONGEST))
    odd = {
        "script": "hi <script>alert(document.cookie)</script><img src=x onerror=alert(1)>",
        "lone_surrogate": "half \ud83d of an emoji",
        "control": "\u0001\u0008\u200f\u2028\ufeff",
        "only_whitespace": " \n\t ",
        "crlf": "one\r\ntwo\r\n",
    }
    for case, body in odd.items():
        book.name(case, book.deeds.comment(long, book.somebody(), book.at(), body=body))
    book.name("odd_title", book.discussion("<b>&amp;</b> \u202e title 🎉"))


def _deleted_with_replies(book: CaseBook) -> None:
    discussion = book.discussion("A comment went, its replies stayed")
    deleted = book.deeds.say(discussion, book.somebody(), book.at())
    reply = book.deeds.say(discussion, book.somebody(), book.at(), parent=deleted)
    deleted.deleted = book.at()
    book.name("deleted_with_replies", deleted, reply)


def _many_labels(book: CaseBook) -> None:
    book.deeds.labels(book.repository, [f"area/{number}" for number in range(14)])
    pull, issue = book.pull("Labelled all over"), book.issue("Labelled all over")
    for label in book.repository.labels[-14:]:
        book.deeds.label(pull, label, book.somebody(), book.at())
        book.deeds.label(issue, label, book.bot, book.at())
    book.name("many_labels", pull, issue)


def _odd_stars(book: CaseBook) -> None:
    """A user who starred two repositories in one second, and the star of a user who is no more."""
    one, other = book.community.repositories[:2]
    at = book.at()
    twice = next(person for person in reversed(book.community.people) if not _has_starred(person, one, other))
    for repository in (one, other):
        book.deeds.star(repository, twice, at)
    book.deeds.star(one, None, at)
    book.community.cases["starred_two_at_once"] = twice.id
    for repository in (one, other):
        repository.stars.sort(key=lambda star: star.at)


def _has_starred(person: Account, *repositories: Repository) -> bool:
    return any(star.account is person for repository in repositories for star in repository.stars)


def _forked_by_organization(book: CaseBook) -> None:
    book.name("organization_fork", book.deeds.fork(book.repository, book.community.organizations[2], book.at()))


def _empty_repository(book: CaseBook) -> None:
    """Nothing was ever done in it; its discussions were never switched on."""
    community = book.community
    empty = Repository(
        id=max(one.id for one in community.repositories) + 13,
        owner=community.organizations[0],
        name="empty",
        created=book.at(),
        discussions_enabled=False,
    )
    community.repositories.append(community.register(empty))
    book.deeds.categories(empty)
    book.name("empty_repository", empty)


def _untouched(book: CaseBook) -> None:
    book.name("nothing_below", book.issue("Nobody answered"), book.discussion("Nobody said a word"))


_CASES: tuple[Callable[[CaseBook], None], ...] = (
    _long_issue,
    _often_closed,
    _long_pull_request,
    _many_threads,
    _long_discussion,
    _bot_things,
    _ghost_things,
    _odd_subjects,
    _pending_review,
    _odd_text,
    _deleted_with_replies,
    _many_labels,
    _odd_stars,
    _forked_by_organization,
    _empty_repository,
    _untouched,
)
