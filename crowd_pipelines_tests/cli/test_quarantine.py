"""`quarantine`, as an operator uses it."""

import json
from typing import Any

import pytest

from crowd_pipelines.cli.console import printable
from crowd_pipelines_tests.cli.conftest import Desk
from crowd_pipelines_tests.cli.test_commands import connected, refusal, run

NOBODY = "0193a5b2-7c1e-7d64-9c0f-2f6d0a4b8e11"


def listed(desk: Desk, integration: str, *more: str) -> list[dict[str, Any]]:
    done = run(desk, "quarantine", "list", "-i", integration, "--json", *more)
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def integration(desk: Desk) -> str:
    """Onboarded while two comments could not be used."""
    place = connected(desk)
    desk.sandbox.fault("devto", "poison", path="/comments", times=2, what="no_user")
    done = run(desk, "process-integration", "-o", "-i", place)
    assert done.returncode == 0, done.stderr
    assert desk.sandbox.clear_faults()[0]["fired"] == 2
    return place


def test_records_are_listed_by_reason_and_each(desk: Desk, integration: str) -> None:
    [group] = listed(desk, integration)
    assert (group["records"], group["stream_name"], group["platform"]) == (2, "comments", "devto")
    one, other = listed(desk, integration, "--each")
    assert {one["seen"], other["seen"]} == {1}
    assert group["example"] in {one["id"], other["id"]}
    assert listed(desk, integration, "--reason", "USER: field") == [group]
    assert listed(desk, integration, "--reason", "nothing like it") == []
    table = run(desk, "quarantine", "list", "-i", integration, "--each")
    # Narrow columns fold their words.
    assert one["id"] in table.stdout
    assert set(one["stream_label"].split()) <= set(table.stdout.split())


def test_a_record_is_shown_without_secrets_and_without_steering_the_terminal(desk: Desk, integration: str) -> None:
    record = listed(desk, integration, "--each")[0]["id"]
    desk.database.execute(
        "UPDATE quarantined_records SET payload = payload || %(more)s::jsonb WHERE id = %(id)s::uuid",
        id=record,
        more=json.dumps({"evil": "\x1b[2J\u202e\x07", "token": "s3cret-value", "name": "Zoë"}),
    )
    done = run(desk, "quarantine", "show", record)
    assert done.returncode == 0
    assert '"name": "Zoë"' in done.stdout
    assert "comments of article" in done.stdout
    as_json = run(desk, "quarantine", "show", record, "--json")
    assert json.loads(as_json.stdout)["payload"]["token"] == "***"
    for output in (done.stdout, as_json.stdout):
        assert "s3cret-value" not in output
        assert output == printable(output)


def test_what_fits_nothing_is_said(desk: Desk, integration: str) -> None:
    assert f"no record {NOBODY}" in refusal(run(desk, "quarantine", "show", NOBODY))
    assert "no record in quarantine fits" in refusal(run(desk, "quarantine", "retry", NOBODY))
    assert "say which records" in refusal(run(desk, "quarantine", "retry", "--later"))
    assert "say which records" in refusal(run(desk, "quarantine", "drop", "--all", "-p", "devto"))


def test_records_are_read_again_and_dropped(desk: Desk, integration: str) -> None:
    one, other = (record["id"] for record in listed(desk, integration, "--each"))
    done = run(desk, "quarantine", "retry", one, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"asked": 1, "usable": 1, "kept": [], "later": []}
    assert [record["id"] for record in listed(desk, integration, "--each")] == [other]
    assert run(desk, "quarantine", "drop", other, given="n\n").returncode == 1
    assert len(listed(desk, integration)) == 1
    assert run(desk, "quarantine", "drop", other, "--yes").returncode == 0
    assert listed(desk, integration) == []


def test_a_record_that_is_still_not_usable_is_told_with_the_reason(desk: Desk, integration: str) -> None:
    place = connected(desk)
    desk.sandbox.fault("devto", "poison", path="/comments", times=1, what="no_user")
    run(desk, "process-integration", "-o", "-i", place)
    desk.sandbox.clear_faults()
    [record] = listed(desk, place, "--each")
    desk.sandbox.fault("devto", "poison", path="/comments", what="no_user")
    done = run(desk, "quarantine", "retry", "-i", place)
    desk.sandbox.clear_faults()
    assert done.returncode == 1
    assert "0 of 1 records could be used" in done.stderr
    assert record["id"] in done.stdout
    later = run(desk, "quarantine", "retry", "-i", place, "--later")
    assert (later.returncode, later.stdout) == (0, "")
    assert later.stderr.endswith("its next check reads them again\n")
    assert "could be used" not in later.stderr
