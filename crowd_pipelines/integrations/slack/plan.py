"""What an integration run has to know before it reads: the workspace, its channels, and what it may not read."""

from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from crowd_pipelines.framework.integration import RunContext
from crowd_pipelines.framework.reading import usable
from crowd_pipelines.http.errors import CredentialsRejected
from crowd_pipelines.integrations.slack.api import Channel, ScopeMissing, SlackApi
from crowd_pipelines.model.streams import RejectedRecord

_EVERY_TYPE = "public_channel,private_channel"


class Place(BaseModel):
    """A channel that is read. In the `hall`, #general, is everybody from the day they come to the workspace."""

    model_config = ConfigDict(frozen=True)

    id: str
    name: str
    hall: bool = False


class Plan(BaseModel):
    """What `preprocess` returns. `names` are those of all channels, since messages speak of all of them."""

    model_config = ConfigDict(frozen=True)

    site: str = "https://slack.com/"
    team: str = ""
    places: tuple[Place, ...] = ()
    names: dict[str, str] = {}
    notices: tuple[str, ...] = ()

    @classmethod
    def of(cls, run: RunContext[Any, SlackApi]) -> "Plan":
        """Return the plan that the integration run was begun with."""
        return cls.model_validate(run.preprocessed)

    @property
    def hall(self) -> str | None:
        """The channel in which everybody is, if it is read."""
        return next((place.id for place in self.places if place.hall), None)


def listed_channels(api: SlackApi) -> tuple[list[Channel], list[str]]:
    """Return the channels that the app may see, and notices of those it may not. Raises CredentialsRejected."""
    raw, notices = _listed(api)
    rejected: list[RejectedRecord] = []
    channels = list(usable(Channel, raw, rejected))
    if rejected:
        notices.append(f"{len(rejected)} channels are passed over, since Slack describes them in an unknown way.")
    return channels, notices


def _listed(api: SlackApi) -> tuple[list[Any], list[str]]:
    missing: list[str] = []
    for types in (_EVERY_TYPE, *_EVERY_TYPE.split(",")):
        try:
            channels = list(api.channels(types))
        except ScopeMissing as error:
            missing.append(error.needed)
            continue
        hidden = "Private" if types == "public_channel" else "Public"
        return channels, [f"{hidden} channels are not read: {_remedy(missing[:1])}"] if missing else []
    raise CredentialsRejected(f"The app may not list any channels: {_remedy(missing)}")


def _remedy(scopes: Sequence[str]) -> str:
    wanted = " or ".join(dict.fromkeys(scopes))
    return (
        f"the app lacks the scope {wanted}. Add it under OAuth & Permissions of your Slack app, "
        "then install the app to the workspace again."
    )


def wanted_places(channels: Iterable[Channel], wanted: Sequence[str]) -> tuple[list[Place], list[str]]:
    """Return the channels to be read, all that the app is in unless some are named, and notices of the others."""
    joined = [channel for channel in channels if channel.is_member]
    chosen = [channel for channel in joined if not wanted or {channel.id, channel.name} & set(wanted)]
    found = {known for channel in chosen for known in (channel.id, channel.name)}
    absent = [name for name in wanted if name not in found]
    notices = [
        f"#{name} is not read: the app is not in a channel of this name or id. Invite it there with /invite."
        for name in absent
    ]
    if not chosen and not absent:
        notices.append("The app is in no channel. Invite it with /invite to every channel that is to be read.")
    places = [Place(id=c.id, name=c.name or c.id, hall=bool(c.is_general)) for c in chosen]
    return places, notices
