"""What Alembic runs: the caller's own connection and transaction, so that migrating is all or nothing."""

from alembic import context

from crowd_pipelines.store.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
