"""Slack's published API description, to hold simulated bodies and our requests against.

It was archived in 2021, and real answers have more fields than it names: they are held to what it says of the fields
that it knows, and of those that have to be there. Requests are held to it to the letter.
"""

import json
import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator


@lru_cache
def slack() -> dict[str, Any]:
    """The description; skips the test where it is not there."""
    beside = Path(__file__).parents[3] / "shared" / "specs"
    path = Path(os.environ.get("CROWD_SPECS_DIR", beside)) / "slack.openapi2.json"
    if not path.is_file():
        pytest.skip(f"no API description at {path}: set CROWD_SPECS_DIR to where slack.openapi2.json is")
    description: dict[str, Any] = json.loads(path.read_text())
    return description


def validator(method: str) -> Draft7Validator:
    """For a good answer of a method."""
    operation = slack()["paths"][f"/{method}"]["get"]
    schema = operation["responses"]["200"]["schema"]
    return Draft7Validator({**_tolerant(schema), "definitions": _tolerant(slack()["definitions"])})


def refusal_validator(method: str) -> Draft7Validator:
    """For an answer that refuses."""
    operation = slack()["paths"][f"/{method}"]["get"]
    schema = operation["responses"]["default"]["schema"]
    return Draft7Validator({**_tolerant(schema), "definitions": _tolerant(slack()["definitions"])})


def undeclared(requests: list[dict[str, Any]], prefix: str) -> Iterator[str]:
    """What the logged requests do that the description does not know, wrong types of parameters included."""
    for request in requests:
        path = request["path"].removeprefix(prefix)
        operation = slack()["paths"].get(path, {}).get(request["method"].lower())
        if operation is None:
            yield f"{request['method']} {path}"
            continue
        known = {parameter["name"]: parameter for parameter in operation["parameters"]}
        for name, value in request["query"].items():
            if name not in known or not _is(known[name].get("type"), value):
                yield f"{request['method']} {path}?{name}={value}"


def _is(kind: str | None, value: str) -> bool:
    match kind:
        case "integer":
            return value.isdecimal()
        case "boolean":
            return value in ("true", "false")
        case "number":
            return value.replace(".", "", 1).isdecimal()
        case _:
            return True


def _tolerant(part: Any) -> Any:
    """The description without what it forbids beyond its time, and with its list of alternatives as JSON Schema's."""
    if isinstance(part, list):
        return [_tolerant(item) for item in part]
    if not isinstance(part, dict):
        return part
    kept = {name: _tolerant(value) for name, value in part.items() if name not in ("additionalProperties", "minItems")}
    if isinstance(kept.get("items"), list):
        alternatives = kept.pop("items")
        if kept.get("type") == "array":
            kept["items"] = {"anyOf": alternatives}
        else:
            kept["anyOf"] = alternatives
    return kept
