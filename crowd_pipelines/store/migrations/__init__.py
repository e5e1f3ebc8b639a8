"""Schema migrations, up and down, with Alembic."""

from collections.abc import Callable

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, text

from crowd_pipelines.store import database

VERSION_TABLE = "crowd_schema_version"
"""Not Alembic's default name: Dagster's storage may live in the same database and uses that."""


def upgrade(url: str, revision: str = "head") -> None:
    """Bring the schema up to `revision`; several callers at once take turns."""
    _run(url, lambda config: command.upgrade(config, revision))


def downgrade(url: str, revision: str) -> None:
    """Take the schema back to `revision` ("base" removes everything)."""
    _run(url, lambda config: command.downgrade(config, revision))


def current(engine: Engine) -> str | None:
    """Return the revision of the database's schema, None when it has none."""
    with engine.connect() as connection:
        return MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_revision()


def newest() -> str:
    """Return the revision that this version of the package needs."""
    return str(ScriptDirectory.from_config(_config()).get_current_head())


def _run(url: str, work: Callable[[Config], None]) -> None:
    engine = database.create(url, pool_size=1)
    database.check(engine)
    try:
        with engine.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('crowd_pipelines.migrations'))"))
            config = _config()
            config.attributes.update(connection=connection, version_table=VERSION_TABLE)
            work(config)
    finally:
        engine.dispose()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", "crowd_pipelines.store:migrations")
    config.set_main_option("path_separator", "os")
    return config
