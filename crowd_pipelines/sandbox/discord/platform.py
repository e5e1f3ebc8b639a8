"""Discord as one of the simulated providers."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Self

from crowd_pipelines.sandbox.changes import Week, lived, week
from crowd_pipelines.sandbox.discord import changes, truth
from crowd_pipelines.sandbox.discord.api import DiscordApi
from crowd_pipelines.sandbox.discord.community import Community
from crowd_pipelines.sandbox.discord.endpoints import Endpoints
from crowd_pipelines.sandbox.discord.founding import found
from crowd_pipelines.sandbox.discord.happening import Happenings
from crowd_pipelines.sandbox.discord.limits import Limits
from crowd_pipelines.sandbox.discord.poison import poisoned
from crowd_pipelines.sandbox.discord.week import MIX, moment
from crowd_pipelines.sandbox.messages import Request, Response
from crowd_pipelines.sandbox.platform import Options, SimulatedPlatform

TOKEN = "sandbox-bot-token-that-opens-nothing-else"  # noqa: S105  it opens nothing else
REVOKED = "nobody knows the new one"


class DiscordPlatform(SimulatedPlatform):
    """A guild on Discord, its API, and what happens in it."""

    name: ClassVar[str] = "discord"
    api_path: ClassVar[str] = "/discord/api/v10"

    def __init__(self, community: Community, api: DiscordApi) -> None:
        super().__init__()
        self._community = community
        self._api = api
        self._happenings = Happenings(community, api.limits)

    @classmethod
    def create(cls, options: Options) -> Self:
        community = found(seed=options.seed, size=options.size, until=options.until)
        endpoints = Endpoints(community, page_size_max=options.page_size_max)
        return cls(community, DiscordApi(endpoints, token=TOKEN, limits=Limits(options.requests_per_second)))

    def answer(self, request: Request) -> Response:
        return self._api.answer(request)

    def settings(self) -> dict[str, Any]:
        return {"guild_id": str(self._community.guild)}

    def credentials(self) -> dict[str, Any]:
        return {"token": TOKEN}

    def change(self, change: Mapping[str, Any]) -> list[dict[str, Any]]:
        parsed = changes.parsed(change)
        if isinstance(parsed, Week):
            return lived(week(MIX, parsed.seed), self.change)
        if isinstance(parsed, changes.Account):
            self._account(parsed)
        return [self._happenings.make(parsed)]

    def evolve(self, seconds: float) -> list[dict[str, Any]]:
        return self.change(moment(self._happenings.dice, seconds))

    def truth(self) -> Iterator[dict[str, Any]]:
        return truth.records(self._community)

    def poison(self, payload: Any, what: str) -> Any:
        return poisoned(payload, what)

    def _account(self, change: changes.Account) -> None:
        match change.do:
            case "revoke_token":
                self._api.token = REVOKED
            case "restore_token":
                self._api.token = TOKEN
            case "remove_bot":
                self._community.bot_in_guild = False
            case "invite_bot":
                self._community.bot_in_guild = True
