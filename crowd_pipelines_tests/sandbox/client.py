"""A small HTTP client, and a reader of DEV that knows nothing of the sandbox but its API."""

import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlencode, urlsplit

HEADERS = {"User-Agent": "sandbox-tests", "Accept": "application/vnd.forem.api-v1+json"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def fetch(address: str, /, *, method: str = "GET", headers: dict[str, str] | None = None, **query: str | int) -> Answer:
    """One request on a connection of its own; redirects are not followed."""
    where = urlsplit(address + ("?" + urlencode(query) if query else ""))
    connection = HTTPConnection(where.netloc, timeout=20)
    try:
        connection.request(
            method, where._replace(scheme="", netloc="").geturl(), headers=HEADERS if headers is None else headers
        )
        response = connection.getresponse()
        return Answer(
            status=response.status,
            headers={name.lower(): value for name, value in response.getheaders()},
            body=response.read(),
        )
    finally:
        connection.close()


def raw(url: str, request: bytes) -> bytes:
    """Sends bytes, returns what comes back until the server closes."""
    where = urlsplit(url)
    received = b""
    with socket.create_connection((where.hostname or "", where.port or 0), timeout=20) as connection:
        connection.sendall(request)
        while part := connection.recv(65_536):
            received += part
    return received


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the reader saw: activities as (type, source id) -> (parent, timestamp, member, body), and the members."""

    activities: dict[tuple[str, str], tuple[str | None, str, str, str | None]]
    members: dict[str, str]


def read_everything(api: str, settings: dict[str, Any]) -> Seen:
    seen = Seen(activities={}, members={})
    articles = {article["id"]: article for article in _listed(api, settings)}
    for article in articles.values():
        _note(seen, article["user"])
        seen.activities["article", str(article["id"])] = _fields(None, article, article["published_at"])
        answer = fetch(f"{api}/comments", a_id=article["id"])
        if answer.status == 200:
            _walk(seen, answer.json, str(article["id"]))
    return seen


def _listed(api: str, settings: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for name in settings["organizations"]:
        yield from _pages(f"{api}/organizations/{name}/articles?")
    for name in settings["users"]:
        yield from _pages(f"{api}/articles?username={name}&")


def _pages(address: str) -> Iterator[dict[str, Any]]:
    page = 1
    while items := fetch(f"{address}page={page}&per_page=7").json:
        yield from items
        page += 1


def _walk(seen: Seen, comments: list[dict[str, Any]], parent: str) -> None:
    for comment in comments:
        if comment["user"]:
            _note(seen, comment["user"])
            fields = _fields(parent, comment, comment["created_at"])
            seen.activities["comment", comment["id_code"]] = fields
        # What was deleted or hidden is nothing that could be answered.
        _walk(seen, comment["children"], comment["id_code"] if comment["user"] else parent)


def _note(seen: Seen, user: dict[str, Any]) -> None:
    seen.members[str(user["user_id"])] = user["username"]


def _fields(parent: str | None, item: dict[str, Any], timestamp: str) -> tuple[str | None, str, str, str | None]:
    return parent, timestamp, str(item["user"]["user_id"]), item.get("body_html")
