"""Redirects stay at the host that was asked: credentials never travel to another one."""

from dataclasses import replace
from urllib.parse import urljoin

from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from crowd_pipelines.http.errors import UnexpectedPayload
from crowd_pipelines.http.redaction import redact
from crowd_pipelines.http.transport import Answer, Request

MAX_REDIRECTS = 5
_REDIRECTS = (301, 302, 303, 307, 308)
_METHOD_KEPT = (307, 308)
_PORTS = {"http": 80, "https": 443}


def absolute(base_url: str, path: str) -> str:
    """The URL of a path below the base URL; an absolute URL (a next link) must be of the same host."""
    if not path.startswith(("http://", "https://")):
        return f"{base_url.rstrip('/')}/{path.lstrip('/')}"
    if not _same_origin(path, base_url):
        raise UnexpectedPayload(
            f"The provider points to {_shown(path)}, but the credentials are for {_shown(base_url)}. "
            "If both are right, change the API's URL in the configuration."
        )
    return path


def followed(request: Request, answer: Answer) -> Request | None:
    """The request that a redirect asks for, None where there is none; raises UnexpectedPayload for another host."""
    location = answer.headers.get("Location", "")
    if answer.status not in _REDIRECTS or not location:
        return None
    target = _joined(answer.url, location)
    if target is None or not _same_origin(target, request.url):
        raise UnexpectedPayload(
            f"{request} was redirected to {redact(_shown(target or location), answer.secrets)}, which was not "
            "followed: credentials are only sent to the host they are for. If that is its new address, change the "
            "API's URL.",
            evidence=redact(location, answer.secrets),
        )
    if request.method != "GET" and answer.status not in _METHOD_KEPT:
        # As a GET it would ask for something else, which the provider may well not have: that is no answer to this.
        raise UnexpectedPayload(
            f"{request} was redirected with {answer.status}, which drops what it asks and was not followed. "
            "Check the API's URL.",
            evidence=redact(location, answer.secrets),
        )
    return replace(request, url=target, params=None)


def _joined(url: str, location: str) -> str | None:
    try:
        return urljoin(url, location)
    except ValueError:
        return None


def _origin(url: str) -> tuple[str | None, str | None, int | None] | None:
    """By the parser that connections are made by: of `http://a\\@b/`, others say that the host is b, and this one a."""
    try:
        parts = parse_url(url)
    except LocationParseError:
        return None
    return parts.scheme, parts.host, parts.port or _PORTS.get(parts.scheme or "")


def _same_origin(url: str, other: str) -> bool:
    """Tell whether two URLs are of one scheme, host and port."""
    origin = _origin(url)
    return origin is not None and origin == _origin(other)


def _shown(url: str) -> str:
    """Scheme and host of a URL: the rest may carry tokens."""
    scheme, _, rest = url.partition("://")
    host = rest.partition("/")[0].partition("?")[0].rpartition("@")[2]
    return f"{scheme[:20]}://{host[:200]}"
