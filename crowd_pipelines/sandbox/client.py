"""Steers a running sandbox over its control API. Standard library only."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import ProxyHandler, Request, build_opener

Record = dict[str, Any]
_DIRECT = build_opener(ProxyHandler({}))  # a proxy from the environment has no business on the loopback interface


class SandboxError(RuntimeError):
    """The sandbox did not start, or refused what it was told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What a database should hold after reading everything; the records are described in devto/truth.py."""

    settings: Record
    coverage: Record
    cases: Record
    now: str
    activities: list[Record] = field(default_factory=list)
    members: list[Record] = field(default_factory=list)
    vanished: list[Record] = field(default_factory=list)


class SandboxClient:
    """The control API of the sandbox at an address."""

    def __init__(self, url: str) -> None:
        self.url = url

    def truth(self, platform: str) -> Truth:
        kinds: dict[str, list[Record]] = {"activity": [], "member": [], "vanished": []}
        lines = self._lines("truth", platform=platform)
        about = next(lines)
        for line in lines:
            kinds[line.pop("record")].append(line)
        about.pop("record")
        return Truth(**about, activities=kinds["activity"], members=kinds["member"], vanished=kinds["vanished"])

    def requests(self, platform: str | None = None) -> list[Record]:
        """The requests since the start or since `forget_requests`, oldest first."""
        return list(self._lines("requests", **_given(platform=platform)))

    def forget_requests(self, platform: str | None = None) -> None:
        self._call("DELETE", "requests", _given(platform=platform))

    def change(self, platform: str, changes: Sequence[Mapping[str, Any]]) -> list[Record]:
        """Makes changes in order; returns what each touched, and whether the provider lets it show."""
        return list(self._call("POST", "changes", {"platform": platform}, list(changes)))

    def fault(self, platform: str | None, kind: str, **options: Any) -> int:
        """Orders a fault (fields of faults.Fault); returns its id."""
        return int(self._call("POST", "faults", {}, {"kind": kind, "platform": platform, **options})["id"])

    def faults(self) -> list[Record]:
        """The faults in force, with how many requests they met and how often they fired."""
        return list(self._call("GET", "faults", {}))

    def clear_faults(self) -> list[Record]:
        """Ends all faults; returns them with their counts."""
        return list(self._call("DELETE", "faults", {}))

    def _lines(self, what: str, **query: str) -> Iterator[Record]:
        with self._open("GET", what, query) as response:
            yield from map(json.loads, response)

    def _call(self, method: str, what: str, query: Mapping[str, str], payload: Any = None) -> Any:
        with self._open(method, what, query, payload) as response:
            return json.load(response)

    @contextmanager
    def _open(self, method: str, what: str, query: Mapping[str, str], payload: Any = None) -> Iterator[Any]:
        address = f"{self.url}/_sandbox/{what}?{urlencode(query)}"
        body = None if payload is None else json.dumps(payload).encode()
        request = Request(address, data=body, method=method)  # noqa: S310  the address is our own
        try:
            with _DIRECT.open(request) as response:
                yield response
        except HTTPError as error:
            with error:
                raise SandboxError(f"{method} {what}: {error.read().decode(errors='replace')}") from error


def _given(**values: str | None) -> dict[str, str]:
    return {name: value for name, value in values.items() if value is not None}
