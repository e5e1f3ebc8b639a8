"""The states of integrations, integration runs and streams; `docs/states.md` draws them."""

from enum import StrEnum


class IntegrationStatus(StrEnum):
    """How an integration is doing, for people."""

    PENDING = "pending"  # connected, its onboarding has not begun
    IN_PROGRESS = "in_progress"  # its onboarding is under way, or owes what failed: checks try that again
    DONE = "done"  # onboarded; checks keep it fresh
    ERROR = "error"  # its last integration run failed; `error` says what to do


class RunState(StrEnum):
    """The state of an integration run. Open: pending, processing, delayed."""

    PENDING = "pending"  # asked for, nobody works on it
    PROCESSING = "processing"  # a worker holds its lease
    DELAYED = "delayed"  # waits for `delayed_until`, holding no process
    PROCESSED = "processed"  # planned, and every stream was read, is gone, or is told as owed
    ERROR = "error"  # planning failed, or a stream failed for good


class StreamState(StrEnum):
    """The state of a stream. It is claimable when `due_at` has come, whatever the state."""

    PENDING = "pending"  # never processed, or given back
    PROCESSING = "processing"  # leased to a worker; claimable again when the lease expires
    PROCESSED = "processed"  # its page is committed
    SKIPPED = "skipped"  # its subject is gone
    OWED = "owed"  # it could not be read; a row of `owed_reads` says why, and later integration runs try again
    ERROR = "error"  # failed; with `due_at` it will be tried again


class OwedKind(StrEnum):
    """Why something is left unread for now."""

    PERMISSION = "permission"  # these credentials may not read it; tried once a day
    FAILURE = "failure"  # the provider kept failing; each of the next checks tries it, later one a day
    UNREAD = "unread"  # records came as null; asked for again like a failure
