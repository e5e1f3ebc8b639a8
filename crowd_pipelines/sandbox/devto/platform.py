"""DEV as one of the simulated providers."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Self

from crowd_pipelines.sandbox.changes import Week, lived, week
from crowd_pipelines.sandbox.devto import changes, truth
from crowd_pipelines.sandbox.devto.api import DevApi
from crowd_pipelines.sandbox.devto.community import Community
from crowd_pipelines.sandbox.devto.endpoints import Endpoints
from crowd_pipelines.sandbox.devto.founding import found
from crowd_pipelines.sandbox.devto.happening import Happenings
from crowd_pipelines.sandbox.devto.poison import poisoned
from crowd_pipelines.sandbox.devto.week import MIX, moment
from crowd_pipelines.sandbox.limits import FixedWindow
from crowd_pipelines.sandbox.messages import Request, Response
from crowd_pipelines.sandbox.platform import Options, SimulatedPlatform

API_KEY = "the-one-key-this-sandbox-accepts"


class DevPlatform(SimulatedPlatform):
    """A community on DEV, its API, and what happens in it."""

    name: ClassVar[str] = "devto"
    api_path: ClassVar[str] = "/devto/api"

    def __init__(self, community: Community, api: DevApi) -> None:
        super().__init__()
        self._community = community
        self._api = api
        self._happenings = Happenings(community)

    @classmethod
    def create(cls, options: Options) -> Self:
        community = found(seed=options.seed, size=options.size, until=options.until)
        limit = FixedWindow(options.requests_per_second) if options.requests_per_second else None
        endpoints = Endpoints(community, page_size_max=options.page_size_max)
        return cls(community, DevApi(endpoints, api_key=API_KEY, limit=limit))

    def answer(self, request: Request) -> Response:
        return self._api.answer(request)

    def settings(self) -> dict[str, Any]:
        return dict(self._community.owners)

    def change(self, change: Mapping[str, Any]) -> list[dict[str, Any]]:
        parsed = changes.parsed(change)
        if isinstance(parsed, Week):
            return lived(week(MIX, parsed.seed), self.change)
        return [self._happenings.make(parsed)]

    def evolve(self, seconds: float) -> list[dict[str, Any]]:
        return self.change(moment(self._happenings.dice, seconds))

    def truth(self) -> Iterator[dict[str, Any]]:
        return truth.records(self._community)

    def poison(self, payload: Any, what: str) -> Any:
        return poisoned(payload, what)
