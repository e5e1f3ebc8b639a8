"""Answers whose form is not the documented one any more: one field of a real one at a time.

`__typename` is part of GraphQL and not of a schema, so it is there where it is asked for.
"""

import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from crowd_pipelines.http.transport import Answer, Request, Transport

Way = tuple[str | int, ...]
"""Where in a body a field is: keys of objects, and places in lists."""

GONE = object()
"""Instead of a value: the field is left out."""


@dataclass(frozen=True, kw_only=True)
class Drift:
    """Another value for a field of one answer. `unclear` says that it may well be the id of something else."""

    request: str
    way: Way
    form: str
    value: Any = field(repr=False)
    unclear: bool = False

    def __str__(self) -> str:
        return f"{'.'.join(map(str, self.way)) or 'all'} of {self.request[:80]} is {self.form}"

    def apply(self, body: Any) -> Any:
        """The body with the field as it is now. Only what lies around the field is copied."""
        return _with(body, self.way, self.value)


def drifts(request: str, body: Any) -> Iterator[Drift]:
    """Every drift of every field; of a list the first item stands for all."""
    for way, value in _fields(body):
        for form, other, unclear in _forms(value):
            if form != "left out" or (way and way[-1] != "__typename" and isinstance(way[-1], str)):
                yield Drift(request=request, way=way, form=form, value=other, unclear=unclear)


def some(found: Sequence[Drift], *, number: int, seed: int) -> list[Drift]:
    """So many of them, the same ones each time."""
    return list(found) if len(found) <= number else random.Random(seed).sample(list(found), number)


class Tape:
    """Answers of a provider, each asked for once, with short lists; what is played is true but for one drift."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answers: dict[str, Answer] = {}
        self.drift: Drift | None = None
        self._send = Transport.send
        monkeypatch.setattr(Transport, "send", self._play_to())

    def _play_to(self) -> Callable[[Transport, Request], Answer]:
        def send(transport: Transport, request: Request) -> Answer:
            name = _name(request)
            if name not in self.answers:
                answer = self._send(transport, request)
                self.answers[name] = _with_body(answer, _short(json.loads(answer.body)))
            answer = self.answers[name]
            if self.drift is None or self.drift.request != name:
                return answer
            return _with_body(answer, self.drift.apply(json.loads(answer.body)))

        return send

    def drifts(self) -> Iterator[Drift]:
        """Every drift of every answer so far."""
        for name, answer in self.answers.items():
            yield from drifts(name, json.loads(answer.body))


def _with_body(answer: Answer, body: Any) -> Answer:
    return replace(answer, body=json.dumps(body).encode())


def _short(value: Any) -> Any:
    """A value in which lists have three items at most: the others would be of the same form."""
    if isinstance(value, dict):
        return {key: _short(one) for key, one in value.items()}
    return [_short(one) for one in value[:3]] if isinstance(value, list) else value


def _name(request: Request) -> str:
    asked = json.dumps([request.params, request.json, request.form], sort_keys=True, default=str)
    return f"{request} {asked}"


def _fields(value: Any, way: Way = ()) -> Iterator[tuple[Way, Any]]:
    yield way, value
    inside: Mapping[Any, Any] = {}
    if isinstance(value, dict):
        inside = value
    elif isinstance(value, list) and value:
        inside = {0: value[0]}
    for key, one in inside.items():
        yield from _fields(one, (*way, key))


def _forms(value: Any) -> Iterator[tuple[str, Any, bool]]:
    """Other forms of a value, with their names, and whether they may be read as some other value of the kind."""
    yield "left out", GONE, False
    yield from _forms_of_another_type(value)
    match value:
        case dict():
            yield "an empty object", {}, True
        case list():
            yield "an empty list", [], True
            yield "an object of its items", dict(enumerate(value)), False
        case str():
            yield from _forms_of_text(value)
        case bool():
            yield "a number", 2, False
        case int():
            yield "the same as a text", str(value), False
            yield "beyond 64 bits", 2**70, True


def _forms_of_another_type(value: Any) -> Iterator[tuple[str, Any, bool]]:
    if value is not None:
        yield "null", None, False
    if not isinstance(value, dict):
        yield "an object", {"drifted": True}, False
    if not isinstance(value, list):
        yield "in a list", [value], False
    if not isinstance(value, str):
        yield "a text", "drifted", True


def _forms_of_text(value: str) -> Iterator[tuple[str, Any, bool]]:
    yield "another text", f"{value}_drifted", True
    yield "empty", "", True
    if value.isdigit() and len(value) < 19:
        yield "the same as a number", int(value), False


def _with(body: Any, way: Way, value: Any) -> Any:
    if not way:
        return value
    key, *rest = way
    if isinstance(body, list):
        return [_with(one, tuple(rest), value) if place == key else one for place, one in enumerate(body)]
    if not rest and value is GONE:
        return {name: one for name, one in body.items() if name != key}
    return {**body, key: _with(body[key], tuple(rest), value)}
