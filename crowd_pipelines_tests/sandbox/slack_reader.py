"""A reader of Slack that knows nothing of the sandbox but its API."""

from collections.abc import Iterator
from typing import Any

from crowd_pipelines_tests.sandbox.client import Answer, fetch

TOKEN = "xoxb-sandbox-token-of-nobody"
HEADERS = {"Authorization": f"Bearer {TOKEN}", "User-Agent": "sandbox-tests"}


def call(api: str, method: str, **query: Any) -> Any:
    return answer(api, method, **query).json


def answer(api: str, method: str, **query: Any) -> Answer:
    return fetch(f"{api}/{method}", headers=HEADERS, **query)


def pages(api: str, method: str, key: str, *, limit: int = 999, **query: Any) -> Iterator[list[Any]]:
    """Every page, to the last cursor."""
    cursor: dict[str, str] = {}
    while True:
        body = call(api, method, limit=limit, **query, **cursor)
        assert body["ok"], body
        yield body[key]
        if not body["response_metadata"]["next_cursor"]:
            return
        cursor = {"cursor": body["response_metadata"]["next_cursor"]}


def everything(api: str, method: str, key: str, *, limit: int = 999, **query: Any) -> list[Any]:
    return [item for page in pages(api, method, key, limit=limit, **query) for item in page]


def channels(api: str) -> list[dict[str, Any]]:
    listed = everything(
        api, "conversations.list", "channels", types="public_channel,private_channel", exclude_archived="false"
    )
    return [channel for channel in listed if channel["is_member"]]


def read_everything(api: str, *, limit: int = 7) -> dict[str, dict[str, Any]]:
    """Every message of every channel and thread, by `channel:ts`."""
    found: dict[str, dict[str, Any]] = {}
    for channel in (one["id"] for one in channels(api)):
        history = everything(api, "conversations.history", "messages", limit=limit, channel=channel)
        heads = [message["ts"] for message in history if message.get("reply_count")]
        threads = [
            message
            for ts in heads
            for message in everything(api, "conversations.replies", "messages", limit=limit, channel=channel, ts=ts)
        ]
        found |= {f"{channel}:{message['ts']}": message for message in (*history, *threads)}
    return found
