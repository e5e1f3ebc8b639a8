"""What one query knows while it is answered: who asks, in what manner, and what it may cost."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from crowd_pipelines.sandbox.github.community import Community
from crowd_pipelines.sandbox.github.model import Account
from crowd_pipelines.sandbox.github.moods import Moods


@dataclass(slots=True, kw_only=True)
class Exchange:
    """A query under way. `most` is how many nodes it gets before its resources are used up, None for no limit."""

    community: Community
    moods: Moods
    viewer: Account | None
    modern_ids: bool
    rate: dict[str, Any]
    most: int | None = None
    asked: int = 0
    closed_stars: set[str] = field(default_factory=set)
    """The ways in which lists of stars were refused in this answer."""


def iso(moment: int | None) -> str | None:
    return None if moment is None else datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
