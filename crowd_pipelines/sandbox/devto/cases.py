"""The nasty cases of the real API, in the oldest articles of every community; `cases` in the truth names them."""

from collections.abc import Callable

from crowd_pipelines.sandbox.devto import text
from crowd_pipelines.sandbox.devto.community import Community
from crowd_pipelines.sandbox.devto.model import CODE_BASE, Article, Comment, CommentState

DEPTH = 16
ROOTS = 120
ROOM = 16


class CaseBook:
    """Writes comments into one article at the time of its last comment plus a minute each."""

    def __init__(self, community: Community, article: Article) -> None:
        self.community = community
        self.article = article
        self.people = community.founders
        self._turn = article.id

    def say(
        self,
        body: str | None = None,
        *,
        to: Comment | None = None,
        by: int | None = None,
        number: int | None = None,
    ) -> Comment:
        self._turn += 1
        clock = self.community.now
        self.community.now = min(clock, self.article.last_comment + 60)
        comment = self.community.append(
            self.article,
            number=number or max(self.community.comments(self.article), default=self.article.first_number - 1) + 1,
            author=by or self.people[self._turn % len(self.people)],
            parent=to.number if to else None,
            body=body,
        )
        self.community.now = clock
        return comment

    def name(self, case: str, value: object) -> None:
        self.community.cases[case] = value


def build(community: Community) -> None:
    """Writes one case each into the oldest covered articles."""
    _lose_people(community)
    covered = sorted(community.covered().values(), key=lambda article: article.published)
    for article, case in zip(covered, _CASES, strict=False):
        case(CaseBook(community, article))
    twice = (a.id for a in covered if a.organization and _username(community, a) in community.owners["users"])
    community.cases["listed_twice"] = next(twice)
    community.cases["huge_id"] = max(article.id for article in covered)
    _publish_together(community, covered[-2], covered[-1])


def _lose_people(community: Community) -> None:
    suspended, gone = list(community.people.values())[24:26]
    suspended.suspended = gone.gone = True
    community.founders = [person.id for person in community.people.values() if not person.gone]
    community.cases["suspended"] = suspended.id
    community.cases["deleted_user"] = gone.id


def _publish_together(community: Community, one: Article, other: Article) -> None:
    other.published = one.published
    other.created = min(other.created, other.published)
    if not other.comments_count:
        other.last_comment = other.published
    community.cases["published_together"] = [one.id, other.id]


def _username(community: Community, article: Article) -> str:
    return community.people[article.author].username


def _no_comments(book: CaseBook) -> None:
    book.article.planned, book.article.comments = 0, {}
    book.article.last_comment = book.article.published
    book.name("no_comments", book.article.id)


def _deep_thread(book: CaseBook) -> None:
    comment = book.say()
    for _ in range(DEPTH):
        comment = book.say(to=comment)
    book.name("deep_thread", comment.code)


def _deleted_and_hidden(book: CaseBook) -> None:
    for state in (CommentState.DELETED, CommentState.HIDDEN):
        placeholder = book.say()
        placeholder.state = state
        reply = book.say(f"<p>reply to a {state} one</p>\n\n", to=placeholder)
        book.name(f"{state}_with_reply", [placeholder.code, reply.code])
    leaf = book.say()
    leaf.state = CommentState.HIDDEN
    book.name("hidden_leaf", leaf.code)


def _listed_but_gone(book: CaseBook) -> None:
    book.say()
    book.article.readable = False
    book.name("listed_but_gone", book.article.id)


def _odd_text(book: CaseBook) -> None:
    bodies = {
        "script": "<p>hi<script>alert(document.cookie)</script><img src=x onerror=alert(1)></p>",
        "nul": "<p>before\x00after</p>",
        "lone_surrogate": "<p>half \ud83d of an emoji, and \udc00</p>",
        "hundred_kilobytes": "<p>" + "lorem &amp; ipsum " * 5_900 + "</p>",
        "double_escaped": "<p>&amp;lt;b&amp;gt; &amp;amp;</p>",
        "only_whitespace": "\n\n",
        "not_closed": "<p><b><i>open <a href='javascript:alert(1)'>x",
        "control": "<p>\u0001\u0008\u200f\u2028\ufeff</p>",
    }
    for case, body in bodies.items():
        book.name(case, book.say(body).code)
    book.article.title = "Ti\x00tle \ud800 <script>&"
    book.name("odd_title", book.article.id)


def _odd_names(book: CaseBook) -> None:
    for person in book.people[: len(text.ODD_NAMES)]:
        book.say(by=person)
    one, other = (book.community.people[person] for person in book.people[20:22])
    one.username, other.username = "mara_k", "Mara_K"
    book.say(by=one.id)
    book.say(by=other.id)
    book.name("same_but_for_case", [one.id, other.id])


def _many_roots(book: CaseBook) -> None:
    for _ in range(ROOTS):
        book.say()
    book.name("many_roots", book.article.id)


def _wrong_count(book: CaseBook) -> None:
    book.say()
    book.article.counter_error = 1
    book.name("wrong_count", book.article.id)


def _digits_code(book: CaseBook) -> None:
    """A comment whose code is an article's id: the two are told apart by nothing but their type."""
    number = int(str(book.article.id), CODE_BASE)
    last = book.article.last_comment
    comment = book.say(number=number)
    book.article.comments = dict(sorted(book.community.comments(book.article).items()))
    comment.created, book.article.last_comment = book.article.published, last
    book.name("digits_code", comment.code)


def _edited(book: CaseBook) -> None:
    book.article.edited = book.article.published + 86_400
    book.article.crossposted = book.article.published - 86_400
    book.name("edited", book.article.id)


def _lost_people(book: CaseBook) -> None:
    spam = book.say(by=book.community.cases["suspended"])
    placeholder = book.say(by=book.community.cases["deleted_user"])
    placeholder.state = CommentState.DELETED
    replies = [book.say(to=spam), book.say(to=placeholder)]
    book.name("comment_of_suspended", [spam.code, replies[0].code])
    book.name("comment_of_deleted", [placeholder.code, replies[1].code])


_CASES: tuple[Callable[[CaseBook], None], ...] = (
    _no_comments,
    _deep_thread,
    _deleted_and_hidden,
    _listed_but_gone,
    _odd_text,
    _odd_names,
    _many_roots,
    _wrong_count,
    _digits_code,
    _edited,
    _lost_people,
)
