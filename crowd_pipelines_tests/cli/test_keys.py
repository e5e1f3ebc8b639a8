"""`keys`: what seals how many, changing it while rows are there, and what an embedded installation does by itself."""

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine

from crowd_pipelines.model.secrets import revealed
from crowd_pipelines.stack.keyfile import KeyFile
from crowd_pipelines.store import database, integrations
from crowd_pipelines.store.vault import Vault, new_key
from crowd_pipelines_tests.cli.conftest import Desk
from crowd_pipelines_tests.deployment.installation import run_command

OLD, NEW, LOST = new_key(), new_key(), new_key()
OLD_ID, NEW_ID, LOST_ID = (Vault(key).current for key in (OLD, NEW, LOST))


@pytest.fixture
def engine(desk: Desk) -> Iterator[Engine]:
    """The commands' database, with nobody else's credentials in it."""
    engine = database.create(desk.database.url)
    desk.database.execute("UPDATE integrations SET credentials = NULL, credentials_key_id = NULL")
    yield engine
    desk.database.execute("DELETE FROM tenants WHERE name = 'keys'")
    engine.dispose()


def sealed(engine: Engine, name: str, key: str) -> UUID:
    with engine.begin() as conn:
        tenant_id = integrations.ensure_tenant(conn, "keys")
        record = integrations.connect(conn, tenant_id=tenant_id, platform="devto", name=name, settings={})
        integrations.set_credentials(conn, record.id, Vault(key).seal({"api_key": f"of {name}"}, record.id))
    return record.id


def keys(desk: Desk, command: str, *more: str, held: str) -> tuple[int, Any, str]:
    done = run_command("keys", command, *more, environment={**desk.environment, "CROWD_ENCRYPTION_KEY": held})
    assert not any(key in done.stdout + done.stderr for key in (OLD, NEW, LOST))
    return done.returncode, json.loads(done.stdout) if "--json" in more else done.stdout, done.stderr


def test_the_key_is_changed_and_it_is_told_when_the_old_one_may_go(desk: Desk, engine: Engine) -> None:
    one, other = sealed(engine, "one", OLD), sealed(engine, "other", OLD)
    code, rotated, told = keys(desk, "rotate", held=f"{NEW},{OLD}")
    assert (code, rotated) == (0, "")
    assert f"2 sealed anew; all are sealed with {NEW_ID} now. Take the other keys out of CROWD_ENCRYPTION_KEY" in told
    with engine.begin() as conn:
        opened = [revealed(integrations.credentials(conn, id_, Vault(NEW))) for id_ in (one, other)]
    assert opened == [{"api_key": "of one"}, {"api_key": "of other"}]
    code, standing, _ = keys(desk, "list", "--json", held=f"{NEW},{OLD}")
    assert (code, standing) == (
        0,
        [
            {"key": NEW_ID, "use": "seals and opens", "integrations": 2},
            {"key": OLD_ID, "use": "opens", "integrations": 0},
        ],
    )


def test_what_cannot_be_opened_is_named_and_the_exit_code_tells(desk: Desk, engine: Engine) -> None:
    lost, _ = sealed(engine, "lost", LOST), sealed(engine, "good", OLD)
    code, told, _ = keys(desk, "rotate", "--json", held=f"{NEW},{OLD}")
    assert code == 1
    assert (told["key"], told["resealed"]) == (NEW_ID, 1)
    [failed] = told["failed"]
    assert (failed["id"], failed["platform"], failed["name"]) == (str(lost), "devto", "lost")
    assert f"sealed with key {LOST_ID}, which CROWD_ENCRYPTION_KEY does not hold" in failed["reason"]
    code, shown, told = keys(desk, "list", held=NEW)
    assert code == 1
    assert [LOST_ID in shown, "not held" in shown, "connect their integrations again" in told] == [True] * 3


def test_a_key_file_is_made_once_and_is_its_owner_s(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "encryption.key")
    first = file.read()
    assert file.read() == first
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["encryption.key"]


def test_a_change_of_keys_that_was_interrupted_goes_on_with_the_same_keys(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "encryption.key")
    old = Vault(file.read()).current
    file.put_new_key_first()
    both = Vault(file.read()).key_ids
    assert (len(both), both[1]) == (2, old)
    file.put_new_key_first()
    assert Vault(file.read()).key_ids == both
    file.keep_first()
    assert Vault(file.read()).key_ids == both[:1]
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
