"""Attempts: processing one claimed stream in a worker thread, and what the queue is told of how it went.

Nothing here writes, and nothing raises: what goes wrong is part of the attempt.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy.exc import DBAPIError

from crowd_pipelines import failpoints
from crowd_pipelines.framework.slices import SliceOver
from crowd_pipelines.framework.work import RunWork
from crowd_pipelines.http.errors import CredentialsRejected, Gone, ProviderError, RateLimited, UnexpectedPayload
from crowd_pipelines.http.metering import metered
from crowd_pipelines.http.redaction import redact
from crowd_pipelines.model.states import StreamState
from crowd_pipelines.model.streams import RejectedRecord, Stream, StreamResult
from crowd_pipelines.store.pages import FinishedPage
from crowd_pipelines.store.quarantine import Quarantined
from crowd_pipelines.store.streams import ClaimedStream, Ending

logger = logging.getLogger(__name__)


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
            failpoints.reach("fetch.before")
            outcome = work.integration.process_stream(stream, work.context)
            failpoints.reach("fetch.after")
            follow = _wants_next_page(work, stream, outcome)
        except Gone as gone:
            outcome = StreamResult(skipped=str(gone))
        except Exception as error:
            outcome = error
            if not isinstance(error, ProviderError | SliceOver):
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


def pauses(outcome: StreamResult | Exception) -> bool:
    """Tell whether nothing more of the integration run may be asked for now."""
    if isinstance(outcome, StreamResult):
        return outcome.sleep is not None or outcome.resume_at is not None
    return isinstance(outcome, RateLimited | CredentialsRejected)


def _wants_next_page(work: RunWork, stream: Stream, result: StreamResult) -> bool:
    if result.next_page is None or work.run.onboarding:
        return True
    return not work.integration.is_processing_finished(stream=stream, result=result, run=work.context)


def page_of(attempt: Attempt) -> FinishedPage:
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
