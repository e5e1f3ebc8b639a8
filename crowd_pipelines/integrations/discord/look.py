"""A look at the guild: which channels, threads, archives and lists are to be read since the last one."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property

from crowd_pipelines.integrations.discord.access import Access, Permission
from crowd_pipelines.integrations.discord.api import (
    OF_POSTS,
    PRIVATE_THREAD,
    TEXT,
    WITH_MESSAGES,
    WITH_THREADS,
    ArchiveKind,
    Channel,
    Thread,
)
from crowd_pipelines.integrations.discord.places import private_key
from crowd_pipelines.integrations.discord.settings import Run
from crowd_pipelines.integrations.discord.streams import (
    ArchiveStream,
    GuildMark,
    MembersStream,
    MessagesMark,
    MessagesStream,
    Place,
    PlaceStream,
)
from crowd_pipelines.integrations.discord.threads import news_of, thread_place
from crowd_pipelines.model.streams import Json, RenameChannel


def day_of(run: Run) -> str:
    """Return the day of an integration run. Every guild has its own midnight, so that they do not ask all at once."""
    shift = timedelta(minutes=int(run.settings.guild_id) % 1440)
    return (run.started_at - shift).date().isoformat()


@dataclass(frozen=True, kw_only=True)
class Look:
    """A look at the guild; `before` is the last one, `daily` whether this is the first of its day.

    `owed` has the permissions that were missing before, by the keys of their places.
    """

    run: Run
    daily: bool
    access: Access
    channels: list[Channel]
    threads: list[Thread]
    before: GuildMark
    owed: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @cached_property
    def readable(self) -> Mapping[str, Channel]:
        """The channels that the bot may read, by id; threads are as readable as their channel."""
        kinds = WITH_MESSAGES | WITH_THREADS
        return {one.id: one for one in self.channels if one.type in kinds and not self.access.missing(one)}

    @cached_property
    def wanted(self) -> Mapping[str, Channel]:
        """The readable channels but for those that refused: they are owed, and asked for apart."""
        return {id_: channel for id_, channel in self.readable.items() if id_ not in self.owed}

    def places(self) -> Iterator[tuple[Place, Channel | Thread]]:
        """Yield every place that may be asked for messages, with what the lists say of it."""
        for channel in self.wanted.values():
            if channel.type in WITH_MESSAGES:
                name = channel.name
                yield Place(id=channel.id, name=name, form="channel", channel_id=channel.id, channel=name), channel
        for thread in self.threads:
            parent = self.wanted.get(thread.parent_id)
            if parent and thread.id not in self.owed:
                yield thread_place(thread, channel=parent.name, posts=parent.type in OF_POSTS), thread

    def messages(self, marks: Mapping[str, MessagesMark]) -> Iterator[MessagesStream]:
        """Yield what has news."""
        for place, source in self.places():
            stream = news_of(
                place,
                source.last_message_id,
                told="last_message_id" in source.model_fields_set,
                mark=marks.get(place.id),
                onboarding=self.run.onboarding,
                count=source.message_count if isinstance(source, Thread) else None,
            )
            yield from () if stream is None else (stream,)

    def archives(self) -> Iterator[ArchiveStream]:
        """Yield the archives into which something may have gone: where an active thread vanished, or a new post.

        Once a day they are all looked into, since a thread may have been taken out and put back in between. In an
        onboarding channels speak of their threads, but for private ones; forums have nothing else to say.
        """
        everywhere = self.daily and not self.run.onboarding
        for channel in self.wanted.values():
            moved = channel.type in OF_POSTS and self._has_new_posts(channel)
            vanished = self._vanished(channel, private=False)
            if channel.type in WITH_THREADS and (everywhere or moved or vanished):
                yield self._archive(channel, "public", vanished)
            vanished = self._vanished(channel, private=True)
            if channel.type == TEXT and (self.daily or vanished):
                yield from (self._archive(channel, kind, vanished) for kind in self._private_kinds(channel))

    def members(self, known: Mapping[str, Json]) -> Iterator[MembersStream]:
        """Yield the list of members, once a day."""
        listed = known.get("members", {}).get("day")
        if self.run.onboarding or (self.access.sees_members and listed != self.day):
            yield MembersStream(day=self.day)

    def opened(self) -> Iterator[PlaceStream]:
        """Yield the channels that the bot may read now, and that are owed since it might not."""
        for channel in self.readable.values():
            if channel.id in self.before.hidden and channel.id in self.owed and not self.run.onboarding:
                yield PlaceStream(channel_id=channel.id, channel=channel.name, opened=True)

    def hidden(self) -> Iterator[tuple[Channel, str]]:
        """Yield the channels that the bot may not read, with the permission that is missing."""
        for channel in self.channels:
            missing = self.access.missing(channel) if channel.type in WITH_MESSAGES | OF_POSTS else None
            if missing:
                yield channel, missing

    def renamed(self) -> Iterator[RenameChannel]:
        """Yield the channels whose names are new to us."""
        for channel in self.channels:
            if channel.type in WITH_MESSAGES | OF_POSTS and self.before.channels.get(channel.id) != channel.name:
                yield RenameChannel(channel_id=channel.id, channel=channel.name)

    def mark(self) -> GuildMark:
        """Return the watermark after this look."""
        return GuildMark(
            day=self.day if self.daily else self.before.day,
            access=self.access,
            channels={one.id: one.name for one in self.channels},
            threads={one.id: one.name for one in self.threads},
            posts={one.id: one.last_message_id for one in self._forums() if one.last_message_id},
            active={one.id: (one.parent_id, one.type == PRIVATE_THREAD) for one in self.threads},
            hidden={channel.id: missing for channel, missing in self.hidden()},
        )

    @property
    def day(self) -> str:
        """Return the day of the integration run."""
        return day_of(self.run)

    def manages_threads(self, channel: Channel) -> bool:
        """Tell whether the bot sees every private thread of a readable channel."""
        return self.access.permits(channel, Permission.MANAGE_THREADS)

    def _vanished(self, channel: Channel, *, private: bool) -> tuple[str, ...]:
        """Return the threads of a channel that were active at the last look."""
        gone = self.before.active.keys() - {one.id for one in self.threads}
        return tuple(sorted(id_ for id_ in gone if self.before.active[id_] == (channel.id, private)))

    def _archive(self, channel: Channel, kind: ArchiveKind, sought: tuple[str, ...]) -> ArchiveStream:
        return ArchiveStream(
            channel_id=channel.id,
            channel=channel.name,
            archive=kind,
            posts=channel.type in OF_POSTS,
            sought=sought,
        )

    def _private_kinds(self, channel: Channel) -> tuple[ArchiveKind, ...]:
        """Return which lists hold the private threads that the bot may read."""
        if not self.manages_threads(channel):
            return ("joined",)
        return ("private", "joined") if private_key(channel.id) in self.owed else ("private",)

    def _forums(self) -> Iterator[Channel]:
        return (one for one in self.readable.values() if one.type in OF_POSTS)

    def _has_new_posts(self, forum: Channel) -> bool:
        """Tell whether a forum has posts since the last look, of which some may have been put away already."""
        return self.run.onboarding or forum.last_message_id not in (None, self.before.posts.get(forum.id))
