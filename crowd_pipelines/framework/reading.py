"""Reading a page record by record: one that cannot be used never costs the others."""

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from crowd_pipelines.model.streams import RejectedRecord

T = TypeVar("T", bound=BaseModel)


def usable(wanted: type[T], raw: Iterable[Any], rejected: list[RejectedRecord]) -> Iterator[T]:
    """Yield the records that can be used; the others go to `rejected` with the reason, as they came.

    Records that came as null are in neither part, since there is nothing to keep: see `count_nulls`.
    """
    for item in raw:
        if item is None:
            continue
        try:
            yield wanted.model_validate(item)
        except ValidationError as error:
            rejected.append(RejectedRecord(reason=f"{wanted.__name__.lower()}: {reason(error)}", payload=item))


def count_nulls(raw: Iterable[Any]) -> int:
    """Return how many records of a page came as null: each is one that was not read (`StreamResult.unread`)."""
    return sum(item is None for item in raw)


def reason(error: ValidationError) -> str:
    """Return what is wrong, field by field, without the values."""
    problems = error.errors(include_input=False, include_url=False, include_context=False)
    return "; ".join(f"{'.'.join(map(str, p['loc']))}: {p['msg']}" for p in problems)
