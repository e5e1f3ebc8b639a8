"""Canaries: secrets that are easily found again, and a provider that repeats whatever it is sent."""

import base64
import json
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from urllib.parse import quote, quote_plus

from crowd_pipelines_tests.http.scripted_server import Behaviour, Handler, ScriptedServer, answer, hang_up, redirect

STEM = "c4n4ry-of-ours"
"""What all of them begin with, so that one search finds any."""


def canary(name: str) -> str:
    """A value that looks like no token: only by itself can it be recognised. It is awkward in every encoding."""
    return f"{STEM}/{name}+0123456789=~"


def forms(secret: str) -> set[str]:
    """What to look for: the secret, escaped, quoted, in base 64 at any offset, backwards, and as bytes are shown."""
    encoded = secret.encode()
    found = {secret, json.dumps(secret)[1:-1], secret.replace("/", r"\/"), quote(secret), quote(secret, safe="")}
    found |= {quote_plus(secret), encoded.hex(), secret[::-1]}
    for offset in range(3):
        # Without the characters at both ends, which depend on what stands beside.
        whole = len(b"\0" * offset + encoded) // 3 * 4
        middle = base64.b64encode(b"\0" * offset + encoded).decode()[4 if offset else 0 : whole]
        found |= {middle, middle.replace("+", "-").replace("/", "_")}
    return found


def shown(secrets: Iterable[str], text: str) -> list[str]:
    """The secrets that a text shows, each with what gave it away."""
    return [f"{secret} as {form}" for secret in secrets for form in forms(secret) if form in text]


Manner = Callable[[str, str], Behaviour]
"""Gets what was sent as one text, and the path; returns what to answer."""


class Parrot(ScriptedServer):
    """Answers every request in its present manner, whatever the address."""

    manner: Manner = staticmethod(lambda heard, path: hang_up)

    def next_behaviour(self, path: str) -> Behaviour:
        def play(handler: Handler) -> None:
            body = self.seen[-1].body.decode("latin-1")
            # Credentials first: of an answer, messages keep the beginning.
            headers = sorted(handler.headers.items(), key=lambda header: STEM not in header[1])
            self.manner(f"{body} {dict(headers)} {handler.command} {handler.path}", path)(handler)

        return play


@contextmanager
def parrot() -> Iterator[Parrot]:
    server = Parrot()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.stopping.set()
        server.shutdown()
        thread.join()
        server.server_close()


def _problem(heard: str) -> dict[str, object]:
    """An error as any of the providers words it."""
    return {
        "ok": False,
        "error": heard,
        "error_description": heard,
        "message": heard,
        "code": 0,
        "title": heard,
        "detail": heard,
        "errors": [{"message": heard, "detail": heard, "title": heard, "type": heard}],
    }


def _records(heard: str) -> list[dict[str, object]]:
    """Records that no platform can use."""
    return [{"id": None, "ts": heard, "title": heard, "text": heard, "name": heard, "content": heard, "url": heard}]


def _asks_for_more(heard: str) -> bool:
    """Whether a list has to come to an end."""
    return re.search(r"[?&]page=(?!1&)", heard) is not None


def _refusing(status: int, **headers: str) -> Manner:
    return lambda heard, path: answer(
        status, _problem(heard), headers={"X-Request": quote(heard), "Link": f"<{quote(heard)}>; rel=next", **headers}
    )


MANNERS: dict[str, Manner] = {
    "200 with an error": _refusing(200),
    "400": _refusing(400),
    "401": _refusing(401),
    "403": _refusing(403),
    "404": _refusing(404),
    "429": _refusing(429, **{"Retry-After": "3600"}),
    "500": _refusing(500),
    "a page": lambda heard, _: answer(body=f"<html>{heard}</html>".encode(), content_type="text/html"),
    "no JSON": lambda heard, _: answer(body=f'{{"items": [{heard}'.encode()),
    "a redirect to itself": lambda heard, path: redirect(f"{path}?echo={quote(heard, safe='')}"),
    "a redirect elsewhere": lambda heard, _: redirect(f"http://other.test/?access_token={quote(heard, safe='')}"),
    "a list of poison": lambda heard, _: answer(payload=[] if _asks_for_more(heard) else _records(heard)),
    "an object of poison": lambda heard, _: answer(
        payload={"ok": True, **{key: _records(heard) for key in ("members", "channels", "messages", "data", "threads")}}
    ),
    "a grant": lambda heard, _: answer(payload={"token": [heard], "access_token": [heard], "expires_at": heard}),
    "a reset": lambda *_: hang_up,
}
