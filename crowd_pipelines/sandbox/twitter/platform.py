"""X as one of the simulated providers."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Self

from crowd_pipelines.sandbox.changes import Week, lived
from crowd_pipelines.sandbox.messages import Request, Response
from crowd_pipelines.sandbox.platform import Options, SimulatedPlatform
from crowd_pipelines.sandbox.twitter import changes, truth
from crowd_pipelines.sandbox.twitter.api import XApi
from crowd_pipelines.sandbox.twitter.community import Community
from crowd_pipelines.sandbox.twitter.endpoints import Endpoints
from crowd_pipelines.sandbox.twitter.founding import found
from crowd_pipelines.sandbox.twitter.happening import Happenings
from crowd_pipelines.sandbox.twitter.poison import poisoned
from crowd_pipelines.sandbox.twitter.signin import CLIENT_ID, CLIENT_SECRET, SignIn
from crowd_pipelines.sandbox.twitter.week import moment, week_of
from crowd_pipelines.sandbox.twitter.windows import Windows


class TwitterPlatform(SimulatedPlatform):
    """An account on X, its API, and what happens around it."""

    name: ClassVar[str] = "twitter"
    api_path: ClassVar[str] = "/twitter"
    readers: ClassVar[tuple[str, ...]] = ("twitter_reach",)

    def __init__(self, community: Community, api: XApi) -> None:
        super().__init__()
        self._community = community
        self._api = api
        self._happenings = Happenings(community, api)

    @classmethod
    def create(cls, options: Options) -> Self:
        community = found(seed=options.seed, size=options.size, until=options.until)
        endpoints = Endpoints(community, page_size_max=options.page_size_max)
        windows = Windows(options.requests_per_second)
        return cls(community, XApi(community, endpoints, signin=SignIn(), windows=windows))

    def answer(self, request: Request) -> Response:
        return self._api.answer(request)

    def settings(self) -> dict[str, Any]:
        return {"user_id": str(self._community.account), "hashtags": list(self._community.hashtags)}

    def credentials(self) -> dict[str, Any]:
        """Those of a new authorisation once somebody has used the ones before up."""
        grant = self._api.signin.fresh()
        return {"access_token": grant.access_token, "refresh_token": grant.refresh_token}

    def environment(self) -> dict[str, str]:
        return {"CROWD_TWITTER_CLIENT_ID": CLIENT_ID, "CROWD_TWITTER_CLIENT_SECRET": CLIENT_SECRET}

    def change(self, change: Mapping[str, Any]) -> list[dict[str, Any]]:
        parsed = changes.parsed(change)
        if isinstance(parsed, Week):
            return lived(week_of(parsed.seed), self.change)
        return [self._happenings.make(parsed)]

    def evolve(self, seconds: float) -> list[dict[str, Any]]:
        return self.change(moment(self._community.dice, seconds))

    def truth(self) -> Iterator[dict[str, Any]]:
        return truth.records(self._community)

    def poison(self, payload: Any, what: str) -> Any:
        return poisoned(payload, what)
