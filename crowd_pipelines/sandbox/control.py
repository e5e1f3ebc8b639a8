"""The control API below `/_sandbox/`: truth, requests, changes, faults, health."""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from pydantic import ValidationError

from crowd_pipelines.sandbox.faults import Fault
from crowd_pipelines.sandbox.messages import Request, Response, json_response
from crowd_pipelines.sandbox.platform import ChangeRefused, SimulatedPlatform
from crowd_pipelines.sandbox.world import World

PREFIX = "_sandbox"


class ControlRefused(Exception):
    """A control request that names or says something unknown."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Lines:
    """An answer too long for one body: records sent one JSON line at a time, `lock` held meanwhile."""

    def __init__(self, records: Iterable[dict[str, Any]], lock: AbstractContextManager[Any] | None = None) -> None:
        self._records = records
        self._lock = lock

    def __iter__(self) -> Iterator[bytes]:
        with self._lock or nullcontext():
            for record in self._records:
                yield json.dumps(record, separators=(",", ":")).encode() + b"\n"


class Control:
    """Answers control requests about a world."""

    def __init__(self, world: World, url: str) -> None:
        self._world = world
        self._url = url
        self._routes: dict[tuple[str, str], Callable[[Request], Response | Lines]] = {
            ("GET", "health"): self._health,
            ("GET", "truth"): self._truth,
            ("GET", "requests"): self._requests,
            ("DELETE", "requests"): self._forget,
            ("POST", "changes"): self._change,
            ("GET", "faults"): self._faults,
            ("POST", "faults"): self._arm,
            ("DELETE", "faults"): self._disarm,
        }

    def answer(self, request: Request) -> Response | Lines:
        route = self._routes.get((request.method, "/".join(request.segments[1:])))
        if route is None:
            reason = f"no {request.method} {request.path} in the control API"
            return json_response({"error": reason}, status=404)
        try:
            return route(request)
        except ControlRefused as refused:
            return json_response({"error": str(refused)}, status=refused.status)

    def _health(self, _: Request) -> Response:
        return json_response({"url": self._url, "platforms": self._world.connections(self._url)})

    def _truth(self, request: Request) -> Lines:
        platform = self._platform(request)
        return Lines(platform.truth(), platform.lock)

    def _requests(self, request: Request) -> Lines:
        return Lines(self._world.log.lines(self._logged(request)))

    def _forget(self, request: Request) -> Response:
        self._world.log.forget(self._logged(request))
        return json_response({})

    def _change(self, request: Request) -> Response:
        platform = self._platform(request)
        touched: list[dict[str, Any]] = []
        with platform.lock:
            for number, change in enumerate(_json(request)):
                try:
                    touched += platform.change(change)
                except ChangeRefused as refused:
                    raise ControlRefused(422, f"change {number} was refused: {refused}") from refused
        return json_response(touched)

    def _faults(self, _: Request) -> Response:
        return json_response(self._world.faults.as_json())

    def _arm(self, request: Request) -> Response:
        try:
            number = self._world.arm(Fault.model_validate(_json(request)))
        except (ValidationError, ChangeRefused) as error:
            raise ControlRefused(422, f"not a fault: {error}") from error
        return json_response({"id": number})

    def _disarm(self, _: Request) -> Response:
        fired = self._world.faults.as_json()
        self._world.faults.clear()
        return json_response(fired)

    def _platform(self, request: Request) -> SimulatedPlatform:
        name = request.query.get("platform", "")
        platform = self._world.named(name)
        if platform is None:
            known = ", ".join(self._world.platforms)
            raise ControlRefused(404, f"platform {name!r} is not simulated here; there are: {known}")
        return platform

    def _logged(self, request: Request) -> str | None:
        """The name under which the platform that is asked for is logged, None for all."""
        return self._platform(request).name if "platform" in request.query else None


def _json(request: Request) -> Any:
    try:
        return json.loads(request.body)
    except ValueError as error:
        raise ControlRefused(400, f"the body of {request.method} {request.path} is not JSON") from error
