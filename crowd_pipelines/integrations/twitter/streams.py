"""X's units of work, and the watermarks that tell how far each has been read."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, model_validator

from crowd_pipelines.apis.x.api import LARGEST_PAGE_OF_USERS
from crowd_pipelines.apis.x.payloads import User, posted_at
from crowd_pipelines.framework.lists import ListProgress
from crowd_pipelines.model.streams import Stream

FIRST_LOOK = 10
"""Followers that a check asks for first. X bills each account once a day, and most checks find a few new ones."""

_FORMER_LOOK = 100

GROWTH = 5
"""Each further page of a look is so much larger: it ends soon where there is little news, and takes few pages else."""

FRONT = 1000
"""Newest followers that are remembered: a first look is among them even when hundreds of them left at once."""

IN_A_ROW = 5
"""Known followers at the end of a page, in their old order, that show that the news is over."""

IN_ANY_ORDER = 20
"""The same, where X has put them into another order."""

SHORTEST_INTERVAL = timedelta(days=1)
"""The list of followers is never read whole more often than this by checks."""

WHOLE_PER_DAY = 1000
"""So many accounts a day are shown again on the average for the sake of those who left."""

SEARCH_WINDOW = timedelta(days=7)
"""How far back the recent search goes."""

MARGIN = timedelta(hours=1)
"""Distance kept from both ends of what a search may ask for, since clocks differ and pages take time."""

PAGE_TOKENS = frozenset({"pagination_token", "next_token"})
BEGINNINGS = frozenset({"since_id", "start_time"})


class FollowersStream(Stream):
    """A page of an account's followers, the newest first.

    A `look` is for the newest ones only; else the whole list is read, and `again` once more where some seemed to be
    missing. `turn` counts how often the list was begun anew since a page token had ended. Of the whole list,
    `started_at` is when the integration run began in which its reading did, `total` is X's own count, `progress` tells
    how much of it can be relied on, `first_pages` how many the first reading had.
    """

    carried = frozenset({"page", "started_at", "total", "progress", "first_pages"})
    kind: Literal["followers"] = "followers"
    user_id: str
    size: int = LARGEST_PAGE_OF_USERS
    page: int = 1
    token: str | None = None
    look: bool = False
    again: bool = False
    turn: int = 0
    started_at: AwareDatetime | None = None
    total: int | None = None
    progress: ListProgress = ListProgress()
    first_pages: int = 0

    @model_validator(mode="before")
    @classmethod
    def _of_the_version_before(cls, stored: Any) -> Any:
        """Read a look that was queued before looks had a name: as a whole list it would cost much more."""
        if isinstance(stored, dict) and stored.get("size") == _FORMER_LOOK and "look" not in stored:
            return {**stored, "look": True}
        return stored

    @property
    def label(self) -> str:
        """What people see."""
        newest, again = "newest " if self.look else "", ", again" if self.again else ""
        return f"{newest}followers of {self.user_id}{again}" + _numbered(self.page)

    @property
    def subject(self) -> str:
        """The watermark's name."""
        return f"followers:{self.user_id}"

    @property
    def begun(self) -> str:
        """The name of what the first page showed, until the last page makes it the watermark."""
        return f"{self.subject}:look" if self.look else f"{self.subject}:begun"

    def listed(self, page: int | None = None, *, again: bool | None = None) -> str:
        """Return the name under which a page's ids wait until all pages have been read."""
        reading = "again" if (self.again if again is None else again) else "page"
        return f"{self.subject}:{reading}:{page or self.page}"

    def next(self, token: str, **changed: ListProgress) -> Self:
        """Return the page after this one."""
        size = min(self.size * GROWTH, LARGEST_PAGE_OF_USERS) if self.look else self.size
        return self.model_copy(update={"page": self.page + 1, "token": token, "size": size, **changed})

    def anew(self) -> Self:
        """Return the first page of the same list, when the token of a later one has ended."""
        fresh = {"page": 1, "token": None, "turn": self.turn + 1, "progress": ListProgress()}
        return self.model_copy(update=fresh)

    def once_more(self) -> Self:
        """Return the first page of a second reading of the list, with what the first one counted."""
        update = {"page": 1, "token": None, "again": True, "first_pages": self.page, "progress": ListProgress()}
        return self.model_copy(update=update)


class PostsStream(Stream):
    """A page of posts, the newest first; `newest_id` is the highest id that this and the pages before have seen.

    `oldest_id` is the lowest one: where a page token has ended, the list goes on before it (`until_id`), so that X
    shows nothing twice. `turn` counts how often.
    """

    carried = frozenset({"newest_id", "oldest_id", "page", "began_at"})
    since_id: str | None = None
    until_id: str | None = None
    newest_id: str | None = None
    oldest_id: str | None = None
    page: int = 1
    token: str | None = None
    turn: int = 0

    @property
    def subject(self) -> str:
        """The watermark's name."""
        raise NotImplementedError

    def highest(self, ids: Iterable[str | None]) -> str | None:
        """Return the highest id so far."""
        return max(filter(None, (self.newest_id, self.since_id, *ids)), key=int, default=None)

    def lowest(self, ids: Iterable[str]) -> str | None:
        """Return the lowest id so far."""
        return min(filter(None, (self.oldest_id, *ids)), key=int, default=None)

    def without(self, names: frozenset[str]) -> Self | None:
        """Return the same list without what X cannot take of it; None where nothing can be left out."""
        update: dict[str, str | int | None] = {"token": None, "turn": self.turn + 1}
        if self.token and names & PAGE_TOKENS:
            update["until_id"] = self.oldest_id
        elif names & BEGINNINGS and self.has_beginning:
            update |= {"until_id": self.oldest_id, **dict.fromkeys(BEGINNINGS & self.__class__.model_fields.keys())}
        elif self.until_id and "until_id" in names:
            update["until_id"] = None
        else:
            return None
        return self.model_copy(update=update if update["until_id"] else {**update, "page": 1})

    @property
    def has_beginning(self) -> bool:
        """Whether only what is newer than something is asked for."""
        return self.since_id is not None


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

    @property
    def has_beginning(self) -> bool:
        """Whether only what is newer than something is asked for."""
        return self.since_id is not None or self.start_time is not None


class FollowersMark(BaseModel):
    """The watermark of an account's followers: the newest ones, each with a digest of what we store of them.

    `count` is what X counted when the list was read whole at `whole_at`, `fresh` how many have come since; when X does
    not count as many as both together, somebody left. `counted_at` is when that was looked at last.
    """

    model_config = ConfigDict(frozen=True)

    front: tuple[tuple[str, str], ...] = ()
    count: int | None = None
    fresh: int = 0
    whole_at: AwareDatetime | None = None
    counted_at: AwareDatetime | None = None

    @property
    def known(self) -> dict[str, str]:
        """Digests by id."""
        return dict(self.front)

    def before(self, users: Sequence[User]) -> "FollowersMark":
        """Return the watermark when the list goes on with these."""
        known = self.known
        further = [(user.id, digest(user)) for user in users if user.id not in known]
        return self.model_copy(update={"front": (*self.front, *further)})

    def behind(self, newest: "FollowersMark") -> "FollowersMark":
        """Return the watermark when those of another have come to stand before what it held."""
        known, seen = self.known, newest.known
        front = (*newest.front, *(old for old in self.front if old[0] not in seen))
        fresh = self.fresh + sum(one not in known for one in seen)
        return self.model_copy(update={"front": front[:FRONT], "fresh": fresh})

    def reached_by(self, users: Sequence[User]) -> bool:
        """Tell whether a page goes as far as what is known already, in the order in which it is known.

        Who left and came back is known, too, and stands before others who are not.
        """
        places = {known_id: place for place, (known_id, _) in enumerate(self.front)}
        last = [places.get(user.id) for user in users[-IN_ANY_ORDER:]]
        if len(last) == IN_ANY_ORDER and None not in last:
            return True
        row = [place for place in last[-IN_A_ROW:] if place is not None]
        return len(row) == IN_A_ROW and all(one < other for one, other in pairwise(row))

    def is_due(self, now: datetime) -> bool:
        """Tell whether it is time to see if somebody left: a long list is read whole the less often."""
        wait = max(SHORTEST_INTERVAL, SHORTEST_INTERVAL * -(-(self.count or 0) // WHOLE_PER_DAY))
        whole_at, counted_at = self.whole_at, self.counted_at
        return (whole_at is None or now >= whole_at + wait) and (
            counted_at is None or now >= counted_at + SHORTEST_INTERVAL
        )

    def misses_somebody(self, count: int | None) -> bool:
        """Tell whether X counts fewer than were read."""
        return None not in (count, self.count) and (count or 0) < (self.count or 0) + self.fresh

    def counted(self, count: int | None, now: datetime) -> "FollowersMark":
        """Return the watermark after X was asked for its count; one of before there were counts begins here.

        Whom X counts and does not list is none of those who may leave.
        """
        if count is None or self.misses_somebody(count):
            return self.model_copy(update={"counted_at": now})
        update = {"count": count, "fresh": 0, "counted_at": now, "whole_at": self.whole_at or now}
        return self.model_copy(update=update)


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

    def moved(self, *, newest_id: str | None, began_at: datetime, asked_at: datetime, forgiven: bool) -> "HashtagMark":
        """Return the watermark after a search that began then; an earlier one than the last moves nothing back."""
        gap = self.gap_before(began_at, forgiven=forgiven)
        if self.began_at and self.began_at > began_at:
            began_at, asked_at = self.began_at, self.asked_at or asked_at
        return HashtagMark(newest_id=newest_id, began_at=began_at, asked_at=asked_at, gap=gap)

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
