"""Which channels an integration run reads, and from where in their history."""

from collections.abc import Iterable, Sequence
from typing import Any

from crowd_pipelines.framework.integration import RunContext
from crowd_pipelines.integrations.slack.api import SlackApi
from crowd_pipelines.integrations.slack.organization import workspace_of
from crowd_pipelines.integrations.slack.plan import (
    ChannelPlace,
    Choice,
    Plan,
    listed_channels,
    notices_of,
    wanted_places,
)
from crowd_pipelines.integrations.slack.regime import Pace
from crowd_pipelines.integrations.slack.streams import (
    CHANNEL_KINDS,
    ChannelMark,
    ChannelsStream,
    HistoryStream,
    channel_subject,
)
from crowd_pipelines.model.streams import StreamResult

Run = RunContext[Any, SlackApi]

KNOWN = "channels"
"""The key of the state that holds the channels that were read: their names by id."""


def planned(run: Run, *, is_address_due: bool) -> Plan:
    """Return what an integration run reads. Kinds of channels that are owed are left to the framework."""
    site, team = _workspace(run, is_due=is_address_due)
    owed = run.read_owed(list(CHANNEL_KINDS))
    found = listed_channels(run.api, [kind for kind in CHANNEL_KINDS if kind not in owed], team=run.settings.team_id)
    named, known = run.settings.channels, run.state.get(KNOWN)
    places = wanted_places(found.channels, Choice(named=named, known=known if isinstance(known, dict) else {}))
    return Plan(
        site=site,
        team=team,
        places=tuple(places),
        names={place.id: place.name for place in places}
        | {channel.id: channel.name for channel in found.channels if channel.name},
        hidden=tuple(found.refusals),
        notices=(*found.notices, *notices_of(found.channels, places, named)),
    )


def _workspace(run: Run, *, is_due: bool) -> tuple[str, str]:
    """Return address and id of the workspace: remembered, and asked for once a day, since they may change."""
    site, team = run.state.get("site"), run.state.get("team")
    if site and team and not is_due:
        return str(site), str(team)
    workspace = workspace_of(run.api, run.settings.team_id)
    return (workspace.url or "https://slack.com").rstrip("/") + "/", workspace.team_id or ""


def read_channels(stream: ChannelsStream, run: Run) -> StreamResult:
    """Lead on to the channels that are read; those of one kind are listed, since they could not be before."""
    if not stream.types:
        return StreamResult(new_streams=channel_streams(Plan.of(run).places, run))
    found = listed_channels(run.api, [stream.types], team=run.settings.team_id)
    for refusal in found.refusals.values():
        raise refusal
    places = wanted_places(found.channels, Choice(named=run.settings.channels))
    return StreamResult(new_streams=channel_streams(places, run), unread=found.nulls, rejected=found.rejected)


def channel_streams(places: Sequence[ChannelPlace], run: Run) -> tuple[HistoryStream, ...]:
    """Return where to read: each channel that is not finished, and in one of them a look at old messages."""
    marks = channel_marks(places, run)
    wanted = [place for place in places if not _is_finished(place, marks[place.id], run)]
    swept = _to_sweep(wanted, marks, run)
    return tuple(_channel(place, marks[place.id], run, sweep=place.id == swept) for place in wanted)


def channel_marks(places: Iterable[ChannelPlace], run: Run) -> dict[str, ChannelMark]:
    """Return what is known of channels, by id."""
    subjects = {place.id: channel_subject(place.id) for place in places}
    known = run.read_watermarks(list(subjects.values()))
    return {channel: ChannelMark.model_validate(known.get(subject, {})) for channel, subject in subjects.items()}


def _is_finished(place: ChannelPlace, mark: ChannelMark, run: Run) -> bool:
    """Tell whether there is nothing to be read: since it is archived, it was read once, and nothing comes any more."""
    return place.archived and mark.finished and not (run.onboarding and place.joined)


def _to_sweep(places: Sequence[ChannelPlace], marks: dict[str, ChannelMark], run: Run) -> str | None:
    """Return the channel whose old messages were looked at longest ago."""
    if Pace.of(run.settings.regime, run).limited:
        # There a look at 15 old messages would cost a minute, and help little.
        return None
    deep = [place.id for place in places if marks[place.id].deep and not place.archived]
    owed = run.read_owed(deep) if deep else {}
    return min((c for c in deep if c not in owed), key=lambda channel: marks[channel].swept_at, default=None)


def _channel(place: ChannelPlace, mark: ChannelMark, run: Run, *, sweep: bool) -> HistoryStream:
    whole = HistoryStream(channel=place.id, name=place.name, address=place.address, archived=place.archived)
    if run.onboarding or not mark.newest:
        return whole
    seconds, _, fraction = mark.newest.partition(".")
    oldest = f"{max(int(seconds) - run.settings.reread_days * 86_400, 0)}.{fraction}"
    return whole.model_copy(update={"oldest": oldest, "until": mark.newest, "sweep": sweep})
