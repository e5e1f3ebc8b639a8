"""Talking to providers: the only importer of `requests`, and the errors that say what must happen next."""

from crowd_pipelines.http.client import HttpClient
from crowd_pipelines.http.errors import (
    AddressRefused,
    CredentialsRejected,
    Gone,
    NotPermitted,
    ProviderError,
    RateLimited,
    Refused,
    Retryable,
    UnexpectedPayload,
)
from crowd_pipelines.http.guard import Guard
from crowd_pipelines.http.metering import Meter, metered
from crowd_pipelines.http.outcomes import Judge, Outcome, Response, Verdict
from crowd_pipelines.http.pacing import LocalPacer, Pacer, RateLimit
from crowd_pipelines.http.redaction import redact
from crowd_pipelines.http.refusals import Refusal, RefusalTable
from crowd_pipelines.http.transport import Limits
from crowd_pipelines.http.waits import WAIT_HEADERS, WaitHeader, wait_until

__all__ = [
    "WAIT_HEADERS",
    "AddressRefused",
    "CredentialsRejected",
    "Gone",
    "Guard",
    "HttpClient",
    "Judge",
    "Limits",
    "LocalPacer",
    "Meter",
    "NotPermitted",
    "Outcome",
    "Pacer",
    "ProviderError",
    "RateLimit",
    "RateLimited",
    "Refusal",
    "RefusalTable",
    "Refused",
    "Response",
    "Retryable",
    "UnexpectedPayload",
    "Verdict",
    "WaitHeader",
    "metered",
    "redact",
    "wait_until",
]
