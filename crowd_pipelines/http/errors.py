"""What can go wrong with a provider, named by what must happen next.

ProviderError
├── RateLimited            delay until a moment; not an attempt
├── Retryable              try again later; an attempt
├── CredentialsRejected    stop the integration run and tell the user
├── Gone                   skip this stream and count it
├── AddressRefused         ask nothing there, and tell the user
└── UnexpectedPayload      keep the evidence and fail the stream
"""

from datetime import datetime

from crowd_pipelines.http.redaction import cut


class ProviderError(Exception):
    """Any refusal or failure of a provider; its message is safe to store and to show."""


class RateLimited(ProviderError):
    """The provider, or our budget for it, is closed until `until` (aware); `scope` names the bucket."""

    def __init__(self, message: str, *, until: datetime, scope: str) -> None:
        super().__init__(message)
        self.until = until
        self.scope = scope


class Retryable(ProviderError):
    """A failure that time may heal: the network, a 5xx, an answer that broke off."""


class CredentialsRejected(ProviderError):
    """The provider does not accept the credentials; only the user can repair that."""


class Gone(ProviderError):
    """The subject of the request does not exist for us: deleted, hidden, or forbidden."""


class AddressRefused(ProviderError):
    """The address that a user gave is not one that we connect to; nothing was sent."""


class UnexpectedPayload(ProviderError):
    """An answer that repeating will not improve; `evidence` is what arrived, at most 8 kB of it."""

    def __init__(self, message: str, *, evidence: str = "") -> None:
        super().__init__(message)
        self.evidence = cut(evidence)
