"""DEV's published API description, to hold simulated bodies and our requests against."""

import json
import os
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

# The description's own examples have null here, or the server's source has the parameter.
NULL_IN_EXAMPLES = {
    "User": ("summary", "location", "website_url", "twitter_username", "github_username"),
    "Organization": ("location", "tech_stack", "tag_line", "story"),
}
KNOWN_TO_THE_SERVER = {"/comments": {"page", "per_page"}, "/users/{id}": {"url"}}


@lru_cache
def devto() -> dict[str, Any]:
    """The description; skips the test where it is not there."""
    beside = Path(__file__).parents[3] / "shared" / "specs"
    path = Path(os.environ.get("CROWD_SPECS_DIR", beside)) / "devto.openapi.json"
    if not path.is_file():
        pytest.skip(f"no API description at {path}: set CROWD_SPECS_DIR to where devto.openapi.json is")
    description: dict[str, Any] = json.loads(path.read_text())
    for name, fields in NULL_IN_EXAMPLES.items():
        for field in fields:
            description["components"]["schemas"][name]["properties"][field]["nullable"] = True
    description["components"] = _with_null(description["components"])
    return description


def validator(schema: str) -> Draft7Validator:
    """For one item of the named schema."""
    components = devto()["components"]
    return Draft7Validator({"allOf": [{"$ref": f"#/components/schemas/{schema}"}], "components": components})


def undeclared(requests: list[dict[str, Any]], prefix: str) -> Iterator[str]:
    """What the logged requests do that the description does not know."""
    for request in requests:
        path = request["path"].removeprefix(prefix)
        template = next((known for known in devto()["paths"] if _fits(known, path)), None)
        operation = devto()["paths"].get(template, {}).get(request["method"].lower())
        if template is None or operation is None:
            yield f"{request['method']} {path}"
            continue
        known = {_named(parameter) for parameter in operation.get("parameters", [])}
        unknown = set(request["query"]) - known - KNOWN_TO_THE_SERVER.get(template, set())
        yield from (f"{request['method']} {path}?{name}" for name in sorted(unknown))


def _fits(template: str, path: str) -> bool:
    return re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path) is not None


def _named(parameter: dict[str, Any]) -> str:
    reference = parameter.get("$ref", "").rpartition("/")[2]
    return str((devto()["components"]["parameters"][reference] if reference else parameter)["name"])


def _with_null(part: Any) -> Any:
    """OpenAPI 3.0 says `nullable`, JSON Schema a second type."""
    if isinstance(part, list):
        return [_with_null(item) for item in part]
    if not isinstance(part, dict):
        return part
    changed = {name: _with_null(value) for name, value in part.items()}
    if part.get("nullable") is True and isinstance(part.get("type"), str):
        changed["type"] = [part["type"], "null"]
    return changed
