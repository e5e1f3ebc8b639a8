"""Sends one request once, and reads its answer within limits of time and size."""

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from importlib.metadata import version
from typing import Any, TypeGuard
from urllib.parse import urlsplit

import requests
import urllib3
from pydantic import SecretStr
from requests.structures import CaseInsensitiveDict

from crowd_pipelines.http.deadline import DeadlineAdapter, answer_within
from crowd_pipelines.http.errors import CredentialsRejected, ProviderError, Retryable, UnexpectedPayload
from crowd_pipelines.http.guard import Guard
from crowd_pipelines.http.metering import count
from crowd_pipelines.http.redaction import redact, secret_values
from crowd_pipelines.model.secrets import Secret, masked_bytes, revealed

USER_AGENT = f"crowd-pipelines/{version('crowd-pipelines')}"

_CHUNK_BYTES = 65_536
# What http.client refuses with an error that quotes the value, or cannot encode.
_UNSENDABLE = re.compile(r"[\r\n\x00]|[^\x00-\xff]")

_NO_ANSWER_IN_TIME = "the answer was not complete in time"
_FAILURES: tuple[tuple[frozenset[str], str], ...] = (
    (
        frozenset({"SSLError", "CertificateError", "SSLCertVerificationError"}),
        "no secure connection (TLS) could be made; check the certificate and the host's name",
    ),
    (frozenset({"NameResolutionError", "gaierror"}), "the host's name could not be resolved"),
    (frozenset({"ConnectTimeout", "ConnectTimeoutError"}), "no connection could be made in time"),
    (frozenset({"ReadTimeout", "ReadTimeoutError", "TimeoutError"}), _NO_ANSWER_IN_TIME),
    (frozenset({"ConnectionRefusedError"}), "the connection was refused"),
    (frozenset({"DecodeError", "ContentDecodingError"}), "the answer could not be decompressed"),
)

Auth = Callable[[requests.PreparedRequest], requests.PreparedRequest]
Headers = Mapping[str, str | SecretStr]
Params = Mapping[str, str | SecretStr | int | float | Sequence[str] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long one answer may take (seconds) and how large it may be once decompressed (bytes)."""

    connect_seconds: float = 10.0
    read_seconds: float = 30.0
    total_seconds: float = 60.0
    body_bytes: int = 20_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to ask; its repr shows neither parameters nor headers, which may carry tokens.

    `for_credentials`: the answer brings credentials; it is taken as it is, and nothing of it is kept as evidence.
    """

    method: str
    url: str
    bucket: str
    params: Params | None = field(default=None, repr=False)
    json: Any = field(default=None, repr=False)
    form: Headers | None = field(default=None, repr=False)
    headers: Headers | None = field(default=None, repr=False)
    for_credentials: bool = False

    @property
    def host(self) -> str:
        """The host, with its port where one is given."""
        return urlsplit(self.url).netloc.rpartition("@")[2]

    def __str__(self) -> str:
        """What to call the request in a message: no query, which may carry tokens."""
        return f"{self.method} {self.host}{urlsplit(self.url).path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A complete answer; `secrets` are the credentials that were sent to get it, which its body does not echo.

    `discreet`: it brings credentials itself, and must not be shown.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    url: str = field(repr=False)
    secrets: tuple[Secret, ...] = field(repr=False)
    discreet: bool = False


class Transport:
    """One session of one credential; safe to use from as many threads as it has connections."""

    def __init__(
        self,
        *,
        headers: Headers | None,
        auth: Auth | None,
        secrets: Sequence[str | SecretStr],
        limits: Limits,
        max_connections: int,
        guard: Guard | None,
    ) -> None:
        self._auth = auth or _unchanged
        self._secrets = tuple(Secret(revealed(secret)) for secret in secrets)
        self._headers = dict(headers or {})
        self._limits = limits
        self._guard = guard
        self._session = requests.Session()
        self._session.headers.update({"User-Agent": USER_AGENT, "Accept": "application/json"})
        # Only encodings that are decompressed piece by piece: the size cap must end a bomb early.
        self._session.headers["Accept-Encoding"] = "gzip, deflate"
        adapter = DeadlineAdapter(
            guard=guard, pool_connections=2, pool_maxsize=max_connections, max_retries=0, pool_block=True
        )
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)

    def send(self, request: Request) -> Answer:
        """Send once; raises Retryable for the network, UnexpectedPayload for size, CredentialsRejected for headers.

        Raises AddressRefused where there is a guard that does not let it connect.
        """
        prepared = self._prepare(request)
        secrets = (
            *self._secrets,
            *secret_values(prepared.headers.items()),
            *secret_values((request.form or {}).items()),
            *secret_values((name, value) for name, value in (request.params or {}).items() if _is_secret(value)),
        )
        # The error is raised after the handler: chained, it would carry the URL with its query into tracebacks.
        try:
            return self._exchange(prepared, request, secrets)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            failure = f"{request} failed: {_what_happened(error)}. It will be tried again."
        raise Retryable(redact(failure, secrets))

    def close(self) -> None:
        """Close all connections."""
        self._session.close()

    def _prepare(self, request: Request) -> requests.PreparedRequest:
        # Errors are raised after the handler: chained, the original would quote the value that must not show.
        problem: ProviderError
        try:
            prepared = self._session.prepare_request(
                requests.Request(
                    request.method,
                    request.url,
                    params=revealed(request.params),
                    json=request.json,
                    data=revealed(request.form),
                    headers=revealed(CaseInsensitiveDict({**self._headers, **(request.headers or {})})),
                    # Never None: requests would then look for credentials in ~/.netrc and overwrite ours.
                    auth=self._auth,
                )
            )
        except requests.exceptions.InvalidHeader:
            problem = _unsendable(request)
        except (requests.exceptions.InvalidURL, UnicodeError):
            problem = UnexpectedPayload(f"{request} has no usable address or parameters; check the API's URL.")
        else:
            if not any(_UNSENDABLE.search(str(value)) for value in prepared.headers.values()):
                return prepared
            problem = _unsendable(request)
        raise problem

    def _exchange(self, prepared: requests.PreparedRequest, request: Request, secrets: tuple[Secret, ...]) -> Answer:
        limits, url = self._limits, prepared.url or request.url
        settings = self._session.merge_environment_settings(url, {}, True, None, None)
        count(requests=1)
        # The adapter is asked directly: Session.send would read the bodies of redirects whole, and keep cookies.
        with answer_within(limits.total_seconds) as deadline:
            response = self._session.get_adapter(url).send(
                prepared,
                stream=True,
                timeout=(limits.connect_seconds, limits.read_seconds),
                # "or True": no environment variable switches the verification off.
                verify=settings["verify"] or True,
                cert=settings["cert"],
                # A proxy resolves names itself, so that nobody would know where a guarded host leads.
                proxies={} if self._guard else settings["proxies"],
            )
            try:
                body = self._read(response, deadline=deadline, request=request, secrets=secrets)
            finally:
                count(received_bytes=response.raw.tell())
                response.close()
        discreet = request.for_credentials and response.status_code < HTTPStatus.BAD_REQUEST
        return Answer(
            status=response.status_code,
            headers=CaseInsensitiveDict(response.headers),
            # Whatever echoes the request, records and next links included, does not bring a credential into the store.
            body=body if discreet else masked_bytes(body, secrets),
            url=url,
            secrets=secrets,
            discreet=discreet,
        )

    def _read(
        self, response: requests.Response, *, deadline: float, request: Request, secrets: tuple[Secret, ...]
    ) -> bytes:
        body = bytearray()
        # read1 hands over what has arrived; read and iter_content would block until a whole chunk is there.
        while piece := response.raw.read1(_CHUNK_BYTES, decode_content=True):
            body += piece
            if len(body) > self._limits.body_bytes:
                raise UnexpectedPayload(
                    f"{request} answered with more than {self._limits.body_bytes:,} bytes, which were not kept. "
                    "Ask for smaller pages.",
                    evidence=""
                    if request.for_credentials
                    else redact(body[:_CHUNK_BYTES].decode("utf-8", "replace"), secrets),
                )
            if time.monotonic() > deadline:
                raise TimeoutError
        return bytes(body)


def _is_secret(value: object) -> TypeGuard[SecretStr]:
    return isinstance(value, SecretStr)


def _unchanged(prepared: requests.PreparedRequest) -> requests.PreparedRequest:
    return prepared


def _unsendable(request: Request) -> CredentialsRejected:
    return CredentialsRejected(
        f"{request} cannot be sent: a header, most likely the one with the credentials, contains a line break or a "
        "character that HTTP does not allow. Copy the credentials again and reconnect."
    )


def _what_happened(error: Exception) -> str:
    """The failure in words of ours: the libraries' own carry URLs, queries and object addresses."""
    kinds = set(_kinds(error))
    return next((words for names, words in _FAILURES if names & kinds), "the connection broke off")


def _kinds(error: object) -> Iterator[str]:
    """The class names of an error and of those it wraps, as requests and urllib3 nest them."""
    if isinstance(error, BaseException):
        yield type(error).__name__
        for inner in (*error.args, getattr(error, "reason", None), error.__cause__):
            yield from _kinds(inner)
