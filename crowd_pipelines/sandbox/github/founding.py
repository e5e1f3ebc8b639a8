"""Founds a community from a seed and a size."""

import random
from dataclasses import dataclass
from datetime import datetime

from crowd_pipelines.sandbox.github import cases, text
from crowd_pipelines.sandbox.github.community import Community
from crowd_pipelines.sandbox.github.deeds import Actor, Deeds
from crowd_pipelines.sandbox.github.model import Account, Discussion, Issue, Item, PullRequest, Repository, Team
from crowd_pipelines.sandbox.platform import records_wanted

DAY = 86_400
HISTORY_DAYS = 900
OLDEST_DAYS = 2_400  # the first repository is from the time of the old ids
LABELS = ("bug", "enhancement", "question", "good first issue", "documentation", "wontfix", "P1", "help wanted")
ORGANIZATION = "cedar-labs"
OWNERS = (ORGANIZATION, ORGANIZATION, "willow-and-oak")
NAMES = ("compiler", "tools", "tools")  # two owners with a repository of the same name


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much of everything; the nasty cases come on top."""

    records: int
    people: int
    repositories: int


NAMED = {
    "small": Plan(records=350, people=70, repositories=3),
    "medium": Plan(records=4_000, people=500, repositories=5),
    "large": Plan(records=19_000, people=3_000, repositories=8),
}


def plan(size: str) -> Plan:
    records = records_wanted(size)
    if records is None:
        return NAMED[size]
    return Plan(records=records, people=max(40, records // 8), repositories=3)


def found(*, seed: int, size: str, until: datetime) -> Community:
    """The same arguments make the same community."""
    community = Community(seed=seed, now=int(until.timestamp()))
    founder = Founder(community, plan(size), random.Random(f"{seed}/{size}"))
    founder.people()
    founder.repositories()
    founder.history()
    cases.build(community, Deeds(community))
    return community


class Founder:
    """Makes up people, repositories, and years of what happened in them."""

    def __init__(self, community: Community, wanted: Plan, dice: random.Random) -> None:
        self._community = community
        self._plan = wanted
        self._dice = dice
        self._deeds = Deeds(community)
        self._last_account = 1_000

    def people(self) -> None:
        self._community.people += [self._person(place) for place in range(self._plan.people)]
        for bot in ("dependabot", "renovate", "coderabbitai"):
            self._community.bots.append(self._other("Bot", bot))
        self._community.mannequins.append(self._other("Mannequin", "moved-from-elsewhere"))
        self._community.readers += [self._other("User", login) for login in ("reader-one", "reader-two")]
        for login in (ORGANIZATION, "willow-and-oak", "larch-tools"):
            self._community.organizations.append(self._other("Organization", login))
        organization = self._community.organizations[0]
        for name, members in (("Core Reviewers", self._community.people[3:6]), ("Nobody Yet", [])):
            team = Team(
                id=self._account_id(), name=name, created=organization.created, organization=organization,
                members=members,
            )  # fmt: skip
            self._community.teams.append(self._community.register(team))

    def repositories(self) -> None:
        community = self._community
        for place in range(self._plan.repositories):
            owner = community.account(OWNERS[place], "Organization") if place < len(OWNERS) else None
            name = NAMES[place] if place < len(NAMES) else f"{text.WORDS[place]}-{place}"
            age = OLDEST_DAYS if place == 0 else HISTORY_DAYS
            repository = Repository(
                id=self._account_id(),
                owner=owner or community.organizations[0],
                name=name,
                created=community.now - age * DAY,
            )
            self._deeds.labels(repository, LABELS)
            self._deeds.categories(repository)
            community.repositories.append(community.register(repository))
        community.connected["organizations"].append(ORGANIZATION)
        community.connect(community.repositories[2])

    def history(self) -> None:
        """Half of everything happens in the first repository, half of the rest in the second, and so on."""
        left = self._plan.records
        last = self._community.repositories[-1]
        for repository in self._community.repositories:
            share = left if repository is last else left // 2
            self._repository(repository, share)
            left -= share

    def _repository(self, repository: Repository, records: int) -> None:
        stars = self._dice.sample(self._community.people, min(len(self._community.people), records // 6))
        moments = sorted(self._moment(repository.created) for _ in stars)
        for account, at in zip(stars, moments, strict=True):
            self._deeds.star(repository, account, at)
        owners = self._dice.sample(self._community.people, min(len(self._community.people), records // 30))
        for at, owner in zip(sorted(self._moment(repository.created) for _ in owners), owners, strict=True):
            self._deeds.fork(repository, owner, at)
        self._items(repository, records - len(stars) - len(owners))

    def _items(self, repository: Repository, records: int) -> None:
        """One after the other, until all is used up; how many there will be is not known before."""
        places = max(1, records // 7)
        span = self._community.now - repository.created - DAY
        place = 0
        while records > 0:
            at = repository.created + span * min(place, places - 1) // places + self._dice.randrange(DAY)
            records -= self._item(repository, at)
            place += 1

    def _item(self, repository: Repository, at: int) -> int:
        title = text.title(self._community.seed, repository.last_number + repository.id)
        match self._dice.random():
            case chance if chance < 0.45:
                return self._issue(self._deeds.issue(repository, self._somebody(), at, title=title))
            case chance if chance < 0.8:
                return self._pull_request(self._deeds.pull_request(repository, self._somebody(), at, title=title))
        category = self._dice.choice(repository.categories)
        return self._discussion(self._deeds.discussion(category, self._somebody(), at, title=title))

    def _issue(self, issue: Issue) -> int:
        records = 1 + self._comments(issue)
        if self._dice.random() < 0.6:
            self._deeds.close(issue, self._somebody(), self._later(issue))
            records += 1
        self._labels(issue)
        return records

    def _pull_request(self, pull: PullRequest) -> int:
        records = 1 + self._comments(pull)
        for typename in ("ReviewRequestedEvent", "AssignedEvent"):
            if self._dice.random() < 0.4:
                self._deeds.event(pull, typename, self._somebody(), self._later(pull), self._person_by_chance())
                records += 1
        for _ in range(self._dice.choice((0, 1, 1, 2))):
            records += self._review(pull)
        self._labels(pull)
        match self._dice.random():
            case chance if chance < 0.55:
                self._deeds.merge(pull, self._somebody(), self._later(pull))
                records += 2
            case chance if chance < 0.75:
                self._deeds.close(pull, self._somebody(), self._later(pull))
                records += 1
        return records

    def _review(self, pull: PullRequest) -> int:
        state = self._dice.choice(("APPROVED", "CHANGES_REQUESTED", "COMMENTED"))
        before = len(pull.threads)
        threads = self._dice.choice((0, 0, 1, 2))
        self._deeds.review(pull, self._somebody(), self._later(pull), state=state, threads=threads)
        answers = 0
        for thread in pull.threads[before:]:
            for _ in range(self._dice.choice((0, 1, 2))):
                self._deeds.answer(thread, self._somebody(), self._later(pull))
                answers += 1
        return 1 + threads + 2 * answers

    def _discussion(self, discussion: Discussion) -> int:
        records = 1
        for _ in range(min(20, int(self._dice.paretovariate(1.3)))):
            comment = self._deeds.say(discussion, self._somebody(), self._later(discussion))
            replies = self._dice.choice((0, 0, 1, 3))
            for _ in range(replies):
                self._deeds.say(discussion, self._somebody(), self._later(discussion), parent=comment)
            records += 1 + replies
            if discussion.category.answerable and discussion.answer is None and self._dice.random() < 0.4:
                self._deeds.choose(comment, self._later(discussion))
        return records

    def _comments(self, item: Issue | PullRequest) -> int:
        comments = min(30, int(self._dice.paretovariate(1.1)) - 1)
        for _ in range(comments):
            self._deeds.comment(item, self._somebody(), self._later(item))
        return comments

    def _labels(self, item: Item) -> None:
        for label in self._dice.sample(item.repository.labels, self._dice.choice((0, 0, 1, 2))):
            self._deeds.label(item, label, self._somebody(), self._later(item))

    def _later(self, item: Item) -> int:
        """Some minutes or days after the last thing that happened to it, but not after now."""
        passed = int(self._dice.expovariate(1 / (1.5 * DAY)))
        return min(item.updated + 30 + passed, self._community.now - 60)

    def _moment(self, since: int) -> int:
        return since + self._dice.randrange(self._community.now - since)

    def _somebody(self) -> Actor:
        """Mostly a person, more often one of a few; now and then a bot, or a ghost."""
        match self._dice.random():
            case chance if chance < 0.03:
                return self._dice.choice(self._community.bots)
            case chance if chance < 0.05:
                return None
        return self._person_by_chance()

    def _person_by_chance(self) -> Account:
        people = self._community.people
        return people[int(len(people) * self._dice.random() ** 2)]

    def _person(self, place: int) -> Account:
        account = Account(
            typename="User",
            id=self._account_id(),
            login=text.login(place),
            name=text.ODD_NAMES[place] if place < len(text.ODD_NAMES) else text.person_name(place),
            created=self._community.now - (self._dice.randrange(200, 4_500)) * DAY,
            email=f"{text.login(place)}@example.com" if place % 3 == 0 else "",
            bio=None if place % 3 else " ".join(text.words(place, 9)),
            company=text.COMPANIES[place % len(text.COMPANIES)],
            location=text.PLACES[place % len(text.PLACES)],
            website=("https://example.com", "", "example.org/no-scheme", None)[place % 4],
            twitter=f"tw_{place}" if place % 4 == 0 else None,
            hireable=place % 5 == 0,
            followers=self._dice.randrange(2_000) if place % 4 else 0,
        )
        return self._community.register(account)

    def _other(self, typename: str, login: str) -> Account:
        created = self._community.now - 3_000 * DAY
        name = login.replace("-", " ").title()
        account = Account(typename=typename, id=self._account_id(), login=login, created=created, name=name)
        return self._community.register(account)

    def _account_id(self) -> int:
        """Accounts and repositories have small numbers, far apart."""
        self._last_account += 1 + self._dice.randrange(900)
        return self._last_account
