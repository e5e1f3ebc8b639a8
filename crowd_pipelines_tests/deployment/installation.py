"""An installation as people run it: `crowd-pipelines up` in processes of its own, seen over its API and its tables."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.request import ProxyHandler, Request, build_opener

import psycopg
from psycopg.rows import dict_row
from sqlalchemy import make_url

from crowd_pipelines.sandbox.process import Sandbox
from crowd_pipelines.stack.processes import Service, answers, free_port
from crowd_pipelines.store.vault import new_key

T = TypeVar("T")
Row = dict[str, Any]

CHECKOUT = Path(__file__).parent.parent.parent
COMMAND = str(Path(sys.executable).with_name("crowd-pipelines"))
LOOKS = 2400
"""So many looks, a twentieth of a second apart, before something that never comes is given up."""

_DIRECT = build_opener(ProxyHandler({}))


def eventually(look: Callable[[], T | None], what: str) -> T:
    """What a look finds as soon as it finds something."""
    for _ in range(LOOKS):
        if found := look():
            return found
        time.sleep(0.05)
    raise AssertionError(f"never seen: {what}")


@dataclass(frozen=True, slots=True, kw_only=True)
class DagsterRun:
    """A Dagster run as the UI's API shows it."""

    id: str
    status: str
    tags: Mapping[str, str]

    @property
    def over(self) -> bool:
        return self.status in {"SUCCESS", "FAILURE", "CANCELED"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A running installation with its simulated provider."""

    url: str
    home: Path
    environment: Mapping[str, str]
    sandbox: Sandbox

    # --- what a person does ---

    def command(self, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [COMMAND, *arguments], env=dict(self.environment), input=given, capture_output=True, text=True, check=False
        )

    def connect(self, tenant: str, *, name: str = "Town", onboarding: bool = True, credentials: Row | None = None) -> str:
        """The id of a new integration that reads all of the simulated community."""
        arguments = ["connect", "devto", "--name", name, "--tenant", tenant, "--json"]
        arguments += ["--settings", json.dumps(self.sandbox.settings("devto")), "--credentials", "-"]
        done = self.command(*arguments, *([] if onboarding else ["--no-onboarding"]), given=json.dumps(credentials or {}))
        assert done.returncode == 0, done.stderr
        return str(json.loads(done.stdout)["id"])

    def graphql(self, query: str, **variables: Any) -> Any:
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = Request(f"{self.url}/graphql", data=body, headers={"Content-Type": "application/json"})
        with _DIRECT.open(request) as response:
            answer = json.load(response)
        assert "errors" not in answer, answer
        return answer["data"]
