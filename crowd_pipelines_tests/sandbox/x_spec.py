"""X's published API description, to hold simulated bodies and our requests against."""

import json
import os
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

RESPONSES = {
    "followers": "Get2UsersIdFollowersResponse",
    "mentions": "Get2UsersIdMentionsResponse",
    "recent": "Get2TweetsSearchRecentResponse",
    "users": "Get2UsersResponse",
}
PROBLEMS = {
    "invalid-request": "InvalidRequestProblem",
    "client-forbidden": "ClientForbiddenProblem",
    "usage-capped": "UsageCapExceededProblem",
    "resource-not-found": "ResourceNotFoundProblem",
    "": "GenericProblem",
}
# Not among the description's paths, only in its security schemes.
UNDESCRIBED = {"/2/oauth2/token"}


@lru_cache
def description() -> dict[str, Any]:
    """The description; skips the test where it is not there."""
    beside = Path(__file__).parents[3] / "shared" / "specs"
    path = Path(os.environ.get("CROWD_SPECS_DIR", beside)) / "twitter.openapi.json"
    if not path.is_file():
        pytest.skip(f"no API description at {path}: set CROWD_SPECS_DIR to where twitter.openapi.json is")
    described: dict[str, Any] = json.loads(path.read_text())
    assert described["info"]["version"] == "2.166"
    return described


def problems_of(schema: str, body: Any) -> list[str]:
    """What the schema does not allow about a body, unknown fields included."""
    schemas = description()["components"]["schemas"]
    joined = {part["$ref"].rpartition("/")[2] for part in _joined(schemas) if "$ref" in part}
    components = {"schemas": {name: part if name in joined else _closed(part) for name, part in schemas.items()}}
    validator = Draft7Validator({"$ref": f"#/components/schemas/{schema}", "components": components})
    return [f"{list(error.path)}: {error.message}" for error in validator.iter_errors(body)]


def undeclared(requests: list[dict[str, Any]], prefix: str) -> Iterator[str]:
    """What the logged requests do that the description does not know."""
    for request in requests:
        path = request["path"].removeprefix(prefix)
        if path in UNDESCRIBED:
            continue
        template = next((known for known in description()["paths"] if _fits(known, path)), None)
        operation = description()["paths"].get(template, {}).get(request["method"].lower())
        if operation is None:
            yield f"{request['method']} {path}"
            continue
        known = {parameter["name"]: parameter["schema"] for parameter in map(_resolved, operation["parameters"])}
        for name, value in request["query"].items():
            if name not in known or list(_wrong(known[name], value)):
                yield f"{request['method']} {path}?{name}={value}"


def _wrong(schema: dict[str, Any], value: str) -> Iterator[str]:
    kind = schema.get("type")
    given: Any = int(value) if kind == "integer" else value.split(",") if kind == "array" else value
    validator = Draft7Validator({**schema, "components": description()["components"]})
    yield from (error.message for error in validator.iter_errors(given))


def _resolved(parameter: dict[str, Any]) -> dict[str, Any]:
    reference = parameter.get("$ref", "").rpartition("/")[2]
    return description()["components"]["parameters"][reference] if reference else parameter


def _fits(template: str, path: str) -> bool:
    # Of two that fit, the literal one is meant: /2/users/me is no id.
    return re.fullmatch(re.sub(r"\{\w+\}", "[0-9]+", template), path) is not None


def _joined(part: Any) -> Iterator[dict[str, Any]]:
    """Everything that is a part of something else."""
    if isinstance(part, dict):
        yield from part.get("allOf", ())
        yield from (found for value in part.values() for found in _joined(value))
    if isinstance(part, list):
        yield from (found for value in part for found in _joined(value))


def _closed(part: Any) -> Any:
    """Objects take the fields that are described and no others; where parts are joined, that cannot be said."""
    if not isinstance(part, dict) or "allOf" in part or "discriminator" in part:
        return part
    closed = {name: _closed_part(name, value) for name, value in part.items()}
    if part.get("type") == "object" and "properties" in part:
        closed.setdefault("additionalProperties", False)
    return closed


def _closed_part(name: str, value: Any) -> Any:
    if name == "properties":
        return {key: _closed(inner) for key, inner in value.items()}
    return _closed(value) if name == "items" else value
