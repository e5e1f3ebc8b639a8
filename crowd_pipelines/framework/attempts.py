"""Attempts: processing one claimed stream in a worker thread, and what the queue is told of how it went.

Nothing here writes, and nothing raises: what goes wrong is part of the attempt.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from sqlalchemy.exc import DBAPIError

from crowd_pipelines import failpoints
from crowd_pipelines.framework.refusals import meaning_of_gone
from crowd_pipelines.framework.slices import SliceOver
from crowd_pipelines.framework.work import RunWork
from crowd_pipelines.http.errors import CredentialsRejected, Gone, ProviderError, RateLimited, UnexpectedPayload
from crowd_pipelines.http.metering import metered
from crowd_pipelines.http.redaction import redact
from crowd_pipelines.model.states import OwedKind, StreamState
from crowd_pipelines.model.streams import Owed, RejectedRecord, Stream, StreamResult
from crowd_pipelines.store.owed import OwedRead
from crowd_pipelines.store.pages import FinishedPage
from crowd_pipelines.store.quarantine import Quarantined
from crowd_pipelines.store.streams import ClaimedStream, Ending

logger = logging.getLogger(__name__)

NULLS = "null records"
"""What is owed where records came as null, in place of a permission."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What came of processing a claimed stream: a page, or an error as a value."""

    work: RunWork
    claimed: ClaimedStream
    stream: Stream | None
    outcome: StreamResult | Exception
    follow: bool
    requests: int
    waited_seconds: float


def process(work: RunWork, claimed: ClaimedStream, wanted: Callable[[], bool]) -> Attempt:
    stream, follow = None, False
    outcome: StreamResult | Exception
    with metered() as meter:
        try:
            if not wanted():
                raise SliceOver  # noqa: TRY301  what is only queued goes back, like what is interrupted
            stream = work.integration.load_stream(claimed.name, claimed.metadata)
            outcome = _fetched(work, claimed, stream)
            follow = _wants_next_page(work, claimed, stream, outcome)
        except Exception as error:
            outcome = _meaning(work, claimed, stream, error)
            if not isinstance(outcome, ProviderError | SliceOver | StreamResult):
                logger.exception("%s of %s failed", claimed.label, work.run.integration_key)
    return Attempt(
        work=work,
        claimed=claimed,
        stream=stream,
        outcome=outcome,
        follow=follow,
        requests=meter.requests,
        waited_seconds=meter.waited_seconds,
    )


def _fetched(work: RunWork, claimed: ClaimedStream, stream: Stream) -> StreamResult:
    reading = work.whole() if claimed.whole else work
    failpoints.reach("fetch.before")
    result: StreamResult = work.integration.process_stream(stream, reading.context)
    failpoints.reach("fetch.after")
    if not reading.refused_places:
        return result
    wanted = (new for new in result.new_streams if not is_refused(reading, new))
    return replace(result, new_streams=tuple(wanted))


def is_refused(work: RunWork, stream: Stream) -> bool:
    """Tell whether a stream is of a place that the credentials do not reach; what is owed there is asked for apart."""
    place = work.integration.place_of(stream)
    return place is not None and place.key in work.refused_places


def _meaning(
    work: RunWork, claimed: ClaimedStream, stream: Stream | None, error: Exception
) -> StreamResult | Exception:
    """Return what an error means, where one answer proves too little: see `refusals`."""
    if isinstance(error, Gone) and stream is not None:
        meaning = meaning_of_gone(work, stream, error, is_root=claimed.root_id == claimed.id)
        return StreamResult(skipped=str(meaning)) if isinstance(meaning, Gone) else meaning
    if isinstance(error, CredentialsRejected):
        try:
            return work.trial.meaning(work, error)
        except SliceOver as stopped:
            return stopped
    return error


def pauses(outcome: StreamResult | Exception) -> bool:
    """Tell whether nothing more of the integration run may be asked for now."""
    if isinstance(outcome, StreamResult):
        return outcome.sleep is not None or outcome.resume_at is not None
    return isinstance(outcome, RateLimited | CredentialsRejected)


def _wants_next_page(work: RunWork, claimed: ClaimedStream, stream: Stream, result: StreamResult) -> bool:
    if result.next_page is None or work.run.onboarding or claimed.whole:
        return True
    return not work.integration.is_processing_finished(stream=stream, result=result, run=work.context)


def page_of(attempt: Attempt, *, retry_after: float | None = None, owed: tuple[OwedRead, ...] = ()) -> FinishedPage:
    """Return the page to be committed; `retry_after` (s) is for one that is incomplete and is tried again."""
    if attempt.stream is None or not isinstance(attempt.outcome, StreamResult):
        raise TypeError(f"{attempt.claimed.label} has no page to commit")
    return FinishedPage(
        run=attempt.work.run,
        claimed=attempt.claimed,
        stream=attempt.stream,
        result=attempt.outcome,
        follow=attempt.follow,
        limit=attempt.work.limit,
        requests=attempt.requests,
        waited_seconds=attempt.waited_seconds,
        retry_after=retry_after,
        owed=owed,
        pays=attempt.work.owes,
    )


def ending_of(
    claimed: ClaimedStream,
    state: StreamState,
    *,
    attempt: Attempt | None,
    error: str | None = None,
    retry_after: float | None = None,
    failed: int = 0,
) -> Ending:
    return Ending(
        stream=claimed,
        state=state,
        error=error,
        retry_after=retry_after,
        failed=failed,
        requests=attempt.requests if attempt else 0,
        waited_seconds=attempt.waited_seconds if attempt else 0.0,
    )


def owed_read(attempt: Attempt, owed: Owed, *, kind: OwedKind = OwedKind.PERMISSION) -> OwedRead:
    """Return what is owed as the store keeps it."""
    run, stream = attempt.work.run, owed.stream
    place = attempt.work.integration.place_of(stream) if kind is OwedKind.PERMISSION else None
    return OwedRead(
        tenant_id=run.tenant_id,
        integration_id=run.integration_id,
        kind=kind,
        place=owed.place,
        permission=owed.permission,
        label=owed.label,
        reason=redact(owed.reason),
        stream=stream,
        # What was never read for want of a permission has to be read from the start.
        whole=kind is OwedKind.PERMISSION or run.onboarding or attempt.claimed.whole,
        place_stream=place.stream if place else None,
    )


def owed_failure(attempt: Attempt, reason: str) -> OwedRead:
    """Return that a stream is owed because it kept failing."""
    if attempt.stream is None:
        raise TypeError(f"{attempt.claimed.label} was never loaded")
    stream = attempt.stream
    owed = Owed(place=f"stream:{stream.key}", label=stream.label, permission="", reason=reason, stream=stream)
    return owed_read(attempt, owed, kind=OwedKind.FAILURE)


def buried_read(work: RunWork, claimed: ClaimedStream, reason: str) -> OwedRead:
    """Return that a stream is owed which takes its workers down: no check may try it by itself."""
    return OwedRead(
        tenant_id=work.run.tenant_id,
        integration_id=work.run.integration_id,
        kind=OwedKind.FAILURE,
        place=f"stream:{claimed.key}",
        label=claimed.label,
        reason=f"{reason}; a check by hand does",
        stream=work.integration.load_stream(claimed.name, claimed.metadata),
        whole=work.run.onboarding or claimed.whole,
        by_hand=True,
    )


def owed_by(attempt: Attempt) -> tuple[OwedRead, ...]:
    """Return what a page that was read leaves owed: what it had no permission for, and records that came as null."""
    result, stream = attempt.outcome, attempt.stream
    if not isinstance(result, StreamResult) or stream is None:
        return ()
    owed = [owed_read(attempt, one) for one in result.owed]
    if result.unread:
        reason = (
            f"{result.unread} records are not shown: they came as null, or they are counted and not given. They are "
            "asked for again."
        )
        nulls = Owed(place=f"stream:{stream.key}", label=stream.label, permission=NULLS, reason=reason, stream=stream)
        owed.append(owed_read(attempt, nulls, kind=OwedKind.UNREAD))
    return tuple(owed)


def evidence_of(attempt: Attempt, error: UnexpectedPayload) -> Quarantined:
    run = attempt.work.run
    return Quarantined(
        tenant_id=run.tenant_id,
        integration_id=run.integration_id,
        stream=attempt.claimed,
        record=RejectedRecord(reason=describe(error), payload=error.evidence),
    )


def unwritable(error: Exception) -> Exception:
    """Return the error of a page that cannot be stored, whether the database refused it or it is no JSON."""
    if isinstance(error, DBAPIError) and error.orig:
        return UnexpectedPayload(f"the page cannot be written: {str(error.orig).strip().splitlines()[0]}")
    return UnexpectedPayload(f"the page cannot be written: {describe(error)}")


def describe(error: Exception) -> str:
    """Return an error as text for people: redacted, with the class when the message alone would not explain it."""
    text = str(error) if isinstance(error, ProviderError) else f"{type(error).__name__}: {error}"
    return redact(text)
