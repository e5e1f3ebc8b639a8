"""What a refusal in the middle of an integration run means, where one answer alone proves too little.

That something below a place is not found proves that it is gone only while its place still answers. That credentials
are refused which worked before proves nothing until they are refused again.
"""

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from crowd_pipelines.framework.integration import Place
from crowd_pipelines.http.errors import CredentialsRejected, Gone, NotPermitted, ProviderError, Retryable
from crowd_pipelines.model.streams import Owed, Stream

if TYPE_CHECKING:
    from crowd_pipelines.framework.work import RunWork

NOT_FOUND = "not found"
"""The permission that is missing where a place is not found: it may be gone, or access to it lost."""

SECOND_LOOK_SECONDS = 3
"""So long after a refusal credentials that worked before are tried again."""

_TRUSTED_SECONDS = 60


def place_of(work: "RunWork", stream: Stream) -> Place:
    """Return the place of a stream; a stream that belongs to none is one of its own."""
    place = work.integration.place_of(stream)
    return place or Place(key=f"stream:{stream.key}", label=stream.label, stream=stream)


def owed_for(work: "RunWork", stream: Stream, refusal: NotPermitted) -> Owed:
    """Return what a refused stream leaves owed; it is the refused stream that is asked for again."""
    place = place_of(work, stream)
    return Owed(place=place.key, label=place.label, permission=refusal.permission, reason=str(refusal), stream=stream)


def meaning_of_gone(work: "RunWork", stream: Stream, gone: Gone, *, is_root: bool) -> ProviderError:
    """Return what it means that a stream's subject is not found: really gone, or a place that is not to be seen.

    Asks, with one cheap call, whether the place still answers. Returns what that call raises when it could not tell.
    """
    place = work.integration.place_of(stream)
    if place is None:
        return _unseen(gone) if is_root else gone
    if place.itself or place.stream.key == stream.key:
        return _unseen(gone)
    try:
        work.integration.confirm_place(stream, work.context)
    except (Gone, NotPermitted) as refusal:
        return _unseen(refusal)
    except ProviderError as error:
        return error
    return gone


def _unseen(refusal: Gone | NotPermitted) -> NotPermitted:
    if isinstance(refusal, NotPermitted):
        return refusal
    return NotPermitted(str(refusal), permission=NOT_FOUND)


class CredentialTrial:
    """Tries credentials again that worked before and were refused; threads that meet the same refusal share a trial."""

    def __init__(self, *, worked_before: bool, sleep: Callable[[float], None]) -> None:
        self.worked_before = worked_before
        self._sleep = sleep
        self._lock = threading.Lock()
        self._tried_at = float("-inf")
        self._result: ProviderError | None = None

    def meaning(self, work: "RunWork", refusal: CredentialsRejected) -> ProviderError:
        """Return what a refusal of the credentials means: a passing fault where they are accepted a moment later."""
        if not self.worked_before:
            return refusal
        with self._lock:
            if time.monotonic() - self._tried_at > _TRUSTED_SECONDS:
                self._result = self._try(work)
                self._tried_at = time.monotonic()
            result = self._result
        if result is None:
            return Retryable(f"{refusal} A moment later they were accepted, so it will be tried again.")
        return refusal if isinstance(result, CredentialsRejected) else result

    def _try(self, work: "RunWork") -> ProviderError | None:
        self._sleep(SECOND_LOOK_SECONDS)
        try:
            work.integration.check_credentials(work.context.api, work.context.settings)
        except (Gone, NotPermitted):
            return None  # who is told that has been let in
        except ProviderError as error:
            return error
        return None
