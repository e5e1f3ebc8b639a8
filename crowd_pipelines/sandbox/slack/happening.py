"""Carries changes out."""

from collections.abc import Callable, Mapping
from typing import Any

from crowd_pipelines.sandbox.changes import Pass
from crowd_pipelines.sandbox.platform import ChangeRefused
from crowd_pipelines.sandbox.slack import changes as ch
from crowd_pipelines.sandbox.slack import text
from crowd_pipelines.sandbox.slack.api import SlackWebApi
from crowd_pipelines.sandbox.slack.choice import Choice
from crowd_pipelines.sandbox.slack.methods import METHODS
from crowd_pipelines.sandbox.slack.model import SECOND, SLACKBOT, Channel, Kind, Message, Part, Person, Vanished, ts_of
from crowd_pipelines.sandbox.slack.workspace import SCOPES, Workspace

Touched = dict[str, Any]


class Happenings:
    """Changes a workspace, and tells what was touched."""

    def __init__(self, workspace: Workspace, api: SlackWebApi) -> None:
        self.workspace = workspace
        self.choice = Choice(workspace)
        self._api = api
        self._number = 1_000_000
        self._hidden: list[tuple[Channel, Message, dict[int, Message]]] = []
        self._ways: Mapping[type[Any], Callable[[Any], Touched]] = {
            ch.Post: self._post,
            ch.Reply: self._reply,
            ch.Edit: self._edit,
            ch.Delete: self._delete,
            ch.React: self._react,
            ch.Join: self._join,
            ch.RenameUser: self._rename_user,
            ch.DeleteUser: self._delete_user,
            ch.RenameChannel: self._rename_channel,
            ch.NewChannel: self._new_channel,
            ch.LeaveChannel: self._leave_channel,
            ch.ArchiveChannel: self._archive_channel,
            ch.ShareChannel: self._share_channel,
            ch.Hide: self._hide,
            ch.Restore: self._restore,
            ch.Organization: self._organization,
            ch.Note: self._note,
            ch.Scope: self._scope,
            ch.RevokeToken: self._revoke_token,
            ch.Limit: self._limit,
            ch.Regime: self._regime,
            ch.ExpireCursors: self._expire_cursors,
            ch.ShortPages: self._short_pages,
            Pass: lambda _: {},
        }

    def make(self, change: ch.AnyChange) -> Touched:
        """Raises ChangeRefused."""
        self.workspace.now += change.after
        touched = self._ways[type(change)](change)
        return {"do": change.do, "messages": [], "channels": [], "users": [], **touched}

    def _parts(self, words: str | None) -> tuple[Part, ...]:
        if words is not None:
            return (("text", words),)
        self._number += 1
        people = [person.id for person in self.workspace.people.values() if person.kind is Kind.PERSON][:50]
        channels = [(channel.id, channel.name) for channel in self.workspace.open()][:6]
        return text.parts(self._number, people=people, channels=channels)

    def _write(self, channel: Channel, author: str | None, words: str | None, **fields: Any) -> Message:
        message = Message(
            moment=self.workspace.now * SECOND + 100,
            author=self.choice.person(author).id,
            parts=self._parts(words),
        )
        for name, value in fields.items():
            setattr(message, name, value)
        return self.workspace.add(channel, message)

    def _post(self, change: ch.Post) -> Touched:
        channel = self.choice.channel(change.channel)
        written: list[Message] = []
        for _ in range(change.times):
            self.workspace.now += 1 if written else 0
            written.append(self._write(channel, change.author, change.text))
        return _touched(channel, *written)

    def _reply(self, change: ch.Reply) -> Touched:
        if change.thread:
            channel, head = self.choice.message(change.thread)
        else:
            channel, head = self.choice.thread(change.channel, behind=change.behind)
        fields = {"parent": head.moment, "broadcast": change.broadcast}
        reply = self._write(channel, change.author, change.text, **fields)
        _signal(channel, head)
        return _touched(channel, reply) | {"thread": f"{channel.identity}:{head.ts}"}

    def _edit(self, change: ch.Edit) -> Touched:
        channel, message = self.choice.message(change.message, reply=change.reply)
        if message.parent is not None and not message.broadcast:
            message.edits.append(message.parts)
        message.parts = (*message.parts, ("text", " (edited)")) if change.text is None else (("text", change.text),)
        message.edited = self.workspace.now
        return _touched(channel, message)

    def _delete(self, change: ch.Delete) -> Touched:
        channel, message = self.choice.message(change.message, reply=change.reply)
        shows = message.parent is not None or message in self.workspace.window(channel)
        self.workspace.vanish(channel, message, why="deleted", signalled=shows)
        if message.parent is not None:
            del channel.threads[message.parent][message.moment]
            head = channel.messages.get(message.parent)
            if head:
                _signal(channel, head)
        if channel.threads.get(message.moment):
            self._bury(message)
        else:
            channel.messages.pop(message.moment, None)
            self._hidden.append((channel, message, {}))
        return _touched(channel, message)

    def _hide(self, change: ch.Hide) -> Touched:
        channel, message = self.choice.message(change.message)
        thread = channel.threads.pop(message.moment, {})
        del channel.messages[message.moment]
        self._hidden.append((channel, message, thread))
        for gone in (message, *thread.values()):
            self.workspace.vanish(channel, gone, why="hidden", signalled=True)
        return _touched(channel, message, *thread.values())

    def _bury(self, message: Message) -> None:
        message.author, message.subtype, message.extras = SLACKBOT, "tombstone", {"hidden": True}
        message.parts, message.reactions, message.attachments = (("text", "This message was deleted."),), {}, []

    def _react(self, change: ch.React) -> Touched:
        channel, message = self.choice.message(change.message)
        message.reactions.setdefault("eyes", []).append(self.choice.person(None).id)
        return _touched(channel, message)

    def _join(self, change: ch.Join) -> Touched:
        workspace, place = self.workspace, len(self.workspace.people)
        newcomer = Person(
            id=f"U{place:04d}NEW",
            name=text.user_name(place),
            real_name=text.real_name(place),
            joined=workspace.now,
            updated=workspace.now,
        )
        workspace.people[newcomer.id] = newcomer
        touched: Touched = {"users": [newcomer.id]}
        if not change.quiet:
            hall = next(channel for channel in workspace.channels.values() if channel.general)
            parts: tuple[Part, ...] = (("user", newcomer.id), ("text", " has joined the channel"))
            note = Message(moment=workspace.now * SECOND, author=newcomer.id, subtype="channel_join", parts=parts)
            workspace.add(hall, note)
            touched["channels"] = [hall.id]
        return touched

    def _rename_user(self, change: ch.RenameUser) -> Touched:
        person = self.choice.person(change.user)
        person.renames.append(person.name)
        person.name = change.name or f"{person.name}.renamed{len(person.renames)}"
        person.updated = self.workspace.now
        return {"users": [person.id]}

    def _delete_user(self, change: ch.DeleteUser) -> Touched:
        person = self.choice.person(change.user)
        person.renames.append(person.name)
        person.name, person.real_name, person.title, person.email = f"deactivateduser{len(person.id)}", "", "", None
        person.deleted, person.updated = True, self.workspace.now
        # Whoever was seen to be there stays stored, where no channel tells since when.
        gone = Vanished(type="channel_joined", source_id=person.id, why="user_deleted", signalled=False)
        self.workspace.vanished.append(gone)
        return {"users": [person.id]}

    def _rename_channel(self, change: ch.RenameChannel) -> Touched:
        channel = self.choice.channel(change.channel)
        channel.renames.append(channel.name)
        channel.name = change.name or f"{channel.name}-renamed{len(channel.renames)}"
        return {"channels": [channel.id]}

    def _new_channel(self, change: ch.NewChannel) -> Touched:
        workspace, place = self.workspace, len(self.workspace.channels)
        channel = Channel(
            id=f"{'G' if change.private else 'C'}{place:03d}LATER",
            name=change.name or f"new-{place}",
            created=workspace.now,
            creator=self.choice.person(None).id,
            private=change.private,
        )
        workspace.channels[channel.id] = channel
        written = []
        for _ in range(change.messages):
            workspace.now += 1
            written.append(self._write(channel, None, None))
        if len(written) > 1:
            workspace.now += 1
            written.append(self._write(channel, None, None, parent=written[0].moment))
        return _touched(channel, *written)

    def _leave_channel(self, change: ch.LeaveChannel) -> Touched:
        channel = self.choice.channel(change.channel)
        self._lose(channel, why="left")
        channel.joined = False
        return {"channels": [channel.id]}

    def _archive_channel(self, change: ch.ArchiveChannel) -> Touched:
        channel = self.choice.channel(change.channel)
        channel.archived = change.archived
        if change.ejects:
            self._lose(channel, why="archived")
            channel.joined = False
        return {"channels": [channel.id]}

    def _share_channel(self, change: ch.ShareChannel) -> Touched:
        former = self.choice.channel(change.channel)
        if not former.id.startswith("G"):
            raise ChangeRefused(f"only private channels with an old id (G...) get a new one, and {former.id} has none")
        del self.workspace.channels[former.id]
        former.known_as, former.id, former.shared = former.id, f"C{former.id[1:]}", True
        self.workspace.channels[former.id] = former
        return {"channels": [former.id]}

    def _restore(self, _: ch.Restore) -> Touched:
        """Whatever left no tombstone is there again, replies included."""
        shown: list[str] = []
        for channel, message, thread in self._hidden:
            for again in (message, *thread.values()):
                self.workspace.add(channel, again)
                shown.append(f"{channel.identity}:{again.ts}")
            channel.messages = dict(sorted(channel.messages.items()))
        self._hidden.clear()
        self.workspace.vanished[:] = [gone for gone in self.workspace.vanished if gone.source_id not in shown]
        return {"messages": shown}

    def _organization(self, change: ch.Organization) -> Touched:
        self.workspace.organization = change.wide
        return {}

    def _lose(self, channel: Channel, *, why: str) -> None:
        threads = (message for thread in channel.threads.values() for message in thread.values())
        for message in (*channel.messages.values(), *threads):
            self.workspace.vanish(channel, message, why=why, signalled=False)

    def _note(self, change: ch.Note) -> Touched:
        channel = self.choice.channel(change.channel)
        return _touched(channel, self._write(channel, None, "noted", subtype=change.subtype))

    def _scope(self, change: ch.Scope) -> Touched:
        if change.scope not in SCOPES:
            raise ChangeRefused(f"there is no scope {change.scope!r}; there are: {', '.join(SCOPES)}")
        (self.workspace.scopes.add if change.granted else self.workspace.scopes.discard)(change.scope)
        return {}

    def _revoke_token(self, change: ch.RevokeToken) -> Touched:
        self.workspace.token_error = change.error
        return {}

    def _limit(self, change: ch.Limit) -> Touched:
        if change.method not in METHODS:
            raise ChangeRefused(f"there is no method {change.method!r}; there are: {', '.join(METHODS)}")
        self._api.limit(change.method, change.requests, change.seconds)
        return {}

    def _regime(self, change: ch.Regime) -> Touched:
        self.workspace.limited = change.limited
        return {}

    def _expire_cursors(self, _: ch.ExpireCursors) -> Touched:
        self.workspace.cursor_age += 1
        return {}

    def _short_pages(self, change: ch.ShortPages) -> Touched:
        self.workspace.short_pages = change.short
        return {}


def _touched(channel: Channel, *messages: Message) -> Touched:
    return {
        "channels": [channel.id],
        "messages": [f"{channel.identity}:{ts_of(message.moment)}" for message in messages],
        "users": [message.author for message in messages if message.author],
    }


def _signal(channel: Channel, head: Message) -> None:
    """The thread is read again when its number of replies changed, and with it what was edited without a sign."""
    for reply in channel.threads.get(head.moment, {}).values():
        reply.edits.clear()
