"""What a simulated provider is asked, and what it answers."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

JSON = "application/json; charset=utf-8"
TEXT = "text/plain"
HTML = "text/html; charset=utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request as it came over the wire; header names are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    client: str
    body: bytes = b""

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def segments(self) -> tuple[str, ...]:
        return tuple(unquote(part) for part in self.path.split("/") if part)

    @property
    def pairs(self) -> list[tuple[str, str]]:
        return parse_qsl(urlsplit(self.target).query, keep_blank_values=True)

    @property
    def query(self) -> dict[str, str]:
        return dict(self.pairs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """One answer. `violation` says what the request did against the provider's published contract.

    `asked` tells for the log what was asked where the address does not: a GraphQL operation, a form; never a token.
    """

    status: int = 200
    body: bytes = b""
    content_type: str | None = JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    violation: str | None = None
    asked: str | None = None


def encode(payload: Any) -> bytes:
    """UTF-8 as the providers send it; a lone surrogate has no UTF-8, so such a body is escaped throughout."""
    try:
        return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return json.dumps(payload, separators=(",", ":")).encode()


def json_response(payload: Any, *, status: int = 200, violation: str | None = None) -> Response:
    return Response(status=status, body=encode(payload), violation=violation)


def text_response(text: str, *, status: int, headers: Mapping[str, str] | None = None) -> Response:
    return Response(status=status, body=text.encode(), content_type=TEXT, headers=headers or {})
