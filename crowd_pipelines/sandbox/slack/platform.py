"""Slack as one of the simulated providers."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Self

from crowd_pipelines.sandbox.changes import Week, lived, week
from crowd_pipelines.sandbox.messages import Request, Response
from crowd_pipelines.sandbox.platform import Options, SimulatedPlatform
from crowd_pipelines.sandbox.slack import changes, truth
from crowd_pipelines.sandbox.slack.api import TOKEN, SlackWebApi
from crowd_pipelines.sandbox.slack.founding import found
from crowd_pipelines.sandbox.slack.happening import Happenings
from crowd_pipelines.sandbox.slack.methods import Methods
from crowd_pipelines.sandbox.slack.poison import poisoned
from crowd_pipelines.sandbox.slack.week import MIX, moment
from crowd_pipelines.sandbox.slack.workspace import Workspace


class SlackPlatform(SimulatedPlatform):
    """A workspace on Slack, its API, and what happens in it."""

    name: ClassVar[str] = "slack"
    api_path: ClassVar[str] = "/slack/api"

    def __init__(self, workspace: Workspace, api: SlackWebApi) -> None:
        super().__init__()
        self._workspace = workspace
        self._api = api
        self._happenings = Happenings(workspace, api)

    @classmethod
    def create(cls, options: Options) -> Self:
        workspace = found(seed=options.seed, size=options.size, until=options.until)
        methods = Methods(workspace, page_size_max=options.page_size_max)
        return cls(workspace, SlackWebApi(workspace, methods, requests_per_second=options.requests_per_second))

    def answer(self, request: Request) -> Response:
        return self._api.answer(request)

    def settings(self) -> dict[str, Any]:
        return {}

    def credentials(self) -> dict[str, Any]:
        return {"token": TOKEN}

    def change(self, change: Mapping[str, Any]) -> list[dict[str, Any]]:
        parsed = changes.parsed(change)
        if isinstance(parsed, Week):
            return lived(week(MIX, parsed.seed), self.change)
        return [self._happenings.make(parsed)]

    def evolve(self, seconds: float) -> list[dict[str, Any]]:
        return self.change(moment(self._happenings.choice.dice, seconds))

    def truth(self) -> Iterator[dict[str, Any]]:
        return truth.records(self._workspace)

    def poison(self, payload: Any, what: str) -> Any:
        return poisoned(payload, what)
