"""Every platform connected and read with commands, as its page in docs/how-to says."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from crowd_pipelines.integrations import registry
from crowd_pipelines_tests.cli.conftest import Desk
from crowd_pipelines_tests.cli.test_commands import refusal, run

EVERYTHING = sorted(registry())


def variables(desk: Desk) -> Mapping[str, str]:
    """The environment of an installation whose providers are the simulated ones."""
    found: dict[str, str] = {}
    for platform in EVERYTHING:
        found |= {
            f"CROWD_{platform.upper()}_API_URL": desk.sandbox.api_url(platform),
            f"CROWD_{platform.upper()}_REQUESTS_PER_SECOND": "1000",
            f"{platform.upper()}_CREDENTIALS": json.dumps(desk.sandbox.credentials(platform)),
            **desk.sandbox.environment(platform),
        }
    return found


def connect(desk: Desk, platform: str, *more: str, tenant: str) -> Any:
    credentials = desk.sandbox.credentials(platform)
    given = ("--credentials", f"env:{platform.upper()}_CREDENTIALS") if credentials else ()
    settings = json.dumps(desk.sandbox.settings(platform))
    wanted = ("--name", f"our {platform}", "--tenant", tenant, "--settings", settings)
    return run(desk, "connect", platform, *wanted, *given, *more, changes=variables(desk))


def test_every_platform_is_connected_and_onboarded(desk: Desk) -> None:
    for platform in EVERYTHING:
        done = connect(desk, platform, "--json", tenant="commands")
        assert done.returncode == 0, done.stderr
        integration_id = json.loads(done.stdout)["id"]
        read = run(desk, "process-integration", "-o", "-i", integration_id, changes=variables(desk))
        assert read.returncode == 0, read.stderr
        assert "processed" in read.stdout
    listed = json.loads(run(desk, "integrations", "--json", changes=variables(desk)).stdout)
    ours = [one for one in listed if one["name"].startswith("our ")]
    assert {one["platform"] for one in ours} == set(EVERYTHING)
    assert {one["status"] for one in ours} == {"done"}
    silent = {one["platform"] for one in ours if not one["activities"]}
    assert silent == {name for name, platform in registry().items() if not platform.activity_types}


def test_whoever_borrows_credentials_is_told_what_to_connect_first(desk: Desk) -> None:
    told = refusal(connect(desk, "twitter_reach", tenant="nobody else"))
    assert "connect it first: crowd-pipelines connect twitter" in told


def test_credentials_of_ones_own_are_refused_where_they_are_borrowed(desk: Desk) -> None:
    told = refusal(connect(desk, "twitter_reach", "--credentials", '{"access_token": "canary"}', tenant="commands"))
    assert "leave out --credentials" in told
    assert "canary" not in told


@pytest.mark.parametrize("platform", [name for name in EVERYTHING if name not in ("devto", "twitter_reach")])
def test_credentials_that_the_provider_refuses_are_not_stored(desk: Desk, platform: str) -> None:
    wrong = {
        "discord": {"token": "canary"},
        "github": {"token": "canary"},
        "slack": {"token": "xoxb-canary"},
        "twitter": {"access_token": "canary", "refresh_token": "canary"},
    }[platform]
    settings = json.dumps(desk.sandbox.settings(platform))
    wanted = ("--name", "refused", "--settings", settings, "--credentials", json.dumps(wrong))
    told = refusal(run(desk, "connect", platform, *wanted, changes=variables(desk)))
    assert "canary" not in told
    assert desk.database.rows("SELECT FROM integrations WHERE name = 'refused'") == []


def test_tokens_that_a_failed_attempt_used_up_are_said_to_be_so(desk: Desk) -> None:
    given = {**desk.sandbox.credentials("twitter"), "expires_at": "2020-01-01T00:00:00Z"}
    wanted = ("--name", "refused", "--settings", '{"user_id": "1"}', "--credentials", json.dumps(given))
    told = refusal(run(desk, "connect", "twitter", *wanted, changes=variables(desk)))
    assert "were renewed by this attempt: get new ones" in told
    assert given["refresh_token"] not in told
