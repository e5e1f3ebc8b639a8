"""Slack's Web API, as far as we read it: methods and payloads, nothing of crowd.

Source: the methods' documentation at api.slack.com, and `slack_web_openapi_v2.json` of slackapi/slack-api-specs.
"""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from crowd_pipelines.http.client import HttpClient
from crowd_pipelines.http.errors import Gone, UnexpectedPayload
from crowd_pipelines.integrations.slack.refusals import (
    INVALID_CURSOR,
    LIMIT_REQUIRED,
    MISSING_SCOPE,
    gone_reason,
    needed_scope,
    remedy_of,
)
from crowd_pipelines.model.moments import in_utc
from crowd_pipelines.model.payloads import Payload, Spare

logger = logging.getLogger(__name__)

LARGEST_PAGE = 999
"""Records per request: "an integer under 1000"."""

LIMITED_PAGE = 15
"""All that apps get of a history which are sold but not in Slack's Marketplace, since 2025-05-29."""

SLACKBOT = "USLACKBOT"

Params = Mapping[str, str | int]


class CursorExpired(UnexpectedPayload):
    """The cursor is not accepted any more: read from the start, or from where it is known to have led."""


class PageTooLarge(UnexpectedPayload):
    """The list is too long for pages of this size."""


class ScopeMissing(Gone):
    """The app may not ask for this; `needed` are the scopes that would let it."""

    def __init__(self, message: str, *, needed: str) -> None:
        super().__init__(message)
        self.needed = needed


def moment_of(ts: str) -> datetime:
    """Return when the message with this `ts` was written. Raises ValueError where that cannot be."""
    seconds, _, fraction = ts.partition(".")
    return in_utc(datetime.fromtimestamp(int(seconds), UTC).replace(microsecond=int(fraction)))


def _ts(text: str) -> str:
    moment_of(text)
    return text


Ts = Annotated[str, Field(pattern=r"^[0-9]{9,10}\.[0-9]{6}$"), AfterValidator(_ts)]
"""The id of a message in its channel: seconds, and six digits. Never a number, and in order as text."""


class Workspace(Payload):
    """`auth.test`: whose token it is."""

    team_id: Spare[str] = None
    url: Spare[str] = None


class Channel(Payload):
    """An item of `conversations.list`."""

    id: str = Field(min_length=1)
    name: Spare[str] = None
    is_member: Spare[bool] = None
    is_private: Spare[bool] = None
    is_general: Spare[bool] = None


class Profile(Payload):
    """What people say of themselves. `email` needs the scope users:read.email."""

    real_name: Spare[str] = None
    display_name: Spare[str] = None
    title: Spare[str] = None
    email: Spare[str] = None
    image_72: Spare[str] = None


class User(Payload):
    """Someone in `users.list` or `users.info`, people and bots alike. Of the deleted, half of it is missing."""

    id: str = Field(min_length=1)
    team_id: Spare[str] = None
    name: Spare[str] = None
    real_name: Spare[str] = None
    deleted: Spare[bool] = None
    tz_label: Spare[str] = None
    is_bot: Spare[bool] = None
    is_workflow_bot: Spare[bool] = None
    is_stranger: Spare[bool] = None
    is_restricted: Spare[bool] = None
    is_ultra_restricted: Spare[bool] = None
    profile: Spare[Profile] = None

    @property
    def is_person(self) -> bool:
        """Tell whether it is nobody's machine. Slack says of its own bot that it is none."""
        return not (self.is_bot or self.is_workflow_bot or self.id == SLACKBOT)


class Reaction(Payload):
    """An emoji below a message; `users` may name some of the `count` only."""

    name: str
    count: Spare[int] = None
    users: Spare[tuple[str, ...]] = None


class Attachment(Payload):
    """A link's preview, or a file."""

    title: Spare[str] = None
    name: Spare[str] = None
    fallback: Spare[str] = None
    title_link: Spare[str] = None
    from_url: Spare[str] = None
    permalink: Spare[str] = None


class FileComment(Payload):
    """What somebody said of a file, in workspaces of old."""

    user: Spare[str] = None


class Message(Payload):
    """A message of a channel or a thread; most subtypes are notes of what happened to the channel."""

    ts: Ts
    subtype: str | None = None
    user: str | None = None
    bot_id: Spare[str] = None
    text: str | None = None
    thread_ts: Annotated[Ts | None, BeforeValidator(lambda ts: ts or None)] = None
    reply_count: Spare[int] = None
    latest_reply: Spare[str] = None
    reply_users: Spare[tuple[str, ...]] = None
    reply_users_count: Spare[int] = None
    comment: Spare[FileComment] = None
    reactions: Spare[tuple[Spare[Reaction], ...]] = None
    attachments: Spare[tuple[Spare[Attachment], ...]] = None
    files: Spare[tuple[Spare[Attachment], ...]] = None

    @property
    def author(self) -> str | None:
        """The id of whoever wrote it; None for bots that post without one."""
        return self.user or (self.comment.user if self.comment else None)

    @property
    def answers(self) -> str | None:
        """The `ts` of the message above it in its thread."""
        return self.thread_ts if self.thread_ts != self.ts else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Records as they came, and the cursor of the next page, "" at the end. A page may well be empty in the middle."""

    items: list[Any]
    cursor: str


class SlackApi:
    """Requests to one workspace."""

    def __init__(self, http: HttpClient) -> None:
        self._http = http
        self._looked_up: dict[str, Any] = {}

    def workspace(self) -> Workspace:
        """Return whose token it is, and where its messages can be seen."""
        return Workspace.model_validate(self._call("auth.test", {}))

    def channels(self, types: str) -> Iterator[Any]:
        """Yield every channel, those that the app is not in included. Raises ScopeMissing."""
        cursor, passed = "", set[str]()
        while cursor not in passed:
            passed.add(cursor)
            paging: Params = {"types": types, "exclude_archived": "true", "limit": LARGEST_PAGE, **_at(cursor)}
            page = self._page("conversations.list", "channels", paging)
            yield from page.items
            if not page.cursor:
                return
            cursor = page.cursor
        raise UnexpectedPayload("conversations.list goes round in circles: it gave the same cursor twice.")

    def members(self, cursor: str, *, limit: int) -> Page:
        """Return a page of the people and bots of the workspace. Raises CursorExpired or PageTooLarge."""
        return self._page("users.list", "members", {"limit": limit, **_at(cursor)})

    def history(self, channel: str, *, oldest: str, latest: str, cursor: str, limit: int, bucket: str) -> Page:
        """Return messages between two moments, both exclusive, newest first, without those in threads.

        Both are needed: with one alone Slack may begin at either end.
        """
        span: Params = {"channel": channel, "oldest": oldest, "latest": latest, "limit": limit, **_at(cursor)}
        return self._page("conversations.history", "messages", span, bucket=bucket)

    def replies(self, channel: str, thread: str, *, oldest: str, cursor: str, limit: int, bucket: str) -> Page:
        """Return a thread from `oldest` on, which is included; its first message may come with every page."""
        since = {"oldest": oldest, "inclusive": "true"} if oldest else {}
        params: Params = {"channel": channel, "ts": thread, "limit": limit, **since, **_at(cursor)}
        return self._page("conversations.replies", "messages", params, bucket=bucket)

    def user(self, user_id: str) -> Any:
        """Return someone by id, None when there is nobody to be seen; asked once by this client."""
        if user_id not in self._looked_up:
            try:
                self._looked_up[user_id] = self._call("users.info", {"user": user_id}).get("user")
            except Gone:
                self._looked_up[user_id] = None
        return self._looked_up[user_id]

    def _page(self, method: str, key: str, params: Params, *, bucket: str | None = None) -> Page:
        body = self._call(method, params, bucket=bucket)
        items, metadata = body.get(key), body.get("response_metadata")
        if not isinstance(items, list):
            raise UnexpectedPayload(f"{method} answered no list of {key}", evidence=str(body))
        cursor = metadata.get("next_cursor") if isinstance(metadata, dict) else None
        return Page(items=items, cursor=cursor if isinstance(cursor, str) else "")

    def _call(self, method: str, params: Params, *, bucket: str | None = None) -> dict[str, Any]:
        body = self._http.get(f"/{method}", dict(params), bucket=bucket or method).json
        if not isinstance(body, dict):
            raise UnexpectedPayload(f"{method} answered {type(body).__name__}, not an object", evidence=str(body))
        if body.get("ok") is not True:
            raise _refused(method, body)
        if warning := body.get("warning"):
            logger.info("Slack warns of %s: %s", method, warning)
        return body


def _at(cursor: str) -> dict[str, str]:
    return {"cursor": cursor} if cursor else {}


def _refused(method: str, body: dict[str, Any]) -> Exception:
    """Return what the judge left to us."""
    code = body.get("error")
    if code == INVALID_CURSOR:
        return CursorExpired(f"{method} does not accept its own cursor any more.", evidence=str(body))
    if code == LIMIT_REQUIRED:
        return PageTooLarge(f"{method} wants smaller pages.", evidence=str(body))
    if code == MISSING_SCOPE:
        return ScopeMissing(f"{remedy_of(body)} ({method} answered {code}.)", needed=needed_scope(body))
    if reason := gone_reason(code):
        return Gone(f"{reason} ({method} answered {code}.)")
    return UnexpectedPayload(f"{method} answered neither yes nor no", evidence=str(body))
