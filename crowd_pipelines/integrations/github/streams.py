"""GitHub's units of work. `halved` is how often the page size was halved because GitHub could not answer in time."""

from datetime import datetime
from typing import ClassVar, Literal

from crowd_pipelines.integrations.github.marks import Mark
from crowd_pipelines.model.streams import Stream


class OwnerStream(Stream):
    """A page of an organization's repositories."""

    kind: Literal["owner"] = "owner"
    login: str
    after: str | None = None
    halved: int = 0

    @property
    def label(self) -> str:
        """What people see."""
        return f"repositories of {self.login}" + (", further page" if self.after else "")

    @property
    def subject(self) -> str:
        """The watermark with what the credentials may not see of some repository."""
        return f"owner:{self.login}".lower()


class RepositoryStream(Stream):
    """The newest of everything in a repository."""

    kind: Literal["repository"] = "repository"
    owner: str
    name: str

    @property
    def label(self) -> str:
        """What people see."""
        return f"repository {self.owner}/{self.name}"

    @property
    def subject(self) -> str:
        """The watermark with what the credentials may not see of it."""
        return f"repository:{self.owner}/{self.name}".lower()


class ListStream(Stream):
    """A further page of a repository's stars, forks or conversations. `found` becomes the watermark at the end."""

    query: ClassVar[str]
    """The query, and GitHub's name of the connection."""

    carried = frozenset({"found"})
    repository: str
    name: str
    after: str
    found: Mark
    halved: int = 0

    @property
    def label(self) -> str:
        """What people see."""
        return f"{self.query} of {self.name}, further page"


class StargazersStream(ListStream):
    """Stars."""

    query = "stargazers"
    kind: Literal["stargazers"] = "stargazers"


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
    owed = True

    id: str
    about: str
    after: str
    newest: datetime | None = None
    halved: int = 0

    @property
    def label(self) -> str:
        """What people see."""
        return f"{self.kind.replace('_', ' ')} of {self.about}"[:190]

    @property
    def subject(self) -> str:
        """The watermark's name."""
        return f"{self.kind}:{self.id}"


class CommentsStream(ChildStream):
    """Comments of an issue or a pull request."""

    query = "comments"
    kind: Literal["comments"] = "comments"


class TimelineStream(ChildStream):
    """Earlier events of an issue or a pull request."""

    query = "timeline"
    kind: Literal["timeline"] = "timeline"


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
    ThreadsStream,
    ThreadCommentsStream,
    DiscussionCommentsStream,
    RepliesStream,
)
