"""Discord's REST API, version 10, as far as we read it: endpoints, payloads and refusals, nothing of crowd.

Source: the official description (`specs/openapi.json` of discord/discord-api-spec) and its documentation. Ids are
snowflakes: numbers written as text that carry their moment, so they sort by time.
"""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, TypeVar, cast

from pydantic import AfterValidator, Field, ValidationError, model_validator

from crowd_pipelines.http.client import HttpClient
from crowd_pipelines.http.errors import Gone, UnexpectedPayload
from crowd_pipelines.integrations.discord.refusals import BEFORE_EVERYTHING
from crowd_pipelines.model import clock
from crowd_pipelines.model.moments import Moment
from crowd_pipelines.model.payloads import Payload, Spare

A = TypeVar("A")
T = TypeVar("T", bound=Payload)

_MINUTE = 60

MESSAGES_PER_PAGE = 100
MEMBERS_PER_PAGE = 1000
THREADS_PER_PAGE = 100

TEXT, VOICE, ANNOUNCEMENT, STAGE, FORUM, MEDIA = 0, 2, 5, 13, 15, 16
PUBLIC_THREAD, PRIVATE_THREAD = 11, 12
WITH_MESSAGES = frozenset({TEXT, VOICE, ANNOUNCEMENT, STAGE})
SPOKEN = frozenset({VOICE, STAGE})
"""Channels whose text needs the permission to join them, too."""

OF_POSTS = frozenset({FORUM, MEDIA})
"""Channels that hold threads and nothing else."""

WITH_THREADS = frozenset({TEXT, ANNOUNCEMENT, *OF_POSTS})

SAID, REPLIED, THREAD_CREATED, THREAD_STARTER = 0, 19, 18, 21
"""Types of messages: said, said in answer to another, the news of a thread, and a thread's look back at its origin."""

_EPOCH = datetime(2015, 1, 1, tzinfo=UTC)
_LEEWAY = timedelta(days=2)
_GUILD_MEMBERS = 1 << 14 | 1 << 15
_MESSAGE_CONTENT = 1 << 18 | 1 << 19

ArchiveKind = Literal["public", "private", "joined"]

_ARCHIVES: dict[ArchiveKind, str] = {
    "public": "/threads/archived/public",
    "private": "/threads/archived/private",
    "joined": "/users/@me/threads/archived/private",
}


def moment_of(snowflake: str) -> datetime:
    """Return when an id was given out."""
    return _EPOCH + timedelta(milliseconds=int(snowflake) >> 22)


def _given_out(snowflake: str) -> str:
    """Refuse an id of the future: as a watermark it would hide everything that comes before it."""
    if moment_of(snowflake) > clock.now() + _LEEWAY:
        raise ValueError("this id has not been given out yet")
    return snowflake


Snowflake = Annotated[str, Field(pattern=r"^[0-9]{1,19}$"), AfterValidator(_given_out)]


class User(Payload):
    """An account. A webhook poses as one."""

    id: Snowflake
    username: str = Field(min_length=1)
    global_name: Spare[str] = None
    avatar: Spare[str] = None
    bot: Spare[bool] = None
    system: Spare[bool] = None


class Overwrite(Payload):
    """What a channel allows or denies a role (type 0) or a member (type 1)."""

    id: Snowflake
    type: int
    allow: int
    deny: int


class NamedPlace(Payload):
    """A channel or thread; its name is its id where none can be read."""

    @model_validator(mode="before")
    @classmethod
    def _by_id(cls, raw: Any) -> Any:
        if isinstance(raw, dict) and not isinstance(raw.get("name"), str):
            return {**raw, "name": str(raw.get("id"))}
        return raw


class Channel(NamedPlace):
    """A channel of a guild. `last_message_id` may be that of a deleted message; in a forum it is the newest post."""

    id: Snowflake
    type: int
    name: str
    last_message_id: Spare[Snowflake] = None
    permission_overwrites: Spare[tuple[Spare[Overwrite], ...]] = None


class ThreadMetadata(Payload):
    """When a thread was archived or taken out again."""

    archive_timestamp: Spare[Moment] = None


class Thread(NamedPlace):
    """A thread, which is a channel below a channel; of one that was made from a message, the id is the message's."""

    id: Snowflake
    type: int
    name: str
    parent_id: Snowflake
    last_message_id: Spare[Snowflake] = None
    message_count: Spare[int] = None
    thread_metadata: Spare[ThreadMetadata] = None

    @property
    def archived_at(self) -> datetime | None:
        """When it was archived, or taken out again."""
        return self.thread_metadata.archive_timestamp if self.thread_metadata else None


class Attachment(Payload):
    """A file. The query of its address is a signature that expires."""

    filename: str
    url: str
    content_type: Spare[str] = None
    size: Spare[int] = None


class Emoji(Payload):
    """An emoji; one of a guild's own that was deleted has no name any more."""

    name: Spare[str] = None


class Reaction(Payload):
    """How many people reacted with an emoji."""

    emoji: Emoji
    count: int


class Reference(Payload):
    """What a message points to; of the news of a thread, `channel_id` is the thread."""

    channel_id: Spare[Snowflake] = None
    message_id: Spare[Snowflake] = None


class Named(Payload):
    """Anything with an id and a name."""

    id: Snowflake
    name: str


class Origin(Payload):
    """A message as an answer to it shows it, in as much as tells whether it is an activity."""

    type: int
    author: User
    webhook_id: Spare[str] = None

    @property
    def by_person(self) -> bool:
        """Whether a person wrote it, not a bot, a webhook or Discord itself."""
        return not (self.webhook_id or self.author.bot or self.author.system)


class Forwarded(Payload):
    """What somebody else said, as it was when it was forwarded."""

    content: Spare[str] = None
    mentions: Spare[tuple[Spare[User], ...]] = None
    attachments: Spare[tuple[Spare[Attachment], ...]] = None


class Snapshot(Payload):
    """A forwarded message, in its envelope."""

    message: Forwarded


class Message(Origin):
    """A message. Bare texts and lists may be empty because the bot may not see them."""

    id: Snowflake
    content: Spare[str] = None
    timestamp: Spare[Moment] = None
    mentions: Spare[tuple[Spare[User], ...]] = None
    mention_channels: Spare[tuple[Spare[Named], ...]] = None
    attachments: Spare[tuple[Spare[Attachment], ...]] = None
    reactions: Spare[tuple[Spare[Reaction], ...]] = None
    embeds: Spare[list[Any]] = None
    components: Spare[list[Any]] = None
    stickers: Spare[list[Any]] = None
    sticker_items: Spare[list[Any]] = None
    message_snapshots: Spare[tuple[Spare[Snapshot], ...]] = None
    activity: Any = None
    application: Any = None
    call: Any = None
    poll: Any = None
    message_reference: Spare[Reference] = None
    referenced_message: Spare[Origin] = None

    @property
    def moment(self) -> datetime:
        """When it was sent: the id knows, too."""
        return self.timestamp or moment_of(self.id)

    @property
    def is_bare(self) -> bool:
        """Whether nothing of it is shown. Nobody can send an empty message, so it is withheld."""
        return not any(
            (
                self.content,
                self.attachments,
                self.embeds,
                self.components,
                self.stickers,
                self.sticker_items,
                self.message_snapshots,
                self.activity,
                self.application,
                self.call,
                self.poll,
            )
        )

    @property
    def forwarded(self) -> tuple[Forwarded, ...]:
        """What is forwarded with it."""
        return tuple(one.message for one in self.message_snapshots or () if one)

    @property
    def original_deleted(self) -> bool:
        """Whether what it refers to was looked for and is not there; a field left out says nothing."""
        return self.referenced_message is None and "referenced_message" in self.model_fields_set


class GuildMember(Payload):
    """Someone in a guild; `joined_at` is the last time they came, None for guests. `pending`: not admitted yet."""

    user: User
    joined_at: Moment | None = None
    pending: Spare[bool] = None


class Membership(Payload):
    """The roles of someone in a guild."""

    roles: tuple[Snowflake, ...]


class Role(Payload):
    """A role; the one that everybody has bears the guild's id."""

    id: Snowflake
    name: str
    permissions: int


class Guild(Payload):
    """A guild."""

    id: Snowflake
    name: Spare[str] = None
    owner_id: Spare[Snowflake] = None
    roles: tuple[Role, ...]
    approximate_member_count: Spare[int] = None


class Application(Payload):
    """The bot's application, whose flags tell what it may see."""

    id: Snowflake
    flags: Spare[int] = None
    flags_new: Spare[int] = None
    bot: Spare[User] = None

    @property
    def bot_id(self) -> str:
        """The bot's user id; of young applications it is the application's own."""
        return self.bot.id if self.bot else self.id

    @property
    def sees_members(self) -> bool:
        """Whether it may list members."""
        return self._has(_GUILD_MEMBERS)

    @property
    def sees_contents(self) -> bool:
        """Whether it may see what messages say."""
        return self._has(_MESSAGE_CONTENT)

    def _has(self, either: int) -> bool:
        flags = self.flags if self.flags_new is None else self.flags_new
        return flags is None or bool(flags & either)


def id_of(raw: Any) -> int | None:
    """Return the id of a record of any shape."""
    try:
        return int(_Identified.model_validate(raw).id)
    except ValidationError:
        return None


class _Identified(Payload):
    id: Snowflake


class DiscordApi:
    """Requests of one bot. Lists come as they are; what cannot be used in them is for the caller to tell.

    What was asked about a guild within the last minute is at hand (`lately`) for those whom that is new enough.
    """

    def __init__(self, http: HttpClient) -> None:
        self._http = http
        self._answers: dict[str, tuple[float, Any]] = {}
        self._lock = threading.RLock()

    def lately(self, what: str, ask: Callable[[], A]) -> A:
        """Return an answer of the last minute, else ask for it, once for all who want it now."""
        with self._lock:
            asked_at, answer = self._answers.get(what, (float("-inf"), None))
            return cast("A", answer) if time.monotonic() - asked_at < _MINUTE else self.remembered(what, ask())

    def remembered(self, what: str, answer: A) -> A:
        """Keep an answer at hand, and return it."""
        self._answers[what] = (time.monotonic(), answer)
        return answer

    def channels(self, guild_id: str) -> list[Any]:
        """Return every channel of a guild, readable or not, without threads.

        Raises CredentialsRejected when the bot is not in the guild.
        """
        channels = self._list(f"/guilds/{guild_id}/channels", bucket=f"guild/{guild_id}")
        return self.remembered(f"channels/{guild_id}", channels)

    def channels_lately(self, guild_id: str) -> list[Any]:
        """Return the channels of a guild as they were within the last minute."""
        return self.lately(f"channels/{guild_id}", lambda: self.channels(guild_id))

    def active_threads(self, guild_id: str) -> tuple[list[Any], bool]:
        """Return every thread of a guild that is not archived, and whether the list says that there are more."""
        path = f"/guilds/{guild_id}/threads/active"
        body = self._object(path, bucket=f"guild/{guild_id}")
        answer = self._threads(body, path), body.get("has_more") is True
        return self.remembered(f"active/{guild_id}", answer)

    def active_lately(self, guild_id: str) -> list[Any]:
        """Return the active threads of a guild as they were within the last minute."""
        threads, _ = self.lately(f"active/{guild_id}", lambda: self.active_threads(guild_id))
        return threads

    def archived_threads(self, channel_id: str, kind: ArchiveKind, before: str | None) -> tuple[list[Any], bool | None]:
        """Return archived threads of a channel, and whether there are more; None where the list does not say.

        The newest come first: by when they were archived, or of those that the bot joined, by id. `before` is of that
        kind, too. Raises NotPermitted when that is not permitted.
        """
        path = f"/channels/{channel_id}{_ARCHIVES[kind]}"
        body = self._object(path, {"before": before, "limit": THREADS_PER_PAGE}, bucket=f"threads/{channel_id}")
        if body.get("code") == BEFORE_EVERYTHING:
            return [], False
        more = body.get("has_more")
        return self._threads(body, path), more if isinstance(more, bool) else None

    def messages(self, channel_id: str, after: str) -> list[Any]:
        """Return the messages that follow an id, the newest first; an empty list where they may not be read, too.

        Raises Gone for a channel that is gone, NotPermitted for one that may not be seen.
        """
        params = {"after": after, "limit": MESSAGES_PER_PAGE}
        return self._list(f"/channels/{channel_id}/messages", params, bucket=f"messages/{channel_id}")

    def message(self, channel_id: str, message_id: str) -> dict[str, Any] | None:
        """Return a message; None for one that was deleted."""
        try:
            return self._object(f"/channels/{channel_id}/messages/{message_id}", bucket=f"messages/{channel_id}")
        except Gone:
            return None

    def thread(self, thread_id: str) -> Thread:
        """Return a thread. Raises Gone when it was deleted."""
        return self._parsed(Thread, f"/channels/{thread_id}", bucket=f"channel/{thread_id}")

    def members(self, guild_id: str, after: str) -> list[Any]:
        """Return the members whose ids follow one, in their order.

        Raises NotPermitted without the Server Members intent.
        """
        params = {"after": after, "limit": MEMBERS_PER_PAGE}
        return self._list(f"/guilds/{guild_id}/members", params, bucket=f"members/{guild_id}")

    def guild(self, guild_id: str) -> Guild:
        """Return a guild with its roles, and roughly how many are in it."""
        return self._parsed(Guild, f"/guilds/{guild_id}", {"with_counts": "true"}, bucket=f"guild/{guild_id}")

    def roles(self, guild_id: str) -> list[Any]:
        """Return the roles of a guild."""
        return self._list(f"/guilds/{guild_id}/roles", bucket=f"guild/{guild_id}")

    def application(self) -> Application:
        """Return the bot's application."""
        return self._parsed(Application, "/applications/@me", bucket="application")

    def membership(self, guild_id: str, user_id: str) -> Membership:
        """Return what somebody is in a guild. Raises Gone when they are not in it."""
        return self._parsed(Membership, f"/guilds/{guild_id}/members/{user_id}", bucket=f"guild/{guild_id}")

    def _list(self, path: str, params: dict[str, Any] | None = None, *, bucket: str) -> list[Any]:
        body = self._http.get(path, params, bucket=bucket).json
        if not isinstance(body, list):
            raise UnexpectedPayload(f"{path} answered {type(body).__name__} where a list belongs", evidence=str(body))
        return body

    def _object(self, path: str, params: dict[str, Any] | None = None, *, bucket: str) -> dict[str, Any]:
        body = self._http.get(path, params, bucket=bucket).json
        if not isinstance(body, dict):
            raise UnexpectedPayload(f"{path} answered {type(body).__name__}, not an object", evidence=str(body))
        return body

    def _threads(self, body: dict[str, Any], path: str) -> list[Any]:
        threads = body.get("threads")
        if not isinstance(threads, list):
            raise UnexpectedPayload(f"{path} answered no list of threads", evidence=str(body))
        return threads

    def _parsed(self, wanted: type[T], path: str, params: dict[str, Any] | None = None, *, bucket: str) -> T:
        body = self._object(path, params, bucket=bucket)
        try:
            return wanted.model_validate(body)
        except ValidationError as error:
            told = f"{path} answered what is no {wanted.__name__.lower()}"
            raise UnexpectedPayload(told, evidence=str(body)) from error


def threads_in(raw: list[Any]) -> Iterator[str]:
    """Yield the ids of threads of which messages of any shape speak."""
    for item in raw:
        if not isinstance(item, dict):
            continue
        if thread := id_of(item.get("thread")):
            yield str(thread)
        reference = item.get("message_reference")
        if item.get("type") == THREAD_CREATED and isinstance(reference, dict):
            thread = id_of({"id": reference.get("channel_id")})
            yield from () if thread is None else (str(thread),)
