"""What can go wrong on the way of an answer, and how far that may go."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from crowd_pipelines_tests.faults.ground import MOST_ATTEMPTS

IN_PLACE = 3
"""How often a request is sent before its stream has failed once."""

PASSING = MOST_ATTEMPTS * IN_PLACE
"""Requests of one stream for what time may heal, until it is given up."""

HOPELESS = MOST_ATTEMPTS
"""The same for answers that repeating does not improve."""

SMALLER_QUERIES = 7
"""Sizes in which GitHub is asked at most."""

NOT_JSON = r"instead of JSON"
MALFORMED = r"malformed or breaks off"
NO_ANSWER = r"was not complete in time"
BROKE_OFF = r"the connection broke off"
UNPACKABLE = r"could not be decompressed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """A fault that strikes all requests of a stream; what its error says, and how many requests that may take.

    Without `told` it does no harm: the truth is stored at once. `lasting` troubles are there until the stream is given
    up, the others, which take time, until it has failed once. `permanent` ones no time heals. `instead` and
    `more_requests` are for platforms that know better than to ask the same again.
    """

    name: str
    fault: Mapping[str, Any]
    told: str | None = None
    requests: int = PASSING
    lasting: bool = True
    permanent: bool = False
    place: str = "one"
    instead: Mapping[str, str] = field(default_factory=dict)
    more_requests: Mapping[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name

    def most_requests(self, platform: str) -> int:
        requests = self.more_requests.get(platform, self.requests)
        return requests if self.lasting else requests // MOST_ATTEMPTS

    def words(self, platform: str) -> str | None:
        return self.instead.get(platform, self.told)


def _server_error(status: int) -> Trouble:
    # GitHub says so of queries that take too long: smaller ones are tried, half the size each time.
    smaller = {"github": MOST_ATTEMPTS * SMALLER_QUERIES} if status in (502, 504) else {}
    fault = {"kind": "server_error", "status": status}
    return Trouble(name=f"{status}", fault=fault, told=rf"answered {status}", more_requests=smaller)


def _body(name: str, body: str, told: str, **fault: Any) -> Trouble:
    return Trouble(name=name, fault={"kind": "replace", "body": body, **fault}, told=told)


def _encoded(encoding: str) -> Trouble:
    headers = {"Content-Encoding": encoding}
    return _body(f"{encoding} that is none", "this is not compressed", UNPACKABLE, headers=headers)


def _slow(name: str, **how: Any) -> Trouble:
    return Trouble(name=name, fault={"kind": "slow", "seconds": 0.1, **how}, told=NO_ANSWER, lasting=False)


def _bomb(name: str, **what: Any) -> Trouble:
    return Trouble(
        name=name, fault=what, told=r"more than [0-9,]+ bytes", requests=HOPELESS, lasting=False, permanent=True
    )


def _redirect(name: str, location: str | None, told: str, *, status: int = 302, **more: Any) -> Trouble:
    fault = {"kind": "redirect_loop", "location": location, "status": status}
    return Trouble(name=f"redirect {name}", fault=fault, told=told, permanent=True, **{"requests": HOPELESS, **more})


def _recoded(what: str, told: str | None = None, *, requests: int = PASSING) -> Trouble:
    return Trouble(name=what, fault={"kind": "recode", "what": what}, told=told, requests=requests)


SERVER_ERRORS: Sequence[Trouble] = [_server_error(status) for status in (500, 502, 503, 504, 521)]

BROKEN: Sequence[Trouble] = [
    Trouble(name="reset before the answer", fault={"kind": "reset"}, told=BROKE_OFF),
    Trouble(name="reset halfway", fault={"kind": "reset", "halfway": True}, told=BROKE_OFF),
    Trouble(name="black hole", fault={"kind": "timeout"}, told=NO_ANSWER, lasting=False),
    _slow("slow headers"),
    _slow("a byte at a time", halfway=True),
    Trouble(name="truncated", fault={"kind": "truncated"}, told=BROKE_OFF),
    Trouble(name="truncated with an honest length", fault={"kind": "truncated", "honest_length": True}, told=MALFORMED),
    Trouble(name="no body", fault={"kind": "empty"}, told="an empty body"),
    Trouble(name="204", fault={"kind": "empty", "status": 204}, told="an empty body"),
    _body("chunked nonsense", "zz\r\nnonsense\r\n", BROKE_OFF, headers={"Transfer-Encoding": "chunked"}),
]

WRONG: Sequence[Trouble] = [
    Trouble(name="HTML with 200", fault={"kind": "wrong_content_type"}, told=NOT_JSON),
    _body("HTML that says it is JSON", "<!DOCTYPE html><p>Sorry", MALFORMED),
    _body("JSON that says it is text", '{"ok": true}', NOT_JSON, content_type="text/plain"),
    _encoded("deflate"), _encoded("gzip"),
    _body("brotli nobody asked for", "this is not compressed", MALFORMED, headers={"Content-Encoding": "br"}),
    _recoded("invalid utf-8", MALFORMED),
    _recoded("deep"),
    _recoded("number of 10,000 digits"),
    _recoded("utf-16"), _recoded("byte order mark"), _recoded("duplicate keys"),
    _recoded("nan"), _recoded("numbers beyond 64 bits"),
]  # fmt: skip

REDIRECTS: Sequence[Trouble] = [
    _redirect(
        "to itself",
        None,
        "was redirected more than 5 times",
        requests=6 * HOPELESS,
        instead={"github": "which drops what it asks"},
    ),
    _redirect("to itself, with 308", None, "was redirected more than 5 times", requests=6 * HOPELESS, status=308),
    _redirect("to another host", "https://elsewhere.invalid/", "credentials are only sent to the host they are for"),
    _redirect("to another port", "http://127.0.0.1:9/", "credentials are only sent to the host they are for"),
    _redirect("to a file", "file:///etc/passwd", "credentials are only sent to the host they are for"),
]

BOMBS: Sequence[Trouble] = [
    _bomb("gzip bomb of 1 GB", kind="gzip_bomb", size=2**30),
    _bomb("100 MB", kind="flood", size=100_000_000),
]

ALL: Sequence[Trouble] = [*SERVER_ERRORS, *BROKEN, *WRONG, *REDIRECTS, *BOMBS]
