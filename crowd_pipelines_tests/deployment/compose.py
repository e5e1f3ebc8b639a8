"""docker-compose.yml and Dockerfile, as far as ours go, read the way Docker reads them."""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import Any

import yaml

_VARIABLE = re.compile(r"\$(?:\{(?P<name>\w+)(?:(?P<how>:[-?])(?P<rest>[^}]*))?\}|(?P<dollar>\$)|)")

HEALTHY = "service_healthy"
COMPLETED = "service_completed_successfully"


class ComposeError(Exception):
    """The file cannot be used with these variables; the message names the variable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposeService:
    """A service, with its variables filled in."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    healthcheck: tuple[str, ...]
    depends_on: Mapping[str, str]
    stop_grace_seconds: float
    published: tuple[str, ...]


def services(text: str, variables: Mapping[str, str], *, profiles: Sequence[str] = ()) -> dict[str, ComposeService]:
    """The services in an order in which each comes after those it depends on. Raises ComposeError.

    Those that have profiles are left out unless one of those is asked for.
    """
    everything = _filled(yaml.safe_load(text), variables)["services"]
    declared = {
        name: service
        for name, service in everything.items()
        if "profiles" not in service or set(service["profiles"]) & set(profiles)
    }
    order = TopologicalSorter({name: service.get("depends_on", {}) for name, service in declared.items()})
    return {name: _service(name, declared[name], variables) for name in order.static_order()}


def required(text: str) -> list[str]:
    """The variables without which the file cannot be used."""
    return sorted({found["name"] for found in _VARIABLE.finditer(text) if found["how"] == ":?"})


def image_environment(dockerfile: str) -> dict[str, str]:
    """The ENV of the last stage."""
    stage = dockerfile.rpartition("\nFROM ")[2]
    lines = re.sub(r"\\\n\s*", " ", stage).splitlines()
    words = [word for line in lines if line.startswith("ENV ") for word in shlex.split(line)[1:]]
    return dict(word.split("=", 1) for word in words)


def _filled(value: Any, variables: Mapping[str, str]) -> Any:
    match value:
        case str():
            return _VARIABLE.sub(lambda found: _value(found, variables), value)
        case dict():
            return {name: _filled(item, variables) for name, item in value.items()}
        case list():
            return [_filled(item, variables) for item in value]
        case _:
            return value


def _value(found: re.Match[str], variables: Mapping[str, str]) -> str:
    if found["dollar"]:
        return "$"
    name, how, rest = found["name"], found["how"], found["rest"]
    if name is None:
        raise ComposeError(f"{found.string!r} has a $ that begins no variable; write $$ for the character")
    if given := variables.get(name):
        return given
    if how == ":?":
        raise ComposeError(f"required variable {name} is missing a value: {rest}")
    return rest or ""


def _service(name: str, declared: Mapping[str, Any], variables: Mapping[str, str]) -> ComposeService:
    environment = {
        # Without a value, it is passed on if it is set.
        variable: variables.get(variable) if value is None else str(value)
        for variable, value in declared.get("environment", {}).items()
    }
    kind, *healthcheck = declared.get("healthcheck", {}).get("test", ["NONE"])
    if kind not in {"CMD", "NONE"}:
        raise ComposeError(f"the healthcheck of {name} is a {kind}; only CMD is understood here")
    return ComposeService(
        name=name,
        command=tuple(declared.get("command", ())),
        environment={variable: value for variable, value in environment.items() if value is not None},
        healthcheck=tuple(healthcheck),
        depends_on={other: how["condition"] for other, how in declared.get("depends_on", {}).items()},
        stop_grace_seconds=float(declared.get("stop_grace_period", "10s").removesuffix("s")),
        published=tuple(declared.get("ports", ())),
    )
