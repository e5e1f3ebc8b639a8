"""Discord's API client against a server that answers as it is told."""

import json
from collections.abc import Mapping
from typing import Any

from crowd_pipelines.framework.clients import PacedConnector
from crowd_pipelines.framework.credentials import GivenCredentials
from crowd_pipelines.http import LocalPacer, RateLimited
from crowd_pipelines.integrations.discord.api import DiscordApi
from crowd_pipelines.integrations.discord.integration import DiscordIntegration
from crowd_pipelines.integrations.discord.settings import DiscordCredentials
from crowd_pipelines.model.secrets import Secret
from crowd_pipelines_tests.http.scripted_server import ScriptedServer, answer

TOKEN = "fake-token-for-tests"
CHANNEL = "/channels/900/messages"
SPENT = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset-After": "0.5"}


class Refusing:
    """A client with its server and its budgets."""

    def __init__(self, server: ScriptedServer) -> None:
        self.server = server
        self.pacer = LocalPacer()
        connector = PacedConnector(
            base_url=server.url,
            credentials=GivenCredentials(given={}),
            pacer_of=lambda *_: self.pacer,
            sleep=lambda _: None,
            max_connections=1,
        )
        credentials = DiscordCredentials(token=Secret(TOKEN))
        self.api: DiscordApi = DiscordIntegration().connect(connector, credentials)

    def refuses(self, status: int, body: Any, headers: Mapping[str, str] | None = None, *, path: str = CHANNEL) -> None:
        text = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        kind = "text/html" if isinstance(body, str) else "application/json"
        self.server.plays(path, answer(status, body=text, headers=headers, content_type=kind))

    def is_open(self, bucket: str) -> bool:
        try:
            return self.pacer.reserve(bucket) == 0
        except RateLimited:
            return False
