"""The key changes while tokens are renewed: nothing is lost, whoever comes first, and it can be stopped anywhere."""

import threading
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import pytest

from crowd_pipelines.framework.credentials import StoredCredentials
from crowd_pipelines.model.secrets import revealed
from crowd_pipelines.store import integrations, rotation
from crowd_pipelines.store.rotation import Rotation, rotate
from crowd_pipelines.store.vault import Vault, VaultError, new_key
from crowd_pipelines_tests.store.tenant import Tenant

OLD, NEW, LOST = new_key(), new_key(), new_key()
OLD_ID, NEW_ID, LOST_ID = (Vault(key).current for key in (OLD, NEW, LOST))


@pytest.fixture
def both() -> Vault:
    return Vault(f"{NEW},{OLD}")


def sealed(tenant: Tenant, name: str, credentials: Mapping[str, Any], key: str = OLD) -> UUID:
    with tenant.engine.begin() as conn:
        record = integrations.connect(conn, tenant_id=tenant.id, platform="city", name=name, settings={})
        integrations.set_credentials(conn, record.id, Vault(key).seal(credentials, record.id))
    return record.id


def opened(tenant: Tenant, integration_id: UUID, key: str) -> dict[str, Any]:
    with tenant.engine.begin() as conn:
        return dict(revealed(integrations.credentials(conn, integration_id, Vault(key))))


def standing(tenant: Tenant) -> dict[str, int]:
    with tenant.engine.begin() as conn:
        return integrations.sealed_by(conn)


def renewing(tenant: Tenant, integration_id: UUID, vault: Vault) -> StoredCredentials:
    return StoredCredentials(engine=tenant.engine, vault=vault, integration_id=integration_id, from_environment={})


def test_all_are_sealed_anew_and_hold_what_they_held(
    tenant: Tenant, both: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotation, "_AT_ONCE", 2)
    ids = [sealed(tenant, str(number), {"token": f"t{number}"}) for number in range(5)]
    seen: list[int] = []
    done = rotate(tenant.engine, both, progress=lambda so_far: seen.append(so_far.resealed))
    assert (done.resealed, done.failed, standing(tenant)) == (5, {}, {NEW_ID: 5})
    assert [opened(tenant, id_, NEW) for id_ in ids] == [{"token": f"t{number}"} for number in range(5)]
    assert seen == [1, 2, 3, 4, 5]


def test_a_second_time_there_is_nothing_to_do(tenant: Tenant, both: Vault) -> None:
    sealed(tenant, "one", {"token": "t"})
    rotate(tenant.engine, both)
    before = tenant.versions("integrations")
    assert rotate(tenant.engine, both) == Rotation()
    assert tenant.versions("integrations") == before


def test_it_can_be_stopped_and_goes_on_where_it_was(tenant: Tenant, both: Vault) -> None:
    for number in range(3):
        sealed(tenant, str(number), {"token": "t"})

    def stop(so_far: Rotation) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rotate(tenant.engine, both, progress=stop)
    assert standing(tenant) == {OLD_ID: 2, NEW_ID: 1}
    assert rotate(tenant.engine, both).resealed == 2
    assert standing(tenant) == {NEW_ID: 3}


def test_what_cannot_be_opened_is_told_and_stays_and_holds_up_nobody(tenant: Tenant, both: Vault) -> None:
    lost = sealed(tenant, "lost", {"token": "t"}, LOST)
    spoilt = sealed(tenant, "spoilt", {"token": "t"})
    good = sealed(tenant, "good", {"token": "t"})
    tenant.execute("UPDATE integrations SET credentials = set_byte(credentials, 5, 0) WHERE name = 'spoilt'")
    tenant.execute("UPDATE integrations SET credentials = set_byte(credentials, 6, 0) WHERE name = 'spoilt'")
    done = rotate(tenant.engine, both)
    assert done.failed.keys() == {lost, spoilt}
    assert LOST_ID in done.failed[lost]
    assert standing(tenant) == {LOST_ID: 1, OLD_ID: 1, NEW_ID: 1}
    assert opened(tenant, good, NEW) == {"token": "t"}


def test_a_token_renewed_meanwhile_is_the_one_that_is_sealed(tenant: Tenant, both: Vault) -> None:
    """A worker that has only the old key renews; the rotation comes while it waits for the provider."""
    integration_id, other = sealed(tenant, "renewed", {"refresh": "r1"}), sealed(tenant, "other", {"refresh": "o"})
    asked, answered, other_done = threading.Event(), threading.Event(), threading.Event()

    def exchange(_: Mapping[str, Any]) -> Mapping[str, Any]:
        asked.set()
        assert answered.wait(60)
        return {"refresh": "r2"}

    def seen(so_far: Rotation) -> None:
        if so_far.resealed:
            other_done.set()

    worker = threading.Thread(target=renewing(tenant, integration_id, Vault(OLD)).renew, args=(exchange,))
    rotating = threading.Thread(target=rotate, args=(tenant.engine, both), kwargs={"progress": seen})
    worker.start()
    assert asked.wait(60)
    rotating.start()
    try:
        # The slow renewal holds up no other row.
        assert other_done.wait(30)
        assert opened(tenant, other, NEW) == {"refresh": "o"}
        waits_for_the_row(tenant)
    finally:
        answered.set()
        worker.join()
        rotating.join()
    assert opened(tenant, integration_id, NEW) == {"refresh": "r2"}
    assert standing(tenant) == {NEW_ID: 2}


def waits_for_the_row(tenant: Tenant) -> None:
    """Return when somebody waits for a lock."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    for _ in range(2000):
        if tenant.value(waiting):
            return
        threading.Event().wait(0.01)
    raise AssertionError("nobody waits")


@pytest.mark.parametrize("first", ["renewals", "rotation"])
def test_many_renewals_and_the_rotation_lose_no_token(tenant: Tenant, both: Vault, first: str) -> None:
    """Refresh tokens serve once: each renewal must see what the one before stored."""
    ids = [sealed(tenant, str(number), {"refresh": "0"}) for number in range(6)]
    used: dict[UUID, list[str]] = {id_: [] for id_ in ids}

    def renew(integration_id: UUID) -> None:
        def exchange(known: Mapping[str, Any]) -> Mapping[str, Any]:
            used[integration_id].append(revealed(known["refresh"]))
            return {"refresh": str(int(revealed(known["refresh"])) + 1)}

        for _ in range(5):
            renewing(tenant, integration_id, both).renew(exchange)

    threads = [threading.Thread(target=renew, args=(id_,)) for id_ in ids]
    rotating = threading.Thread(target=rotate, args=(tenant.engine, both))
    order = [*threads, rotating] if first == "renewals" else [rotating, *threads]
    for thread in order:
        thread.start()
    for thread in order:
        thread.join()
    assert all(numbers == ["0", "1", "2", "3", "4"] for numbers in used.values())
    assert [opened(tenant, id_, NEW) for id_ in ids] == [{"refresh": "5"}] * 6


def test_a_worker_that_has_only_the_old_key_cannot_spoil_what_was_sealed_anew(tenant: Tenant, both: Vault) -> None:
    integration_id = sealed(tenant, "one", {"refresh": "r1"})
    rotate(tenant.engine, both)
    called: list[object] = []
    with pytest.raises(VaultError, match=NEW_ID):
        renewing(tenant, integration_id, Vault(OLD)).renew(called.append)
    assert called == []
    assert opened(tenant, integration_id, NEW) == {"refresh": "r1"}
