"""X's units of work, and the watermarks that tell how far each has been read."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict

from crowd_pipelines.apis.x.api import LARGEST_PAGE_OF_USERS
from crowd_pipelines.apis.x.payloads import User, posted_at
from crowd_pipelines.model.streams import Stream

FIRST_LOOK = 100
"""Followers that a check asks for first. X bills each one shown, and most checks find a handful of new ones."""

FRONT = 1000
"""Newest followers that are remembered: a first look is among them even when hundreds of them left at once."""

IN_A_ROW = 5
"""Known followers at the end of a page that show that the news is over: who left and came back is known, too."""

SEARCH_WINDOW = timedelta(days=7)
"""How far back the recent search goes."""

MARGIN = timedelta(hours=1)
"""Distance kept from both ends of what a search may ask for, since clocks differ and pages take time."""


class FollowersStream(Stream):
    """A page of an account's followers, the newest first."""

    carried = frozenset({"page"})
    kind: Literal["followers"] = "followers"
    user_id: str
    size: int = LARGEST_PAGE_OF_USERS
    page: int = 1
    token: str | None = None

    @property
    def label(self) -> str:
        """What people see."""
        return f"followers of {self.user_id}" + _numbered(self.page)

    @property
    def subject(self) -> str:
        """The watermark's name."""
        return f"followers:{self.user_id}"

    @property
    def begun(self) -> str:
        """The name of what the first page showed, until the last page makes it the watermark."""
        return f"{self.subject}:begun"

    def listed(self, page: int | None = None) -> str:
        """Return the name under which a page's ids wait until all pages have been read."""
        return f"{self.subject}:page:{page or self.page}"

    def next(self, token: str) -> "FollowersStream":
        """Return the page after this one."""
        return self.model_copy(update={"page": self.page + 1, "token": token})

    def from_the_start(self) -> "FollowersStream":
        """Return the first page again, as large as can be: X bills nothing shown twice in a day."""
        return FollowersStream(user_id=self.user_id)


class PostsStream(Stream):
    """A page of posts, the newest first; `newest_id` is the highest id that this and the pages before have seen."""

    carried = frozenset({"newest_id", "page", "began_at"})
    since_id: str | None = None
    newest_id: str | None = None
    page: int = 1
    token: str | None = None

    @property
    def subject(self) -> str:
        """The watermark's name."""
        raise NotImplementedError

    def highest(self, ids: Iterable[str | None]) -> str | None:
        """Return the highest id so far."""
        known = [one for one in (self.newest_id, self.since_id, *ids) if one]
        return max(known, key=int) if known else None


class MentionsStream(PostsStream):
    """A page of posts that name the account."""

    kind: Literal["mentions"] = "mentions"
    user_id: str

    @property
    def label(self) -> str:
        """What people see."""
        return f"mentions of {self.user_id}" + _numbered(self.page)

    @property
    def subject(self) -> str:
        """The watermark's name."""
        return f"mentions:{self.user_id}"


class HashtagStream(PostsStream):
    """A page of posts with a hashtag. `began_at` is when the first page was shown, by X's clock."""

    kind: Literal["hashtag"] = "hashtag"
    tag: str
    start_time: AwareDatetime | None = None
    began_at: AwareDatetime | None = None

    @property
    def label(self) -> str:
        """What people see."""
        return f"hashtag {self.tag}" + _numbered(self.page)

    @property
    def subject(self) -> str:
        """The watermark's name."""
        return f"hashtag:{self.tag.casefold()}"


class FollowersMark(BaseModel):
    """The watermark of an account's followers: the newest ones, each with a digest of what we store of them."""

    model_config = ConfigDict(frozen=True)

    front: tuple[tuple[str, str], ...] = ()

    @property
    def known(self) -> dict[str, str]:
        """Digests by id."""
        return dict(self.front)

    def behind(self, users: Sequence[User]) -> "FollowersMark":
        """Return the watermark when these have come to stand before what it held."""
        newest = [(user.id, digest(user)) for user in users]
        seen = {user.id for user in users}
        return FollowersMark(front=tuple([*newest, *(old for old in self.front if old[0] not in seen)][:FRONT]))

    def reached_by(self, users: Sequence[User]) -> bool:
        """Tell whether a page goes as far as what is known already."""
        known = self.known
        return len(users) >= IN_A_ROW and all(user.id in known for user in users[-IN_A_ROW:])


class PostsMark(BaseModel):
    """The watermark of a list of posts: the newest one seen."""

    model_config = ConfigDict(frozen=True)

    newest_id: str | None = None


class HashtagMark(PostsMark):
    """The watermark of a hashtag, and when the search for it began: by X's clock, and by ours.

    `gap` is a time of which nothing was read, since nobody asked before X's search had moved on.
    """

    began_at: AwareDatetime | None = None
    asked_at: AwareDatetime | None = None
    gap: tuple[AwareDatetime, AwareDatetime] | None = None

    def opening(self, tag: str, *, now: datetime) -> HashtagStream:
        """Return the first page to read at this moment of our clock."""
        if self.began_at is None or self.asked_at is None:
            return HashtagStream(tag=tag)
        reach = self.began_at + (now - self.asked_at) - SEARCH_WINDOW + MARGIN
        if self.newest_id and posted_at(self.newest_id) > reach:
            return HashtagStream(tag=tag, since_id=self.newest_id)
        # The newest post is too old to be named; nothing is missed by naming the moment instead.
        return HashtagStream(tag=tag, start_time=max(self.began_at - MARGIN, reach).replace(microsecond=0))

    def gap_before(self, began_at: datetime, *, forgiven: bool) -> tuple[datetime, datetime] | None:
        """Return the time that a search beginning now cannot see, else the gap that is known and not `forgiven`."""
        reach = began_at - SEARCH_WINDOW
        if self.began_at and self.began_at < reach:
            return self.began_at, reach
        return None if forgiven else self.gap


def digest(user: User) -> str:
    """Return a text that changes when what we store of an account does."""
    text = json.dumps(user.model_dump(), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _numbered(page: int) -> str:
    return f", page {page}" if page > 1 else ""
