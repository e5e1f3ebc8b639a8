"""A page of a channel beside what is known of it: who says what, who came, which threads have news, what is gone."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from crowd_pipelines.framework.integration import RunContext
from crowd_pipelines.framework.reading import usable
from crowd_pipelines.integrations.slack import activities as records
from crowd_pipelines.integrations.slack.api import Message, Page, SlackApi
from crowd_pipelines.integrations.slack.marks import KnownMessages, Stretch, digest_of
from crowd_pipelines.integrations.slack.people import People, known_people, user_subject
from crowd_pipelines.integrations.slack.plan import Plan
from crowd_pipelines.integrations.slack.speech import Names, all_mentioned, unnamed
from crowd_pipelines.integrations.slack.streams import (
    ChannelMark,
    HistoryStream,
    JoinMark,
    RepliesStream,
    join_subject,
    thread_subject,
)
from crowd_pipelines.integrations.slack.threads import ShownThreads, subject_of
from crowd_pipelines.integrations.slack.uncollected import count_by_kind
from crowd_pipelines.model.records import Activity, Member
from crowd_pipelines.model.streams import Json, RejectedRecord


@dataclass(frozen=True, kw_only=True)
class Speaking:
    """What it takes to tell the messages of one channel."""

    channel: str
    name: str
    plan: Plan
    people: People

    @classmethod
    def of(
        cls,
        stream: HistoryStream | RepliesStream,
        messages: Iterable[Message],
        known: Mapping[str, Json],
        run: RunContext[Any, SlackApi],
    ) -> "Speaking":
        """Return what it takes to tell these messages, with a request for each stranger."""
        messages, plan = list(messages), Plan.of(run)
        people = known_people(known, ids_of(messages), run, team=plan.team, needed=needed(messages))
        return cls(channel=stream.channel, name=stream.name, plan=plan, people=people)

    def said(self, messages: Iterable[Message]) -> dict[str, Activity]:
        """Return what people say in these messages, by `ts`."""
        names = Names(user=self.people.name, channel=self.plan.names.get)
        authors = ((message, self.author(message)) for message in messages if records.is_said(message))
        return {
            message.ts: records.message_activity(
                message, author, channel=self.channel, channel_name=self.name, site=self.plan.site, names=names
            )
            for message, author in authors
            if author
        }

    def author(self, message: Message) -> Member | None:
        """Return the person who says a message; None for bots."""
        # An app posts as a bot or for a person; as somebody whom nobody knows, it is the app's own doing.
        if message.bot_id and not self.people.name(str(message.author)):
            return None
        return self.people.person(message.author)

    def came(self, message: Message) -> Activity | None:
        """Return that somebody came into the channel; None for bots."""
        newcomer = self.people.person(message.author)
        if newcomer is None:
            return None
        return records.join_activity(
            message, newcomer, channel=self.channel, channel_name=self.name, site=self.plan.site
        )


@dataclass(frozen=True, kw_only=True)
class ShownPage:
    """A page of a channel's history, and the watermarks of what it shows."""

    stream: HistoryStream
    onboarding: bool
    messages: Sequence[Message]
    rejected: tuple[RejectedRecord, ...]
    has_gap: bool
    known: Mapping[str, Json]
    speaking: Speaking
    before: KnownMessages
    stretch: Stretch | None

    @classmethod
    def of(cls, stream: HistoryStream, page: Page, mark: ChannelMark, run: RunContext[Any, SlackApi]) -> "ShownPage":
        """Return a page with all that is known of it: one query, and a request for each stranger."""
        rejected: list[RejectedRecord] = []
        messages = list(usable(Message, page.items, rejected))
        stretch = _stretch(stream, messages)
        days = stretch.subjects(max(mark.newest, stream.top, *(m.ts for m in messages))) if stretch else []
        marked = [subject_of(stream.channel, message) for message in messages]
        marked += [join_subject(str(message.author)) for message in messages if records.is_join(message)]
        known = run.read_watermarks([*days, *marked, *map(user_subject, ids_of(messages))])
        speaking = Speaking.of(stream, messages, known, run)
        return cls(
            stream=stream,
            onboarding=run.onboarding,
            messages=messages,
            rejected=(*rejected, *speaking.people.rejected),
            has_gap=bool(rejected or page.nulls),
            known=known,
            speaking=speaking,
            before=KnownMessages.of(stream.channel, days, known),
            stretch=stretch,
        )

    @property
    def lowest(self) -> str:
        """The oldest message of the page, "" when there is none."""
        return min((message.ts for message in self.messages), default="")

    @property
    def highest(self) -> str:
        """The newest message of the page, "" when there is none."""
        return max((message.ts for message in self.messages), default="")

    @cached_property
    def said(self) -> Mapping[str, Activity]:
        """What people say on the page, by `ts`."""
        return self.speaking.said(self.messages)

    @property
    def news(self) -> list[Activity]:
        """What is said and not stored like this. In an onboarding everything: it mends whatever is missing."""
        return [activity for ts, activity in self.said.items() if self._is_news(ts, activity)]

    @property
    def unchanged(self) -> list[Activity]:
        """What is said and stored like this, as far as is known: it may have been retracted since."""
        return [activity for ts, activity in self.said.items() if not self._is_news(ts, activity)]

    def _is_news(self, ts: str, activity: Activity) -> bool:
        return self.onboarding or self.before.digest(ts) != digest_of(activity)

    @property
    def uncollected(self) -> Mapping[str, int]:
        """How many messages carry text that is not stored, by kind; each is counted when it is new."""
        new = (m for m in self.messages if self.onboarding or m.ts > self.stream.until)
        return {} if self.stream.sweeping else count_by_kind(new, self.speaking)

    @cached_property
    def joins(self) -> Mapping[str, tuple[JoinMark, Activity]]:
        """Who came, by user id: at their first coming, where it is told here and counts."""
        found: dict[str, tuple[JoinMark, Activity]] = {}
        for message in sorted(filter(records.is_join, self.messages), key=lambda message: message.ts):
            user_id, came = str(message.author), self.speaking.came(message)
            if came and user_id not in found and self._counts(user_id, message.ts):
                found[user_id] = JoinMark(channel=self.stream.channel, ts=message.ts), came
        return found

    def _counts(self, user_id: str, ts: str) -> bool:
        """Tell whether this is the coming that counts: the first to the hall, or of guests the first to some channel.

        Members join many channels, which are read by several streams at once. While one channel alone tells of them,
        no order of reading gives another answer.
        """
        hall = self.speaking.plan.hall
        if hall not in (None, self.stream.channel) and not self.speaking.people.is_guest(user_id):
            return False
        raw = self.known.get(join_subject(user_id))
        if not raw:
            return True
        mark = JoinMark.model_validate(raw)
        return mark.channel == self.stream.channel and (ts < mark.ts or (ts == mark.ts and self.onboarding))

    @cached_property
    def gone(self) -> list[str]:
        """The messages that are known and not there any more, or are nothing that anybody says.

        On a page with something that cannot be read, any that is missing may be just that. What administrators keep
        from being shown is still there.
        """
        if self.stretch is None or self.has_gap:
            return []
        withheld = {message.ts for message in self.messages if records.is_withheld(message)}
        return self.before.missing(self.stretch, {*self.said, *withheld})

    @property
    def vanished(self) -> list[str]:
        """Those of them that leave no tombstone, which Slack keeps as long as there are replies."""
        present = {message.ts for message in self.messages}
        return [ts for ts in self.gone if ts not in present]

    @property
    def threads(self) -> ShownThreads:
        """The threads below the page's messages."""
        return ShownThreads(
            stream=self.stream,
            onboarding=self.onboarding,
            messages=self.messages,
            known=self.known,
            people=self.speaking.people,
        )

    @property
    def watermarks(self) -> dict[str, Json]:
        """What is known from now on."""
        told = {ts: digest_of(activity) for ts, activity in self.said.items()}
        return {
            **self.before.changed(told, set(self.gone)),
            # If they are ever shown again, their replies are read anew.
            **{thread_subject(self.stream.channel, ts): {} for ts in self.vanished},
            **{join_subject(user_id): mark.model_dump() for user_id, (mark, _) in self.joins.items()},
            **self.speaking.people.learned,
        }


def ids_of(messages: Iterable[Message]) -> list[str]:
    """Return everybody whom messages are about."""
    ids: dict[str, None] = {}
    for message in messages:
        ids |= dict.fromkeys([message.author] if message.author else [])
        ids |= dict.fromkeys(message.reply_users or ())
        ids |= dict.fromkeys(all_mentioned(message.text or ""))
    return list(ids)


def needed(messages: Iterable[Message]) -> set[str]:
    """Return those without whom a message cannot be told."""
    told = [message for message in messages if records.is_said(message) or records.is_join(message)]
    authors = {message.author for message in told if message.author}
    return authors | {user_id for message in told for user_id in unnamed(message.text or "")}


def ts_of(payload: Any) -> str | None:
    """Return which message a record is that cannot be used, if it says so."""
    ts = payload.get("ts") if isinstance(payload, dict) else None
    return ts if isinstance(ts, str) else None


def _stretch(stream: HistoryStream, messages: Sequence[Message]) -> Stretch | None:
    """Return what the page shows without a gap.

    After a page with something that cannot be read, which may have been its oldest message, that begins here.
    """
    if not messages:
        return None
    upper = max(m.ts for m in messages) if stream.gap else stream.upper
    return Stretch(channel=stream.channel, lower=min(m.ts for m in messages), upper=upper)
