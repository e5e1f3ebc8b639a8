"""Whom Discord counts: the bot, in however many servers it is, and each channel for itself."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import Engine

from crowd_pipelines.sandbox.process import Sandbox
from crowd_pipelines.store import integrations
from crowd_pipelines_tests.integrations.connected import Connected


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox.start(platforms=("discord",)) as running:
        yield running


def test_integrations_of_one_bot_share_its_budget_whoever_gives_the_token(
    sandbox: Sandbox, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Connected.to(sandbox, "discord", engine=engine, monkeypatch=monkeypatch)
    monkeypatch.setenv("CROWD_DISCORD_TOKEN", sandbox.credentials("discord")["token"])
    with engine.begin() as conn:
        record = integrations.connect(
            conn,
            tenant_id=integrations.ensure_tenant(conn, "another"),
            platform="discord",
            name="Without a token of its own",
            settings=sandbox.settings("discord"),
        )
    second = replace(first, record=record)
    bots = []
    for connected in (first, second):
        connected.onboard()
        bots.append(first.rows("SELECT DISTINCT split_part(key, ':', 2) AS bot FROM rate_budgets"))
    assert len(bots[0]) == 1
    assert bots[0] == bots[1]
    lanes = {row["lane"] for row in first.rows("SELECT split_part(key, ':', 3) AS lane FROM rate_budgets")}
    families = {lane.partition("/")[0].partition("#")[0] for lane in lanes}
    assert families == {"global", "guild", "messages", "members", "threads", "application"}
    assert sandbox.credentials("discord")["token"] not in str(lanes)
