"""The commands. What they do is done elsewhere; here it is asked for, watched and told."""

import sys

import typer
from sqlalchemy.exc import OperationalError

from crowd_pipelines.cli import (
    administration,
    connecting,
    doctor,
    keys,
    quarantine,
    removing,
    reporting,
    running,
    serving,
    watching,
)
from crowd_pipelines.cli.console import CommandError, fail
from crowd_pipelines.framework.clients import ConfigurationInvalid
from crowd_pipelines.framework.credentials import CredentialsMissing
from crowd_pipelines.http.errors import ProviderError
from crowd_pipelines.http.logs import redact_logs
from crowd_pipelines.private import NotPrivate, make_private
from crowd_pipelines.settings import SettingsError
from crowd_pipelines.stack.processes import StackError
from crowd_pipelines.store.database import DatabaseUnavailable
from crowd_pipelines.store.embedded import EmbeddedPostgresError
from crowd_pipelines.store.migrations import NotTheOwner
from crowd_pipelines.store.runs import RunIsOpen
from crowd_pipelines.store.vault import VaultError

EXPECTED = (
    CommandError,
    ConfigurationInvalid,
    CredentialsMissing,
    DatabaseUnavailable,
    EmbeddedPostgresError,
    NotPrivate,
    NotTheOwner,
    ProviderError,
    RunIsOpen,
    SettingsError,
    StackError,
    VaultError,
)
"""Errors whose message says what is wrong and what to do; a traceback would hide that."""

app = typer.Typer(
    name="crowd-pipelines",
    help="Community data, whole and clean: members and activities in one PostgreSQL database.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for module in (serving, connecting, running, watching, quarantine, doctor, reporting, removing, administration, keys):
    module.register(app)


def main() -> None:
    """Run the command that the arguments name; exits with 0, 1 for an error, 2 for wrong usage, 130 for Ctrl-C."""
    redact_logs()
    make_private()
    try:
        app()
    except EXPECTED as error:
        sys.exit(fail(str(error)))
    except OperationalError as error:
        sys.exit(fail(f"the database went away: {str(error.orig).strip().splitlines()[0]}"))
    except KeyboardInterrupt:
        sys.exit(130)
