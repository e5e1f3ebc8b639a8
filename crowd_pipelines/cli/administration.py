"""`db`: the schema that an installation needs before anything runs."""

from typing import Annotated

import typer

from crowd_pipelines.cli.console import tell
from crowd_pipelines.cli.session import session
from crowd_pipelines.store import migrations


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    database = typer.Typer(help="The database's schema.", no_args_is_help=True)
    database.command("upgrade")(upgrade)
    database.command("downgrade")(downgrade)
    database.command("current")(current_revision)
    app.add_typer(database, name="db")


def upgrade(revision: Annotated[str, typer.Argument(help="A revision, or head.")] = "head") -> None:
    """Bring the schema up to date."""
    with session(migrated=False) as current:
        migrations.upgrade(current.installed.database_url, revision)
        tell(f"the schema is at revision {migrations.current(current.engine)}")


def downgrade(
    revision: Annotated[str, typer.Argument(help="A revision, or base: no tables at all.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Take the schema back; data that the older one cannot hold is lost."""
    with session(migrated=False) as current:
        if not yes:
            typer.confirm(f"Take the schema back to {revision}? Data may be lost", abort=True)
        migrations.downgrade(current.installed.database_url, revision)
        tell(f"the schema is at revision {migrations.current(current.engine)}")


def current_revision() -> None:
    """Print the schema's revision, and the one that this version needs."""
    with session(migrated=False) as current:
        typer.echo(f"{migrations.current(current.engine)} (needed: {migrations.newest()})")
