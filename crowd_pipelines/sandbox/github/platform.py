"""GitHub as one of the simulated providers."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Self

from crowd_pipelines.sandbox.changes import lived, week
from crowd_pipelines.sandbox.github import changes, truth
from crowd_pipelines.sandbox.github.api import GitHubApi
from crowd_pipelines.sandbox.github.community import Community
from crowd_pipelines.sandbox.github.founding import found
from crowd_pipelines.sandbox.github.happening import Happenings
from crowd_pipelines.sandbox.github.limits import HOUR
from crowd_pipelines.sandbox.github.ordering import Ordering
from crowd_pipelines.sandbox.github.poison import poisoned
from crowd_pipelines.sandbox.github.tokens import Tokens
from crowd_pipelines.sandbox.github.week import MIX, moment
from crowd_pipelines.sandbox.limits import FixedWindow
from crowd_pipelines.sandbox.messages import Request, Response
from crowd_pipelines.sandbox.platform import Options, SimulatedPlatform

DEMO_WINDOW = 10.0


class GitHubPlatform(SimulatedPlatform):
    """A community on GitHub, its API, and what happens in it."""

    name: ClassVar[str] = "github"
    api_path: ClassVar[str] = "/github"

    def __init__(self, community: Community, api: GitHubApi) -> None:
        super().__init__()
        self._community = community
        self._api = api
        self._happenings = Happenings(community)
        self._ordering = Ordering(api)

    @classmethod
    def create(cls, options: Options) -> Self:
        community = found(seed=options.seed, size=options.size, until=options.until)
        limited = options.requests_per_second
        tokens = Tokens(community.readers, window=DEMO_WINDOW if limited else HOUR)
        return cls(community, GitHubApi(community, tokens, limit=FixedWindow(limited) if limited else None))

    def answer(self, request: Request) -> Response:
        return self._api.answer(request)

    def settings(self) -> dict[str, Any]:
        return dict(self._community.connected)

    def credentials(self) -> dict[str, Any]:
        return {"tokens": [token.text for token in self._api.tokens.personal]}

    def change(self, change: Mapping[str, Any]) -> list[dict[str, Any]]:
        parsed = changes.parsed(change)
        if isinstance(parsed, changes.AnyOrder):
            return [{"do": parsed.do, **self._ordering.make(parsed)}]
        if isinstance(parsed, changes.Week):
            return lived(week(MIX, parsed.seed), self.change)
        return list(self._happenings.make(parsed))

    def evolve(self, seconds: float) -> list[dict[str, Any]]:
        return self.change(moment(self._happenings.dice, seconds))

    def truth(self) -> Iterator[dict[str, Any]]:
        return truth.records(self._community)

    def poison(self, payload: Any, what: str) -> Any:
        return poisoned(payload, what)
