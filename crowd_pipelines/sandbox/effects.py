"""What each fault does to an answer."""

import json
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from email.utils import formatdate
from enum import StrEnum
from functools import lru_cache
from urllib.parse import urlencode

from crowd_pipelines.sandbox.faults import Fault, FaultKind
from crowd_pipelines.sandbox.messages import HTML, JSON, TEXT, Request, Response, encode
from crowd_pipelines.sandbox.platform import SimulatedPlatform
from crowd_pipelines.sandbox.recoding import recoded

FOREVER = 24 * 3600.0
ERROR_PAGE = "<!DOCTYPE html><html><head><title>{0}</title></head><body><h1>{0}</h1></body></html>"


class Manner(StrEnum):
    """How an answer goes over the wire."""

    WHOLE = "whole"
    PART = "part"  # the first `sent` bytes of the body, then the end of the connection
    RESET = "reset"  # the same, but the end is a reset
    SILENT = "silent"  # nothing at all
    SLOW = "slow"  # `chunk` bytes at a time, once `sent` bytes of the body are out, or from the first of the head on


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """An answer and the manner in which it is sent; times in seconds."""

    response: Response
    manner: Manner = Manner.WHOLE
    delay: float = 0.0
    sent: int | None = None
    chunk: int = 1
    pause: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A fault and what it is applied to."""

    fault: Fault
    request: Request
    response: Response
    platform: SimulatedPlatform


def rewritten(fault: Fault, request: Request) -> Request:
    """The request as the provider misunderstands it."""
    if fault.kind is not FaultKind.REWRITE:
        return request
    query = urlencode({**request.query, **fault.query})
    return replace(request, target=f"{request.path}?{query}")


def spoiled(order: Order) -> Delivery:
    """The answer with the fault's effect."""
    return _EFFECTS[order.fault.kind](order)


def _whole(order: Order) -> Delivery:
    return Delivery(response=order.response)


def _latency(order: Order) -> Delivery:
    return Delivery(response=order.response, delay=_seconds(order.fault, 1.0))


def _rate_limit(order: Order) -> Delivery:
    fault = order.fault
    waiting = _retry_after(fault)
    headers = {**({} if waiting is None else {fault.header: waiting}), **fault.headers}
    return Delivery(
        response=Response(
            status=fault.status or 429,
            body=("Retry later\n" if fault.body is None else fault.body).encode(),
            content_type=fault.content_type or TEXT,
            headers=headers,
        )
    )


def _retry_after(fault: Fault) -> str | None:
    """The header's value: as ordered, or worked out from `seconds` for the kinds that tell a point in time."""
    at = time.time() + _seconds(fault, 1.0)
    computed = {
        "http-date": lambda: formatdate(at, usegmt=True),
        "epoch": lambda: str(int(at)),
        "epoch-ms": lambda: str(int(at * 1000)),
    }
    given = fault.retry_after
    return computed[given]() if given in computed else given


def _server_error(order: Order) -> Delivery:
    return _page(order.fault, order.fault.status or 503)


def _wrong_content_type(order: Order) -> Delivery:
    return _page(order.fault, order.fault.status or 200)


def _page(fault: Fault, status: int) -> Delivery:
    page = ERROR_PAGE.format("We will be right back") if fault.body is None else fault.body
    return Delivery(
        response=Response(
            status=status, body=page.encode(), content_type=fault.content_type or HTML, headers=fault.headers
        )
    )


def _timeout(order: Order) -> Delivery:
    return Delivery(response=order.response, manner=Manner.SILENT, delay=_seconds(order.fault, FOREVER))


def _truncated(order: Order) -> Delivery:
    body = order.response.body
    cut = len(body) // 2 if order.fault.size is None else min(order.fault.size, len(body))
    if order.fault.honest_length:
        return Delivery(response=replace(order.response, body=body[:cut]))
    return Delivery(response=order.response, manner=Manner.PART, sent=cut)


def _reset(order: Order) -> Delivery:
    sent = len(order.response.body) // 2 if order.fault.halfway else None
    return Delivery(response=order.response, manner=Manner.RESET, sent=sent)


def _slow(order: Order) -> Delivery:
    return Delivery(
        response=order.response,
        manner=Manner.SLOW,
        sent=0 if order.fault.halfway else None,
        chunk=order.fault.size or 1,
        pause=_seconds(order.fault, 0.05),
    )


def _empty(order: Order) -> Delivery:
    return Delivery(response=replace(order.response, status=order.fault.status or 200, body=b""))


def _redirect_loop(order: Order) -> Delivery:
    location = order.fault.location or order.request.target
    status = order.fault.status or 302
    return Delivery(
        response=Response(status=status, content_type=HTML, headers={"Location": location, **order.fault.headers})
    )


def _poison(order: Order) -> Delivery:
    if order.response.status != 200:
        return Delivery(response=order.response)
    payload = json.loads(order.response.body)
    return Delivery(response=replace(order.response, body=encode(order.platform.poison(payload, order.fault.what))))


def _replace(order: Order) -> Delivery:
    fault = order.fault
    body = (fault.body or "").encode("utf-8", "surrogatepass")
    return Delivery(
        response=Response(
            status=fault.status or 200, body=body, content_type=fault.content_type or JSON, headers=fault.headers
        )
    )


def _gzip_bomb(order: Order) -> Delivery:
    headers = {**order.response.headers, "Content-Encoding": "gzip"}
    return Delivery(response=replace(order.response, body=_bomb(order.fault.size or 64 * 2**20), headers=headers))


@lru_cache(maxsize=2)
def _bomb(size: int) -> bytes:
    squeeze = zlib.compressobj(9, wbits=31)
    blanks = b" " * 2**20
    whole, rest = divmod(size, len(blanks))
    parts = [squeeze.compress(blanks) for _ in range(whole)]
    return b"".join((*parts, squeeze.compress(blanks[:rest]), squeeze.flush()))


def _flood(order: Order) -> Delivery:
    return Delivery(response=replace(order.response, body=b" " * (order.fault.size or 64 * 2**20)))


def _recode(order: Order) -> Delivery:
    return Delivery(response=replace(order.response, body=recoded(order.response.body, order.fault.what)))


def _seconds(fault: Fault, default: float) -> float:
    return default if fault.seconds is None else fault.seconds


_EFFECTS: dict[FaultKind, Callable[[Order], Delivery]] = {
    FaultKind.LATENCY: _latency,
    FaultKind.RATE_LIMIT: _rate_limit,
    FaultKind.SERVER_ERROR: _server_error,
    FaultKind.TIMEOUT: _timeout,
    FaultKind.TRUNCATED: _truncated,
    FaultKind.WRONG_CONTENT_TYPE: _wrong_content_type,
    FaultKind.RESET: _reset,
    FaultKind.SLOW: _slow,
    FaultKind.EMPTY: _empty,
    FaultKind.STALE: _whole,  # the older body is already in the answer, see World.exchange
    FaultKind.REDIRECT_LOOP: _redirect_loop,
    FaultKind.POISON: _poison,
    FaultKind.REWRITE: _whole,  # the answer is already one to the rewritten request
    FaultKind.REPLACE: _replace,
    FaultKind.GZIP_BOMB: _gzip_bomb,
    FaultKind.FLOOD: _flood,
    FaultKind.REPLAY: _whole,  # the answer is one of those before, see World.exchange
    FaultKind.RECODE: _recode,
}
