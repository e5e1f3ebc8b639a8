"""Schema migrations, up and down, with Alembic."""

from collections.abc import Callable

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from pydantic import SecretStr
from sqlalchemy import Connection, Engine, text

from crowd_pipelines.store import database
from crowd_pipelines.store.schema import SEALED, metadata

VERSION_TABLE = "crowd_schema_version"
"""Not Alembic's default name: Dagster's storage may live in the same database and uses that."""


class NotTheOwner(Exception):
    """The schema can only be changed by its owner; the message says who tried, and what to do."""


def upgrade(url: str | SecretStr, revision: str = "head") -> None:
    """Bring the schema up to `revision`; several callers at once take turns. Raises NotTheOwner.

    Roles of a deployment that do not own the schema get their privileges in the same transaction.
    """
    _run(url, lambda config: command.upgrade(config, revision))


def downgrade(url: str | SecretStr, revision: str) -> None:
    """Take the schema back to `revision` ("base" removes everything). Raises NotTheOwner."""
    _run(url, lambda config: command.downgrade(config, revision))


def current(engine: Engine) -> str | None:
    """Return the revision of the database's schema, None when it has none."""
    with engine.connect() as connection:
        return MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_revision()


def newest() -> str:
    """Return the revision that this version of the package needs."""
    return str(ScriptDirectory.from_config(_config()).get_current_head())


def previous() -> str:
    """Return the revision before the newest: what a database has while the version before ours still runs."""
    script = ScriptDirectory.from_config(_config())
    return str(script.get_revision("head").down_revision)


def _run(url: str | SecretStr, work: Callable[[Config], None]) -> None:
    engine = database.create(url, pool_size=1)
    database.check(engine)
    try:
        with engine.begin() as connection:
            _require_owner(connection)
            connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('crowd_pipelines.migrations'))"))
            config = _config()
            config.attributes.update(connection=connection, version_table=VERSION_TABLE)
            work(config)
            _grant(connection)
    finally:
        engine.dispose()


def _require_owner(connection: Connection) -> None:
    allowed = text("SELECT has_schema_privilege(current_schema(), 'CREATE'), current_user")
    may_create, role = connection.execute(allowed).one()
    if not may_create:
        raise NotTheOwner(
            f"the role {role} may not change the schema; set CROWD_DATABASE_URL to the role that owns it (with Docker "
            "Compose: docker compose run --rm migrate)"
        )


def _grant(connection: Connection) -> None:
    given = {"tables": list(metadata.tables), "version_table": VERSION_TABLE, "sealed": list(SEALED)}
    for statement, _ in connection.execute(database.query("privileges"), given).all():
        connection.exec_driver_sql(statement)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", "crowd_pipelines.store:migrations")
    config.set_main_option("path_separator", "os")
    return config
