"""Whom Discord counts: the bot, in however many servers it is, and each channel for itself."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from crowd_pipelines.sandbox.process import Sandbox
from crowd_pipelines_tests.integrations.connected import Connected


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox.start(platforms=("discord",)) as running:
        yield running


def test_integrations_of_one_bot_share_its_budget_whoever_gives_the_token(
    sandbox: Sandbox, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Connected.to(sandbox, "discord", engine=engine, monkeypatch=monkeypatch)
    first.onboard()
    scopes = "SELECT DISTINCT split_part(key, ':', 2) AS bot FROM rate_budgets"
    own = first.rows(scopes)
    assert len(own) == 1
    with engine.begin() as conn:
        conn.exec_driver_sql("UPDATE integrations SET credentials = NULL")
    monkeypatch.setenv("CROWD_DISCORD_TOKEN", sandbox.credentials("discord")["token"])
    first.check()
    assert first.rows(scopes) == own
    lanes = {row["lane"] for row in first.rows("SELECT split_part(key, ':', 3) AS lane FROM rate_budgets")}
    families = {lane.partition("/")[0].partition("#")[0] for lane in lanes}
    assert families == {"global", "guild", "messages", "members", "threads", "application"}
    assert sandbox.credentials("discord")["token"] not in str(lanes)
