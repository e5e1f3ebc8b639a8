"""What can go wrong with a provider, named by what must happen next.

ProviderError
├── RateLimited            delay until a moment; not an attempt
├── Retryable              try again later; an attempt
│   └── Refused            the same, without asking again at once: nobody names the reason
├── CredentialsRejected    stop the integration run and tell the user
├── NotPermitted           leave the place out, tell the user, and owe it
├── Gone                   skip this stream and count it, if its place still answers; else owe it
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


class Refused(Retryable):
    """A refusal for a reason that no table names: it proves nothing about what was asked for."""


class CredentialsRejected(ProviderError):
    """The provider does not accept the credentials; only the user can repair that."""


class NotPermitted(ProviderError):
    """These credentials may not read this; `permission` names what is missing, for whoever grants it."""

    def __init__(self, message: str, *, permission: str = "permission") -> None:
        super().__init__(message)
        self.permission = permission


class Gone(ProviderError):
    """The subject of the request does not exist for us: deleted or hidden."""


class AddressRefused(ProviderError):
    """The address that a user gave is not one that we connect to; nothing was sent."""


class UnexpectedPayload(ProviderError):
    """An answer that repeating will not improve; `evidence` is what arrived, at most 8 kB of it."""

    def __init__(self, message: str, *, evidence: str = "") -> None:
        super().__init__(message)
        self.evidence = cut(evidence)
