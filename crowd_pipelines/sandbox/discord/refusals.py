"""Answers of the simulated Discord that are no data."""

import time
from collections.abc import Mapping
from dataclasses import replace

from crowd_pipelines.sandbox.messages import Response, json_response


class Refused(Exception):
    """Carries the answer out of wherever it was decided."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status)
        self.response = response


def refused(status: int, code: int, message: str, *, violation: str | None = None) -> Refused:
    return Refused(json_response({"message": message, "code": code}, status=status, violation=violation))


def unauthorized() -> Refused:
    return refused(401, 0, "401: Unauthorized")


def missing_access() -> Refused:
    return refused(403, 50001, "Missing Access")


def missing_permissions() -> Refused:
    return refused(403, 50013, "Missing Permissions")


def unknown(what: str, code: int) -> Refused:
    return refused(404, code, f"Unknown {what}")


def wrong_type() -> Refused:
    return refused(400, 50024, "Cannot execute action on this channel type", violation="a channel without messages")


def no_such_path(path: str) -> Refused:
    return refused(404, 0, "404: Not Found", violation=f"no such path: {path}")


def invalid(reason: str) -> Refused:
    body = {
        "message": "Invalid Form Body",
        "code": 50035,
        "errors": {"_errors": [{"code": "INVALID", "message": reason}]},
    }
    return Refused(json_response(body, status=400, violation=reason))


def nameless() -> Refused:
    return refused(
        403, 40333, "internal network error", violation="no User-Agent of the form DiscordBot (url, version)"
    )


def too_many(wait: float, *, scope: str, headers: Mapping[str, str]) -> Response:
    """A 429; `scope` is user, global or shared."""
    body = {
        "message": "You are being rate limited.",
        "code": 0,
        "retry_after": round(wait, 3),
        "global": scope == "global",
    }
    told = {"Retry-After": str(max(1, round(wait))), "X-RateLimit-Scope": scope, **headers}
    if scope == "global":
        told["X-RateLimit-Global"] = "true"
    return replace(json_response(body, status=429), headers=told)


def window_headers(limit: int, remaining: int, wait: float, bucket: str) -> dict[str, str]:
    return {
        "X-RateLimit-Limit": str(limit),
        "X-RateLimit-Remaining": str(remaining),
        "X-RateLimit-Reset": f"{time.time() + wait:.3f}",
        "X-RateLimit-Reset-After": f"{wait:.3f}",
        "X-RateLimit-Bucket": bucket,
    }
