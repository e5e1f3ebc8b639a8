"""What providers' payloads have in common: we read what a record needs and tolerate the rest."""

from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, ValidatorFunctionWrapHandler, WrapValidator

T = TypeVar("T")


class Payload(BaseModel):
    """What we need of a payload; unknown fields are passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore", coerce_numbers_to_str=True)


def _or_nothing(value: Any, parse: ValidatorFunctionWrapHandler) -> Any:
    """Return a field's value, or None where it cannot be used: a record is not refused for what it can do without."""
    try:
        return parse(value)
    except ValidationError:
        return None


Spare = Annotated[T | None, WrapValidator(_or_nothing)]
"""A field that a record can do without."""
