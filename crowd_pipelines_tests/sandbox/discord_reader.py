"""A reader of Discord that knows nothing of the sandbox but its API, and goes about it the long way."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from crowd_pipelines.sandbox.process import Sandbox
from crowd_pipelines_tests.sandbox.client import Answer, fetch

AGENT = "DiscordBot (https://bot.example, 1.0)"
SAID = (0, 19)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bot:
    """A bot in a guild."""

    api: str
    token: str
    guild: str

    @classmethod
    def of(cls, sandbox: Sandbox) -> "Bot":
        token = sandbox.credentials("discord")["token"]
        return cls(api=sandbox.api_url("discord"), token=token, guild=sandbox.settings("discord")["guild_id"])

    def get(self, path: str, /, **query: str | int) -> Answer:
        headers = {"User-Agent": AGENT, "Authorization": f"Bot {self.token}"}
        return fetch(f"{self.api}{path}?{urlencode(query)}", headers=headers)

    def channels(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.get(f"/guilds/{self.guild}/channels").json
        return found

    def threads(self) -> list[dict[str, Any]]:
        """Active and archived ones."""
        active = self.get(f"/guilds/{self.guild}/threads/active").json["threads"]
        hosts = [channel["id"] for channel in self.channels() if channel["type"] in (0, 5, 15)]
        archived = [thread for host in hosts for thread in self.archived(host)]
        joined = [thread for host in hosts for thread in self.joined(host)]
        return [*active, *archived, *joined]

    def archived(self, channel: str) -> Iterator[dict[str, Any]]:
        query: dict[str, Any] = {"limit": 3}
        while True:
            answer = self.get(f"/channels/{channel}/threads/archived/public", **query)
            if answer.status != 200:
                return
            yield from answer.json["threads"]
            if not answer.json["has_more"]:
                return
            query["before"] = answer.json["threads"][-1]["thread_metadata"]["archive_timestamp"]

    def joined(self, channel: str) -> list[dict[str, Any]]:
        """Archived private threads to which the bot was added; nobody has more than a page of them."""
        answer = self.get(f"/channels/{channel}/users/@me/threads/archived/private", limit=100)
        return answer.json["threads"] if answer.status == 200 else []

    def messages(self, channel: str) -> Iterator[dict[str, Any]]:
        """Backwards, by tens."""
        query: dict[str, Any] = {"limit": 10}
        while True:
            answer = self.get(f"/channels/{channel}/messages", **query)
            if answer.status != 200 or not answer.json:
                return
            yield from answer.json
            query["before"] = answer.json[-1]["id"]

    def members(self) -> Iterator[dict[str, Any]]:
        after = "0"
        while page := self.get(f"/guilds/{self.guild}/members", limit=50, after=after).json:
            yield from page
            after = page[-1]["user"]["id"]


def read_everything(bot: Bot) -> set[tuple[str, str]]:
    """Activities by type and id."""
    found = set()
    threads = bot.threads()
    forums = {channel["id"] for channel in bot.channels() if channel["type"] == 15}
    posts = {thread["id"] for thread in threads if thread["parent_id"] in forums}
    rooms = [channel["id"] for channel in bot.channels() if channel["type"] in (0, 2, 5, 13)]
    for room in [*rooms, *(thread["id"] for thread in threads)]:
        for message in bot.messages(room):
            if message["author"].get("bot") or "webhook_id" in message:
                continue
            if message["type"] in SAID:
                found.add(("thread_started" if message["id"] in posts else "message", message["id"]))
            elif message["type"] == 18:
                found.add(("thread_started", message["message_reference"]["channel_id"]))
    for member in bot.members():
        if member["joined_at"] and not (member["user"].get("bot") or member["pending"]):
            found.add(("joined_guild", f"{bot.guild}:{member['user']['id']}:{member['joined_at']}"))
    return found
