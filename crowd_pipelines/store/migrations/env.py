"""What Alembic runs: the caller's own connection and transaction, so that migrating is all or nothing."""

from alembic import context

from crowd_pipelines.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=context.config.attributes["version_table"],
)
context.run_migrations()
