"""All simulated providers of one process, with what surrounds them: faults, request log, edge cache."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from crowd_pipelines.sandbox.edge import EdgeCache
from crowd_pipelines.sandbox.effects import Delivery, Order, rewritten, spoiled
from crowd_pipelines.sandbox.faults import ArmedFault, Fault, FaultBook, FaultKind
from crowd_pipelines.sandbox.messages import Request, Response
from crowd_pipelines.sandbox.platform import ChangeRefused, SimulatedPlatform
from crowd_pipelines.sandbox.recoding import recoded
from crowd_pipelines.sandbox.requestlog import RequestLog


class World:
    """Takes a request to its provider, and brings the answer back in the state the faults leave it in."""

    def __init__(self, platforms: Mapping[str, SimulatedPlatform]) -> None:
        self.platforms = platforms
        self._by_name = {name: one for one in platforms.values() for name in (one.name, *one.readers)}
        self.faults = FaultBook()
        self.log = RequestLog()
        self._edge = EdgeCache()

    def platform_of(self, request: Request) -> SimulatedPlatform | None:
        return self.platforms.get(next(iter(request.segments), ""))

    def named(self, name: str) -> SimulatedPlatform | None:
        """The provider that integrations of this type read."""
        return self._by_name.get(name)

    def arm(self, fault: Fault) -> int:
        """Raises ChangeRefused for an unknown platform or poison: it would come to light in mid-test, or never."""
        concerned = list(self.platforms.values())
        if fault.platform is not None:
            one = self.named(fault.platform)
            if one is None:
                raise ChangeRefused(f"platform {fault.platform!r} is not simulated here")
            fault, concerned = fault.model_copy(update={"platform": one.name}), [one]
        if fault.kind is FaultKind.POISON:
            for platform in concerned:
                platform.poison([], fault.what)
        if fault.kind is FaultKind.RECODE:
            recoded(b"{}", fault.what)
        return self.faults.arm(fault)

    def exchange(self, platform: SimulatedPlatform, request: Request) -> Delivery:
        armed = self.faults.claim(platform.name, request)
        asked = rewritten(armed.fault, request) if armed else request
        with platform.lock:
            response = platform.answer(asked)
            if armed and armed.fault.kind is FaultKind.REPLAY:
                response = armed.replay(response)
        armed, response = self._through_edge(armed, request, response)
        delivery = Delivery(response=response)
        if armed:
            order = Order(fault=armed.fault, request=request, response=response, platform=platform)
            delivery = spoiled(order)
        sent = replace(delivery.response, violation=response.violation, asked=response.asked)
        self.log.add(platform.name, request, sent, armed)
        return delivery

    def _through_edge(
        self, armed: ArmedFault | None, request: Request, response: Response
    ) -> tuple[ArmedFault | None, Response]:
        if armed and armed.fault.kind is FaultKind.STALE:
            return self._stale(armed, request, response)
        if response.status == 200 and request.method == "GET" and not (armed and armed.fault.query):
            self._edge.remember(request.target, response.body)
        return armed, response

    def _stale(self, armed: ArmedFault, request: Request, response: Response) -> tuple[ArmedFault | None, Response]:
        older = self._edge.older(request.target, response.body)
        if older is None:
            self.faults.give_back(armed)
            return None, response
        return armed, replace(response, status=200, body=older, headers={"Age": "600", "X-Cache": "HIT"})

    def connections(self, url: str) -> dict[str, Any]:
        """What one needs to connect to each provider, the address of the server being `url`."""
        return {
            name: {
                "api_url": url + platform.api_path,
                "settings": platform.settings() if name == platform.name else {},
                "credentials": platform.credentials() if name == platform.name else {},
                "environment": platform.environment() if name == platform.name else {},
            }
            for platform in self.platforms.values()
            for name in (platform.name, *platform.readers)
        }
