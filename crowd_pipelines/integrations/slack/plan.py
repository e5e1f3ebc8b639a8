"""What an integration run has to know before it reads: the workspace, its channels, and what it may not read."""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict

from crowd_pipelines.framework.integration import RunContext
from crowd_pipelines.framework.reading import count_nulls, usable
from crowd_pipelines.http.errors import CredentialsRejected, NotPermitted, Refused
from crowd_pipelines.integrations.slack.api import Channel, SlackApi
from crowd_pipelines.integrations.slack.streams import CHANNEL_KINDS
from crowd_pipelines.model.streams import RejectedRecord


class ChannelPlace(BaseModel):
    """A channel that is read. In the `hall`, #general, is everybody from the day they come to the workspace.

    `id` is what it is known by, `address` Slack's present id of it where that is another one. `joined` says that the
    app is in it, as far as the list tells: without, it is one that was read before.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    name: str
    hall: bool = False
    archived: bool = False
    joined: bool = True
    address: str = ""


class Plan(BaseModel):
    """What `preprocess` returns. `names` are those of all channels, since messages speak of all of them.

    `hidden` are the kinds of channels that the app may not list.
    """

    model_config = ConfigDict(frozen=True)

    site: str = "https://slack.com/"
    team: str = ""
    places: tuple[ChannelPlace, ...] = ()
    names: dict[str, str] = {}
    hidden: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()

    @classmethod
    def of(cls, run: RunContext[Any, SlackApi]) -> "Plan":
        """Return the plan that the integration run was begun with."""
        return cls.model_validate(run.preprocessed)

    @property
    def hall(self) -> str | None:
        """The channel in which everybody is, if it is read."""
        return next((place.id for place in self.places if place.hall), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelList:
    """The channels that the app may see, and why those of a kind may not be listed.

    `nulls` counts those that came as null.
    """

    channels: tuple[Channel, ...]
    nulls: int
    rejected: tuple[RejectedRecord, ...]
    refusals: Mapping[str, NotPermitted]

    @property
    def notices(self) -> tuple[str, ...]:
        """What to tell of channels that are passed over."""
        counts = (
            (len(self.rejected), "Slack describes them in an unknown way"),
            (self.nulls, "they came as null: Slack has them, and does not show which they are"),
        )
        return tuple(
            f"{count} channels are passed over, since {reason}. They are asked for again by every check."
            for count, reason in counts
            if count
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which channels are to be read: the `named` ones or all, and those that were read before, by id, with names."""

    named: Sequence[str] = ()
    known: Mapping[str, str] = field(default_factory=dict)

    def wants(self, *names: str | None) -> bool:
        """Tell whether a channel with these ids and names is to be read."""
        return not self.named or not set(self.named).isdisjoint(filter(None, names))

    def identity(self, channel: Channel, listed: Container[str]) -> str:
        """Return the id that a channel is known by.

        A private channel with an old id (G...) gets a new one (C...) when it is shared or made public, and is still the
        same channel.
        """
        former = f"G{channel.id[1:]}"
        return former if channel.id[:1] == "C" and former in self.known and former not in listed else channel.id


def listed_channels(api: SlackApi, kinds: Sequence[str], *, team: str) -> ChannelList:
    """Return the channels of these kinds. Raises CredentialsRejected when no channels at all may be listed.

    Raises Refused for a workspace without any: #general can be neither deleted nor archived.
    """
    raw, refusals = _listed(api, kinds, team)
    if len(refusals) == len(CHANNEL_KINDS):
        raise CredentialsRejected(f"The app may not list any channels. {' '.join(map(str, refusals.values()))}")
    if not raw and "public_channel" in set(kinds) - refusals.keys():
        raise Refused("conversations.list answered no channels, and every workspace has some. It will be tried again.")
    rejected: list[RejectedRecord] = []
    channels = tuple(usable(Channel, raw, rejected))
    return ChannelList(channels=channels, nulls=count_nulls(raw), rejected=tuple(rejected), refusals=refusals)


def _listed(api: SlackApi, kinds: Sequence[str], team: str) -> tuple[list[Any], dict[str, NotPermitted]]:
    """Return the channels of these kinds, and why those of a kind may not be listed."""
    if not kinds:
        return [], {}
    try:
        return api.channels(",".join(kinds), team=team), {}
    except NotPermitted as refusal:
        if len(kinds) == 1:
            return [], {kinds[0]: refusal}
    found = [_listed(api, [kind], team) for kind in kinds]
    channels = [channel for listed, _ in found for channel in listed]
    return channels, {kind: refusal for _, refusals in found for kind, refusal in refusals.items()}


def wanted_places(channels: Sequence[Channel], choice: Choice) -> list[ChannelPlace]:
    """Return the channels to be read: those that the app is in, and those that were read before."""
    listed = {channel.id for channel in channels}
    by_identity = {choice.identity(channel, listed): channel for channel in channels}
    joined = {
        identity: _place(identity, channel)
        for identity, channel in by_identity.items()
        if channel.is_member and choice.wants(identity, channel.id, channel.name)
    }
    lost = {
        identity: _lost_place(identity, name, by_identity.get(identity))
        for identity, name in choice.known.items()
        if identity not in joined and choice.wants(identity, name)
    }
    return [*joined.values(), *lost.values()]


def _place(identity: str, channel: Channel) -> ChannelPlace:
    return ChannelPlace(
        id=identity,
        name=channel.name or channel.id,
        hall=bool(channel.is_general),
        archived=bool(channel.is_archived),
        address=channel.id if channel.id != identity else "",
    )


def _lost_place(identity: str, name: str, channel: Channel | None) -> ChannelPlace:
    """Return a channel that was read before, as the list shows it now, if it does."""
    if channel is None:
        return ChannelPlace(id=identity, name=name, joined=False)
    return _place(identity, channel).model_copy(update={"joined": False})


def notices_of(channels: Iterable[Channel], places: Sequence[ChannelPlace], named: Sequence[str]) -> Iterator[str]:
    """Yield what to tell of channels that are named and not read, or that there is none."""
    found = {known for place in places for known in (place.id, place.address, place.name)}
    by_name = {name: channel for channel in channels for name in (channel.id, channel.name) if name}
    for name in named:
        if name not in found:
            yield _absence(name, by_name.get(name))
    if not named and not any(not place.archived for place in places):
        yield "The app is in no channel. Invite it with /invite to every channel that is to be read."


def _absence(name: str, channel: Channel | None) -> str:
    if channel is not None and channel.is_archived:
        return (
            f"#{name} is not read: it is archived, and Slack shows an app only what it was in. To have it read, "
            'unarchive it and invite the app; else take it out of the setting "channels".'
        )
    return f"#{name} is not read: the app is not in a channel of this name or id. Invite it there with /invite."
