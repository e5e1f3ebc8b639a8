"""What the changes of all simulated providers have in common."""

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from crowd_pipelines.sandbox.platform import ChangeRefused, NothingFits

T = TypeVar("T")

DAY = 86_400
Mix = Sequence[tuple[int, dict[str, Any]]]
"""How often what happens in a week."""


class Change(BaseModel):
    """Something that happens `after` seconds since the change before; what is left out is chosen by chance."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    after: Annotated[int, Field(ge=0)] = 60


class Pass(Change):
    """Nothing but time: `after` seconds."""

    do: Literal["pass"]


class Week(Change):
    """Seven days with a bit of everything."""

    do: Literal["week"]
    seed: int = 0


def valid(kinds: TypeAdapter[T], change: Any) -> T:
    """The change as its kind; raises ChangeRefused."""
    try:
        return kinds.validate_python(change)
    except ValidationError as error:
        raise ChangeRefused(str(error)) from error


def week(mix: Mix, seed: int, *, besides: int = 0) -> list[dict[str, Any]]:
    """The changes of seven days, in an order that the seed decides; with `besides` seconds they take as long."""
    dice = random.Random(f"week/{seed}")
    changes = [dict(change) for times, change in mix for _ in range(times)]
    dice.shuffle(changes)
    pause = (7 * DAY - besides) // (len(changes) + 1)
    spaced = [{"after": pause - 300 + dice.randrange(300), **change} for change in changes]
    passed = sum(change["after"] for change in spaced) + besides
    return [*spaced, {"do": "pass", "after": max(7 * DAY - passed, 0)}]


def lived(
    parts: Iterable[Mapping[str, Any]], change: Callable[[Mapping[str, Any]], list[dict[str, Any]]]
) -> list[dict[str, Any]]:
    """Make the changes of a week; what finds nobody and nothing that it fits does not happen, its time passes."""
    touched: list[dict[str, Any]] = []
    for part in parts:
        try:
            touched += change(part)
        except NothingFits:
            touched += change({"do": "pass", "after": part["after"]})
    return touched
