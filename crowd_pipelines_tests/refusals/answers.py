"""Answers that nobody named: statuses, bodies and headers of proxies and of other services."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from crowd_pipelines.http.outcomes import Outcome, Response, verdict_of
from crowd_pipelines.http.refusals import RefusalTable

REFUSED = (
    *(401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 416, 417, 418, 421, 422, 423, 424),
    *(425, 426, 428, 429, 431, 440, 444, 449, 450, 451),
)
FAILED = (500, 501, 502, 503, 504, 505, 507, 508, 511, 520, 521, 522, 523, 524, 525, 526, 529, 530, 598, 599)
STATUSES = (*REFUSED, *FAILED)

HTML, JSON, TEXT, XML = "text/html; charset=utf-8", "application/json; charset=utf-8", "text/plain", "application/xml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What an answer says, and how it calls that."""

    name: str
    type: str
    text: str = field(repr=False)


def _json(name: str, value: Any) -> Body:
    return Body(name=name, type=JSON, text=json.dumps(value))


_SQUID = """<!DOCTYPE html PUBLIC "-//W3C//DTD HTML 4.01//EN" "http://www.w3.org/TR/html4/strict.dtd">
<html><head><title>ERROR: The requested URL could not be retrieved</title></head><body id="ERR_ACCESS_DENIED">
<h1>ERROR</h1><p><b>Access Denied.</b></p><p>Your cache administrator is <a href="mailto:root">root</a>.</p></body>
</html>"""
_CHALLENGE = """<!DOCTYPE html><html lang="en-US"><head><title>Just a moment...</title></head><body>
<noscript>Enable JavaScript and cookies to continue</noscript></body></html>"""
_PORTAL = "<html><body><form action='/login'>Sign in to the network of our hotel<input name=room></form></body></html>"
_S3 = "<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"

BODIES = (
    Body(name="nothing", type=TEXT, text=""),
    Body(name="HTML of a proxy", type=HTML, text=_SQUID),
    Body(name="HTML of a challenge", type=HTML, text=_CHALLENGE),
    Body(name="HTML of a login", type=HTML, text=_PORTAL),
    Body(name="text", type=TEXT, text="upstream connect error or disconnect/reset before headers. reset: overflow"),
    Body(name="XML", type=XML, text=_S3),
    _json("JSON of a gateway", {"message": "Forbidden"}),
    _json("JSON of a cloud", {"__type": "AccessDeniedException", "Message": "User is not authorized"}),
    _json("JSON of another service", {"error": {"code": 7, "status": "PERMISSION_DENIED", "message": "No"}}),
    _json("limit in other words", {"detail": "You ask more than your share; come back when the clock strikes."}),
    _json("limit that is known", {"detail": "Too Many Requests: this network asks too much of us."}),
    _json("empty object", {}),
    _json(
        "JSON of a framework", {"timestamp": "2026-03-04T05:06:07Z", "status": 403, "error": "Forbidden", "path": "/x"}
    ),
    _json(
        "problem of a framework", {"type": "https://tools.ietf.org/html/rfc9110#section-15.5.4", "title": "Forbidden"}
    ),
    _json("list", [{"errorCode": "INVALID_SESSION_ID"}]),
    _json("text in JSON", "Forbidden"),
)
HEADERS: Mapping[str, Mapping[str, str]] = {
    "no header": {},
    "Retry-After": {"Retry-After": "120"},
    "Retry-After nonsense": {"Retry-After": "later"},
    "Cloudflare": {"Server": "cloudflare", "CF-RAY": "8f2a1b3c4d5e6f70-FRA", "cf-mitigated": "challenge"},
    "points left": {"X-RateLimit-Limit": "5000", "X-RateLimit-Remaining": "4987"},
    "proxy wants to know": {"Proxy-Authenticate": 'Basic realm="proxy"', "WWW-Authenticate": 'Basic realm="proxy"'},
    "cache": {"Age": "86000", "X-Cache": "HIT", "Cache-Control": "public, max-age=86400"},
}
_NEW = "https://api.twitter.com/2/problems/something-new"
OWN: Mapping[str, tuple[tuple[int, Body], ...]] = {
    "devto": ((403, _json("DEV, a new error", {"error": "something new", "status": 403})),),
    "discord": (
        (403, _json("Discord, a new code", {"message": "Something new", "code": 999_001})),
        (404, _json("Discord, a new code", {"message": "Something new", "code": 999_002})),
    ),
    "github": (
        (200, _json("GitHub, a new type", {"errors": [{"type": "SOMETHING_NEW", "message": "Something new."}]})),
        (200, _json("GitHub, no type", {"data": None, "errors": [{"message": "Something went wrong, for once."}]})),
        (
            403,
            _json(
                "GitHub, a new message", {"message": "Something new.", "documentation_url": "https://docs.github.com"}
            ),
        ),
        (403, _json("GitHub, a limit", {"message": "API rate limit exceeded for installation ID 1."})),
        (404, _json("GitHub, a new message", {"message": "Nothing here, for once.", "status": "404"})),
    ),
    "slack": (
        (200, _json("Slack, a new error", {"ok": False, "error": "something_new"})),
        (200, _json("Slack, a limit of a new name", {"ok": False, "error": "please_slow_down"})),
    ),
    "twitter": (
        (401, _json("X, a new problem", {"title": "Something New", "type": _NEW, "status": 401, "detail": "New."})),
        (403, _json("X, a new problem", {"title": "Something New", "type": _NEW, "status": 403, "detail": "New."})),
    ),
}
"""What a platform may say in its own form one day, and what no documentation has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A refusal. `headers` is their name."""

    status: int
    body: Body
    headers: str

    def __str__(self) -> str:
        return f"{self.status}, {self.body.name}, {self.headers}"

    @property
    def fault(self) -> Mapping[str, Any]:
        """The fault that a sandbox is told."""
        headers = dict(HEADERS[self.headers])
        return {
            "kind": "replace",
            "status": self.status,
            "body": self.body.text,
            "content_type": self.body.type,
            "headers": headers,
        }

    def meaning(self, table: RefusalTable | None, url: str) -> Outcome:
        """Return what the platform's table says of it; REFUSED, RETRY or RATE_LIMITED where no row does."""
        value = json.loads(self.body.text) if self.body.type == JSON else None
        response = Response(status=self.status, url=url, headers=HEADERS[self.headers], json=value)
        judge = table.judge if table else None
        return verdict_of(response, judge=judge, overrides={}, closed=table is not None).outcome
