"""GitHub's units of work. `halved` is how often the page size was halved because GitHub could not answer in time."""

from datetime import datetime
from typing import ClassVar, Literal, Self

from crowd_pipelines.framework.integration import Place
from crowd_pipelines.framework.lists import ListProgress
from crowd_pipelines.integrations.github.marks import Mark
from crowd_pipelines.model.streams import Stream


class OwnerStream(Stream):
    """A page of an organization's repositories. `shown` are those of the pages before: their ids and names.

    `left_out` only looks for repositories that came as null before: it is what is owed for them.
    """

    carried = frozenset({"shown", "progress"})

    kind: Literal["owner"] = "owner"
    login: str
    after: str | None = None
    halved: int = 0
    left_out: bool = False
    begun: int = 0
    progress: ListProgress | None = None
    shown: tuple[tuple[str, str], ...] = ()

    @property
    def label(self) -> str:
        """What people see."""
        hidden = "hidden " if self.left_out else ""
        return f"{hidden}repositories of {self.login}" + (", further page" if self.after else "")

    @property
    def subject(self) -> str:
        """The watermark with what the credentials may not see of some repository."""
        return f"owner:{self.login}".lower()

    @property
    def so_far(self) -> ListProgress:
        """How much of the list was read before this page."""
        return _so_far(self.progress, self.after)

    @property
    def place(self) -> Place:
        """The whole list of repositories, or those in it that are hidden."""
        first = OwnerStream(login=self.login, left_out=self.left_out)
        key = f"hidden:{self.login}".lower() if self.left_out else self.subject
        label = f"{'hidden ' if self.left_out else ''}repositories of {self.login}"
        return Place(key=key, label=label, stream=first, itself=True)

    def again(self) -> Self:
        """Return the stream that begins the list again."""
        return self.model_copy(update={"after": None, "begun": self.begun + 1, "progress": None, "shown": ()})


class RepositoryStream(Stream):
    """The newest of everything in a repository, but for its stars. `owner_list` is whose list it was missing in."""

    carried = frozenset({"owner_list"})

    kind: Literal["repository"] = "repository"
    owner: str
    name: str
    owner_list: str | None = None

    @property
    def label(self) -> str:
        """What people see."""
        return f"repository {self.owner}/{self.name}"

    @property
    def place(self) -> Place:
        """The repository."""
        return place_named(f"{self.owner}/{self.name}")


def place_named(full_name: str) -> Place:
    """Return the place that a repository is, by its owner and name."""
    owner, _, name = full_name.partition("/")
    return Place(
        key=f"repository:{full_name}".lower(), label=full_name, stream=RepositoryStream(owner=owner, name=name)
    )


class ListStream(Stream):
    """A page of a repository's stars, forks or conversations. `found` becomes the watermark at the end.

    `entire` reads this page alone, whatever is known of it: something on it could not be read. `begun` counts how often
    the list had to be begun again.
    """

    query: ClassVar[str]
    """The query, and GitHub's name of the connection."""

    carried = frozenset({"found", "progress"})
    repository: str
    name: str
    after: str | None = None
    found: Mark = Mark()
    progress: ListProgress | None = None
    entire: bool = False
    begun: int = 0
    halved: int = 0

    @property
    def label(self) -> str:
        """What people see."""
        return f"{self.query} of {self.name}" + (", further page" if self.after else "")

    @property
    def so_far(self) -> ListProgress:
        """How much of the list was read before this page."""
        return ListProgress.broken() if self.entire else _so_far(self.progress, self.after)

    @property
    def place(self) -> Place:
        """The repository."""
        return place_named(self.name)

    def again(self) -> Self:
        """Return the stream that begins the list again."""
        fresh = {"after": None, "begun": self.begun + 1, "progress": None, "found": Mark(), "entire": False}
        return self.model_copy(update=fresh)


class StargazersStream(ListStream):
    """Stars, in a document of their own.

    `announced` is the count that led here, with the time at which the repository was `updated`; `count` is the list's
    own at its first page.
    """

    query = "stargazers"
    carried = frozenset({"found", "progress", "announced", "updated", "count"})
    kind: Literal["stargazers"] = "stargazers"
    announced: int | None = None
    updated: str | None = None
    count: int | None = None

    @property
    def place(self) -> Place:
        """The repository's stars: nothing else of it is closed with them."""
        first = StargazersStream(repository=self.repository, name=self.name)
        return Place(key=f"stars:{self.name}".lower(), label=f"stars of {self.name}", stream=first, itself=True)


class ForksStream(ListStream):
    """Forks."""

    query = "forks"
    kind: Literal["forks"] = "forks"


class IssuesStream(ListStream):
    """Issues, with what is below them."""

    query = "issues"
    kind: Literal["issues"] = "issues"


class PullsStream(ListStream):
    """Pull requests, with what is below them."""

    query = "pullRequests"
    kind: Literal["pulls"] = "pulls"


class DiscussionsStream(ListStream):
    """Discussions, with what is below them."""

    query = "discussions"
    kind: Literal["discussions"] = "discussions"


class ChildStream(Stream):
    """A page of what did not fit into one with its conversation; `about` tells people of which.

    `newest` becomes the watermark at the end, where there is one.
    """

    query: ClassVar[str]
    carried = frozenset({"progress", "repository", "requests"})

    id: str
    about: str
    repository: str = ""
    after: str | None = None
    newest: datetime | None = None
    progress: ListProgress | None = None
    begun: int = 0
    halved: int = 0

    @property
    def label(self) -> str:
        """What people see."""
        return f"{self.kind.replace('_', ' ')} of {self.about}"[:190]

    @property
    def subject(self) -> str:
        """The watermark's name."""
        return f"{self.kind}:{self.id}"

    @property
    def so_far(self) -> ListProgress:
        """How much of the list was read before this page."""
        return _so_far(self.progress, self.after)

    @property
    def place(self) -> Place | None:
        """The repository, where it is known: streams of former versions do not tell."""
        return place_named(self.repository) if self.repository else None

    def again(self) -> Self:
        """Return the stream that begins the list again."""
        return self.model_copy(update={"after": None, "begun": self.begun + 1, "progress": None, "newest": None})


class CommentsStream(ChildStream):
    """Comments of an issue or a pull request."""

    query = "comments"
    kind: Literal["comments"] = "comments"


class TimelineStream(ChildStream):
    """Earlier events of an issue or a pull request. `requests` are the requests for reviews on the pages before."""

    query = "timeline"
    kind: Literal["timeline"] = "timeline"
    requests: tuple[str, ...] = ()

    def again(self) -> Self:
        """Return the stream that begins the list again."""
        return super().again().model_copy(update={"requests": ()})


class ReviewsStream(ChildStream):
    """All reviews of a pull request that changed: an older one may have been edited."""

    query = "reviews"
    kind: Literal["reviews"] = "reviews"


class ThreadsStream(ChildStream):
    """Review threads of a pull request."""

    query = "threads"
    kind: Literal["threads"] = "threads"


class ThreadCommentsStream(ChildStream):
    """Comments of a review thread."""

    query = "threadComments"
    kind: Literal["thread_comments"] = "thread_comments"


class DiscussionCommentsStream(ChildStream):
    """Comments of a discussion."""

    query = "discussionComments"
    kind: Literal["discussion_comments"] = "discussion_comments"


class RepliesStream(ChildStream):
    """Replies to a comment of a discussion."""

    query = "replies"
    kind: Literal["replies"] = "replies"


STREAM_TYPES: tuple[type[Stream], ...] = (
    OwnerStream,
    RepositoryStream,
    StargazersStream,
    ForksStream,
    IssuesStream,
    PullsStream,
    DiscussionsStream,
    CommentsStream,
    TimelineStream,
    ReviewsStream,
    ThreadsStream,
    ThreadCommentsStream,
    DiscussionCommentsStream,
    RepliesStream,
)


def _so_far(progress: ListProgress | None, after: str | None) -> ListProgress:
    """A page whose predecessors are not told, as a former version queued it, is of a list that proves nothing."""
    return progress or (ListProgress.broken() if after else ListProgress())
