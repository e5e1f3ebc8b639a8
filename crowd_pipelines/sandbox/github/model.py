"""What the simulated GitHub holds. Times are seconds since 1970; a tick is one change of the community."""

from dataclasses import dataclass, field
from typing import ClassVar

Edit = tuple[int, str]
"""The tick of a change, and the value before it."""


@dataclass(slots=True, kw_only=True, eq=False)
class Account:
    """Somebody or something with a login; `gone` once deleted: what they wrote stays as a ghost's."""

    typename: str
    id: int
    login: str
    created: int
    name: str | None = None
    email: str = ""
    bio: str | None = None
    company: str | None = None
    location: str | None = None
    website: str | None = None
    twitter: str | None = None
    hireable: bool = False
    followers: int = 0
    gone: bool = False
    renames: list[Edit] = field(default_factory=list)

    @property
    def person(self) -> bool:
        """Whether activities are this account's: bots, organizations and mannequins are no members."""
        return self.typename == "User" and not self.gone


@dataclass(slots=True, kw_only=True, eq=False)
class Team:
    """A team of an organization, who can be asked for a review together."""

    typename: ClassVar[str] = "Team"
    id: int
    name: str
    created: int
    organization: Account
    members: list[Account] = field(default_factory=list)

    @property
    def slug(self) -> str:
        return self.name.lower().replace(" ", "-")


@dataclass(slots=True, kw_only=True, eq=False)
class Label:
    """A label of a repository."""

    typename: ClassVar[str] = "Label"
    id: int
    name: str
    repository: "Repository"
    created: int


@dataclass(slots=True, kw_only=True, eq=False)
class Category:
    """A category of discussions."""

    typename: ClassVar[str] = "DiscussionCategory"
    id: int
    name: str
    emoji: str
    answerable: bool
    repository: "Repository"
    created: int

    @property
    def slug(self) -> str:
        return self.name.lower().replace("&", "").replace("  ", " ").replace(" ", "-")


@dataclass(slots=True, kw_only=True, eq=False)
class Star:
    """A star; without an account GitHub shows an entry without a user, `torn` ones not even that."""

    account: Account | None
    at: int
    id: int
    torn: bool = False


@dataclass(slots=True, kw_only=True, eq=False)
class Repository:
    """A repository or a fork of one. `hidden` says why it does not answer any more."""

    typename: ClassVar[str] = "Repository"
    id: int
    owner: Account
    name: str
    created: int
    parent: "Repository | None" = None
    hidden: str | None = None
    issues_enabled: bool = True
    discussions_enabled: bool = True
    stars: list[Star] = field(default_factory=list)
    forks: list["Repository"] = field(default_factory=list)
    items: dict[int, "Item"] = field(default_factory=dict)
    labels: list[Label] = field(default_factory=list)
    categories: list[Category] = field(default_factory=list)
    renames: list[Edit] = field(default_factory=list)
    last_number: int = 0
    updated: int = 0
    """When a star was given or taken back last, or its name changed; 0 for never since it was created."""

    @property
    def full_name(self) -> str:
        return f"{self.owner.login}/{self.name}"


@dataclass(slots=True, kw_only=True, eq=False)
class Post:
    """Something written; no body means the one that its id makes. `silent_edits` moved no time that one can see."""

    id: int
    author: Account | None
    created: int
    updated: int = 0
    body: str | None = None
    edited: int | None = None
    silent_edits: list[Edit] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.updated = self.updated or self.created

    @property
    def writer(self) -> Account | None:
        return None if self.author is None or self.author.gone else self.author


@dataclass(slots=True, kw_only=True, eq=False)
class Item(Post):
    """An issue, a pull request or a discussion: what has a number in a repository."""

    typename: ClassVar[str]
    path: ClassVar[str]
    repository: Repository
    number: int
    title: str
    closed: int | None = None
    labels: list[Label] = field(default_factory=list)
    events: list["Event"] = field(default_factory=list)
    comments: list["Comment"] = field(default_factory=list)
    silent_titles: list[Edit] = field(default_factory=list)
    moved: int = 0
    """The tick at which `updated` moved last."""

    @property
    def enabled(self) -> bool:
        return True


@dataclass(slots=True, kw_only=True, eq=False)
class Issue(Item):
    typename: ClassVar[str] = "Issue"
    path: ClassVar[str] = "issues"
    converted: "Discussion | None" = None
    """What it was made: GitHub goes on listing it, closed."""

    @property
    def enabled(self) -> bool:
        return self.repository.issues_enabled


@dataclass(slots=True, kw_only=True, eq=False)
class PullRequest(Item):
    typename: ClassVar[str] = "PullRequest"
    path: ClassVar[str] = "pull"
    merged: int | None = None
    additions: int = 1
    deletions: int = 0
    changed_files: int = 1
    reviews: list["Review"] = field(default_factory=list)
    threads: list["Thread"] = field(default_factory=list)


@dataclass(slots=True, kw_only=True, eq=False)
class Discussion(Item):
    typename: ClassVar[str] = "Discussion"
    path: ClassVar[str] = "discussions"
    category: Category
    talk: list["DiscussionComment"] = field(default_factory=list)
    answer: "DiscussionComment | None" = None

    @property
    def enabled(self) -> bool:
        return self.repository.discussions_enabled


@dataclass(slots=True, kw_only=True, eq=False)
class Event:
    """Something done to an item. `actor` is None for a ghost.

    `subject` is who was assigned or asked, the label, the dismissed review, where an issue came from or what it became.
    """

    typename: str
    id: int
    item: Item
    actor: Account | None
    created: int
    subject: "Account | Team | Label | Review | Repository | Discussion | None" = None

    @property
    def subject_matters(self) -> bool:
        return self.typename in ("AssignedEvent", "ReviewRequestedEvent")

    @property
    def doer(self) -> Account | None:
        return None if self.actor is None or self.actor.gone else self.actor


@dataclass(slots=True, kw_only=True, eq=False)
class Remark(Post):
    """Something written at an item."""

    typename: ClassVar[str]
    item: Item


@dataclass(slots=True, kw_only=True, eq=False)
class Comment(Remark):
    """A comment on an issue or a pull request."""

    typename: ClassVar[str] = "IssueComment"
    item: Issue | PullRequest


@dataclass(slots=True, kw_only=True, eq=False)
class Review(Remark):
    """A review; `submitted` is None while it is pending, which only its author sees."""

    typename: ClassVar[str] = "PullRequestReview"
    item: PullRequest
    state: str
    submitted: int | None


@dataclass(slots=True, kw_only=True, eq=False)
class Thread:
    """A conversation at a line of code."""

    typename: ClassVar[str] = "PullRequestReviewThread"
    id: int
    item: PullRequest
    created: int
    path: str = "src/main.py"
    comments: list["ReviewComment"] = field(default_factory=list)


@dataclass(slots=True, kw_only=True, eq=False)
class ReviewComment(Remark):
    """A comment at a line of code: each belongs to a thread and to a review."""

    typename: ClassVar[str] = "PullRequestReviewComment"
    item: PullRequest
    thread: Thread
    review: Review


@dataclass(slots=True, kw_only=True, eq=False)
class DiscussionComment(Remark):
    """A comment on a discussion, or a reply to one; `deleted` ones stay where others replied."""

    typename: ClassVar[str] = "DiscussionComment"
    item: Discussion
    parent: "DiscussionComment | None" = None
    replies: list["DiscussionComment"] = field(default_factory=list)
    deleted: int | None = None

    @property
    def writer(self) -> Account | None:
        return None if self.deleted or self.author is None or self.author.gone else self.author


Anything = Account | Team | Label | Category | Repository | Item | Event | Thread | Remark


@dataclass(frozen=True, slots=True, kw_only=True)
class Vanished:
    """Something that could be read once, at an item that may be there still; stars and forks were at none."""

    type: str
    source_id: str
    why: str
    tick: int
    item: Item | None = None

    @property
    def signalled(self) -> bool:
        """Whether the item's time has moved since."""
        return self.item is not None and self.item.moved >= self.tick
