"""The contract of a simulated provider: one folder, one subclass, one line in the registry."""

import re
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar, Self

from crowd_pipelines.sandbox.messages import Request, Response

SIZES = ("small", "medium", "large")
HISTORY_ENDS = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a community is made from: the same options make the same community, byte for byte."""

    seed: int = 7
    size: str = "small"
    until: datetime = HISTORY_ENDS
    requests_per_second: int | None = None
    page_size_max: int = 1000


def records_wanted(size: str) -> int | None:
    """The number in a size such as `comments=20000`, None for a named size; ValueError for anything else."""
    if size in SIZES:
        return None
    match = re.fullmatch(r"(?:comments|records)=(\d+)", size)
    if match is None or int(match[1]) < 1:
        raise ValueError(f"unknown size {size!r}: use one of {', '.join(SIZES)}, or comments=NUMBER")
    return int(match[1])


class ChangeRefused(ValueError):
    """A change that cannot be made: unknown, malformed, or about something that is not there."""


class NothingFits(ChangeRefused):
    """A change to something of its own choice, and the community has nothing left to choose from."""


class SimulatedPlatform(ABC):
    """A provider with its state. The server holds `lock` around every call, so subclasses need none."""

    name: ClassVar[str]
    api_path: ClassVar[str]
    readers: ClassVar[tuple[str, ...]] = ()
    """Further integration types that read this provider, as `twitter_reach` reads X."""

    def __init__(self) -> None:
        self.lock = threading.RLock()

    @classmethod
    @abstractmethod
    def create(cls, options: Options) -> Self: ...

    @abstractmethod
    def answer(self, request: Request) -> Response:
        """Answers as the provider would, its limits and refusals included."""

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """The settings to connect an integration with."""

    def credentials(self) -> dict[str, Any]:
        """The credentials to connect an integration with; none where reads are public."""
        return {}

    def environment(self) -> dict[str, str]:
        """Variables that an installation connected to it needs, as an application's id and secret."""
        return {}

    @abstractmethod
    def change(self, change: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Makes one change; says what it touched. Raises ChangeRefused."""

    @abstractmethod
    def evolve(self, seconds: float) -> list[dict[str, Any]]:
        """Lets `seconds` pass in the community, and something small happen."""

    @abstractmethod
    def truth(self) -> Iterator[dict[str, Any]]:
        """What a database should hold after reading everything, one record at a time, `about` first."""

    @abstractmethod
    def poison(self, payload: Any, what: str) -> Any:
        """Makes one record of an answer unusable; `what` names the way."""
