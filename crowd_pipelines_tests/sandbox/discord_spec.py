"""Discord's published API description, to hold simulated bodies and our requests against."""

import json
import os
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

_BOOLEANS = {"true": True, "false": False}
FORWARD = {"title": "FORWARD", "const": 1}
# What others extend has to stay open.
EXTENDED = frozenset({"Error", "ErrorResponse", "RatelimitedResponse"})


@lru_cache
def description() -> dict[str, Any]:
    """The description, with objects that have no other fields than it names; skips where it is not there."""
    beside = Path(__file__).parents[3] / "shared" / "specs"
    path = Path(os.environ.get("CROWD_SPECS_DIR", beside)) / "discord.openapi.json"
    if not path.is_file():
        pytest.skip(f"no API description at {path}: set CROWD_SPECS_DIR to where discord.openapi.json is")
    described: dict[str, Any] = json.loads(path.read_text())
    schemas = described["components"]["schemas"]
    # Documented, and sent since 2024.
    schemas["MessageReferenceType"]["oneOf"].append(FORWARD)
    # Documented, and sent for guests.
    schemas["GuildMemberResponse"]["properties"]["joined_at"]["type"] = ["string", "null"]
    for name, schema in schemas.items():
        if "properties" in schema and name not in EXTENDED:
            schema.setdefault("additionalProperties", False)
    return described


def problems_of(path: str, body: Any, status: str = "200") -> list[str]:
    """What is wrong with an answer to a path as the description names it."""
    response = description()["paths"][path]["get"]["responses"][status]
    if "$ref" in response:
        response = description()["components"]["responses"][response["$ref"].rpartition("/")[2]]
    schema = response["content"]["application/json"]["schema"]
    validator = Draft202012Validator({**schema, "components": description()["components"]})
    return [f"{list(error.absolute_path)}: {error.message[:300]}" for error in validator.iter_errors(body)]


def undeclared(requests: list[dict[str, Any]], prefix: str) -> Iterator[str]:
    """What the logged requests do that the description does not allow."""
    for request in requests:
        path = request["path"].removeprefix(prefix)
        template = template_of(path)
        if template is None or request["method"] != "GET":
            yield f"{request['method']} {path}"
            continue
        known = {one["name"]: one["schema"] for one in description()["paths"][template]["get"].get("parameters", ())}
        for name, value in request["query"].items():
            if name not in known or not _fits(known[name], value):
                yield f"GET {path}?{name}={value}"


def template_of(path: str) -> str | None:
    """The path as the description names it; one that is written out comes before one with a variable."""
    readable = [known for known, methods in description()["paths"].items() if "get" in methods]
    fitting = [known for known in readable if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", known), path)]
    return min(fitting, key=lambda known: known.count("{"), default=None)


def _fits(schema: dict[str, Any], value: str) -> bool:
    validator = Draft202012Validator(
        {**schema, "components": description()["components"]}, format_checker=Draft202012Validator.FORMAT_CHECKER
    )
    typed = int(value) if schema.get("type") == "integer" and value.isdigit() else _BOOLEANS.get(value, value)
    return bool(validator.is_valid(typed))
