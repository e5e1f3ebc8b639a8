"""Integrations: connected once, patched key by key, due on the minute."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from crowd_pipelines.model.secrets import revealed
from crowd_pipelines.store import integrations
from crowd_pipelines.store.integrations import Limit
from crowd_pipelines.store.vault import Vault, new_key
from crowd_pipelines_tests.store.tenant import PLATFORM, Tenant

HOUR = timedelta(hours=1)


def test_connecting_again_changes_the_settings_and_keeps_the_integration(tenant: Tenant) -> None:
    with tenant.engine.begin() as conn:
        again = integrations.connect(conn, tenant_id=tenant.id, platform=PLATFORM, name="Town", settings={"a": 1})
        other = integrations.connect(conn, tenant_id=tenant.id, platform=PLATFORM, name="Village", settings={})
    assert (again.id, again.settings) == (tenant.integration_id, {"a": 1})
    assert other.id != again.id
    assert other.key.startswith("village-")


def test_a_patch_leaves_the_keys_of_others_alone(tenant: Tenant) -> None:
    tenant.execute("""UPDATE integrations SET settings = '{"a": 1, "b": 2}', state = '{"x": 1}'""")
    with tenant.engine.begin() as conn:
        integrations.patch(conn, tenant.integration_id, settings={"b": 3, "c": {"d": 4}}, state={})
    row = tenant.row("SELECT settings, state FROM integrations")
    assert row == {"settings": {"a": 1, "b": 3, "c": {"d": 4}}, "state": {"x": 1}}


def count(tenant: Tenant, records: int, limit: int = 10) -> datetime | None:
    with tenant.engine.begin() as conn:
        return integrations.count_records(
            conn, tenant.integration_id, records=records, limit=Limit(records=limit, window=HOUR)
        )


def test_the_limit_is_reached_when_as_many_records_came_in_one_window(tenant: Tenant) -> None:
    began = tenant.value("SELECT now()")
    assert count(tenant, 4) is None
    assert count(tenant, 5) is None
    ends = count(tenant, 1)
    assert ends is not None
    assert began + HOUR <= ends <= tenant.value("SELECT now()") + HOUR
    assert tenant.value("SELECT limit_count FROM integrations") == 10


def test_a_new_window_begins_when_the_old_one_has_ended(tenant: Tenant) -> None:
    assert count(tenant, 10) is not None
    tenant.execute("UPDATE integrations SET limit_last_reset_at = limit_last_reset_at - interval '61 min'")
    assert count(tenant, 4) is None
    row = tenant.row("SELECT limit_count, limit_last_reset_at > now() - interval '1 min' AS anew FROM integrations")
    assert row == {"limit_count": 4, "anew": True}


def resets_at(tenant: Tenant, limit: int = 10) -> datetime | None:
    with tenant.engine.begin() as conn:
        return integrations.limit_resets_at(conn, tenant.integration_id, Limit(records=limit, window=HOUR))


def test_a_reached_limit_is_known_before_anything_is_asked_and_forgotten_with_its_window(tenant: Tenant) -> None:
    assert resets_at(tenant) is None
    ends = count(tenant, 10)
    assert resets_at(tenant) == ends
    assert resets_at(tenant, limit=11) is None
    tenant.execute("UPDATE integrations SET limit_last_reset_at = limit_last_reset_at - interval '61 min'")
    assert resets_at(tenant) is None


def due(tenant: Tenant, now: datetime) -> list[UUID]:
    with tenant.engine.begin() as conn:
        return integrations.due_for_check(conn, PLATFORM, interval=timedelta(minutes=20), now=now)


@pytest.mark.parametrize(
    ("checked", "is_due"),
    [("12:00:00", True), ("12:00:59", True), ("12:01:00", False), ("12:19:00", False), ("11:00:00", True)],
)
def test_a_check_is_due_when_its_whole_minutes_have_passed(tenant: Tenant, checked: str, is_due: bool) -> None:
    tenant.execute("UPDATE integrations SET onboarded_at = now(), last_check_at = CAST(:at AS timestamptz)",
                   at=f"2024-05-01 {checked}Z")  # fmt: skip
    assert due(tenant, datetime(2024, 5, 1, 12, 20, tzinfo=UTC)) == ([tenant.integration_id] if is_due else [])


@pytest.mark.parametrize(
    "state", ["onboarded_at = NULL", "onboarded_at = now(), credentials_rejected_at = now()"]
)  # fmt: skip
def test_nothing_is_due_before_the_onboarding_or_with_refused_credentials(tenant: Tenant, state: str) -> None:
    tenant.execute(f"UPDATE integrations SET {state}")
    assert due(tenant, datetime.now(UTC)) == []


def test_nothing_is_due_while_a_run_is_open(tenant: Tenant) -> None:
    tenant.execute("UPDATE integrations SET onboarded_at = now()")
    assert due(tenant, datetime.now(UTC)) == [tenant.integration_id]
    tenant.run(onboarding=True)
    assert due(tenant, datetime.now(UTC)) == []


def test_new_credentials_may_be_tried_again(tenant: Tenant) -> None:
    vault = Vault(new_key())
    tenant.execute("UPDATE integrations SET onboarded_at = now()")
    with tenant.engine.begin() as conn:
        integrations.reject_credentials(conn, tenant.integration_id)
    assert due(tenant, datetime.now(UTC)) == []
    with tenant.engine.begin() as conn:
        integrations.set_credentials(conn, tenant.integration_id, vault.seal({"token": "new"}, tenant.integration_id))
        assert revealed(integrations.credentials(conn, tenant.integration_id, vault)) == {"token": "new"}
    assert due(tenant, datetime.now(UTC)) == [tenant.integration_id]


def test_credentials_are_in_their_own_column_and_not_to_be_read_there(tenant: Tenant) -> None:
    vault = Vault(new_key())
    with tenant.engine.begin() as conn:
        assert integrations.credentials(conn, tenant.integration_id, vault) == {}
        integrations.set_credentials(
            conn, tenant.integration_id, vault.seal({"token": "canary"}, tenant.integration_id)
        )
    row = tenant.row("SELECT * FROM integrations")
    assert b"canary" not in row["credentials"]
    assert "canary" not in repr(row)


def test_requests_for_an_onboarding_are_served_oldest_first_and_not_while_a_run_is_open(tenant: Tenant) -> None:
    other = Tenant.connect(tenant.engine, name="other")

    def requested() -> list[UUID]:
        with tenant.engine.begin() as conn:
            return [record.id for record in integrations.requested_onboardings(conn, limit=5)]

    for whose in (other, tenant):
        with tenant.engine.begin() as conn:
            integrations.request_onboarding(conn, [whose.integration_id])
    assert requested() == [other.integration_id, tenant.integration_id]
    other.run(onboarding=False)
    assert requested() == [tenant.integration_id]
