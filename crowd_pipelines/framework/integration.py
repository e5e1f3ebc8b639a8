"""The contract: what a platform has to say so that the framework can read it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar, Generic, Protocol, TypeVar
from uuid import UUID

from pydantic import BaseModel, SecretStr

from crowd_pipelines.http.client import HttpClient
from crowd_pipelines.http.pacing import RateLimit
from crowd_pipelines.http.redaction import names_secret
from crowd_pipelines.http.refusals import RefusalTable
from crowd_pipelines.http.transport import Headers
from crowd_pipelines.model.records import ActivityType, KnownMember, MemberAttribute
from crowd_pipelines.model.streams import Json, Stream, StreamResult

SettingsT = TypeVar("SettingsT", bound=BaseModel)
CredentialsT = TypeVar("CredentialsT", bound=BaseModel)
ApiT = TypeVar("ApiT")


class BudgetScope(StrEnum):
    """Whom a provider's rate limits count."""

    CREDENTIAL = "credential"  # each token has its own budget
    HOST = "host"  # all requests from us to the provider share one, as limits per IP address do


Exchange = Callable[[Mapping[str, Any]], Mapping[str, Any] | None]
"""Gets the credentials as they are stored now, every text a `Secret`; returns the keys that change, or None."""


class Connector(Protocol):
    """Makes HTTP clients that are paced by the shared budget and stop with the slice."""

    @property
    def base_url(self) -> str:
        """The platform's base URL; an API that is not below it may be another path of its host."""
        ...

    def http(
        self,
        *,
        base_url: str | None = None,
        headers: Headers | None = None,
        secrets: Sequence[str | SecretStr] = (),
        budget: str | SecretStr | None = None,
        body_bytes: int | None = None,
        **options: Any,
    ) -> HttpClient:
        """Return a client for the platform's base URL; `options` go to `HttpClient`.

        `base_url` is an address that a user gave, such as a forum's own; nothing else may come from a user. Unless it
        is the platform's or the operator's, the client goes only where `crowd_pipelines.http.guard` lets it, and this
        raises AddressRefused where that can be seen at once.

        `budget` names whom the provider counts (one of several tokens, say) where that is not all credentials together.
        `body_bytes` is how large an answer may be where the usual is too little.
        """
        ...

    def renew(self, exchange: Exchange) -> Mapping[str, Any]:
        """Change the stored credentials, as tokens that serve only once demand; returns those that are valid now.

        Only one at a time gets to `exchange`, whichever process it is in, and what it returns is stored before anybody
        can use it. It should take a few seconds at most: whoever writes to the integration's row waits for it.
        """
        ...


def nobody_known(*, after: str | None, limit: int, unseen_for: timedelta) -> Sequence[KnownMember]:  # noqa: ARG001
    """Return no members: for integration runs without a database."""
    return ()


def nothing_owed(places: Sequence[str]) -> Mapping[str, frozenset[str]]:  # noqa: ARG001
    """Return nothing: for integration runs without a database."""
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a stream reads: a repository, a channel, a list.

    `key` is stable within the integration, `label` what people call it. `stream` reads the whole place from the start;
    where the credentials turn out not to reach the place, this is what is owed. `itself` says that the stream that was
    asked about is a page of the place, and not of something below it.
    """

    key: str
    label: str
    stream: Stream
    itself: bool = False


class MemberReader(Protocol):
    """Reads members that the tenant knows."""

    def __call__(self, *, after: str | None, limit: int, unseen_for: timedelta) -> Sequence[KnownMember]:
        """Return members with a user id beyond `after`, in order, whose reach was not seen for `unseen_for`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RunContext(Generic[SettingsT, ApiT]):
    """What an integration may know of the integration run: values, one API client, its watermarks, known members.

    `preprocessed` is what `preprocess` returned, as JSON, also after a resume; `state` is what the `postprocess` of
    earlier integration runs left. `known_members` are those of `member_platform`. Times are UTC.

    `onboarding` says that everything is to be read: in an onboarding, and in a check for what was owed until now.
    `read_owed` returns, for keys of places, the permissions that were missing there: the framework tries them again
    once a day, so that nothing else needs to. An onboarding, which asks for everything, is told of none.
    """

    integration_id: UUID
    onboarding: bool
    started_at: datetime
    settings: SettingsT
    api: ApiT
    read_watermarks: Callable[[Sequence[str]], Mapping[str, Json]]
    preprocessed: Json = field(default_factory=dict)
    state: Json = field(default_factory=dict)
    known_members: MemberReader = nobody_known
    read_owed: Callable[[Sequence[str]], Mapping[str, frozenset[str]]] = nothing_owed


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """What an integration run did, for `postprocess`."""

    streams: int
    processed: int
    skipped: int
    failed: int
    activities: int
    members: int
    quarantined: int
    requests: int
    owed: int = 0
    unread: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """Keys of an integration's settings and state to be changed; the others stay as they are.

    `notices` tell the user in sentences what keeps something from being read, and what to do; None leaves the old ones.
    """

    settings: Json = field(default_factory=dict)
    state: Json = field(default_factory=dict)
    notices: tuple[str, ...] | None = None


def open_credentials(credentials_type: type[BaseModel]) -> list[str]:
    """Return the fields of credentials that are plain texts, although their names say that they carry a secret."""
    return [
        name
        for name, field_ in credentials_type.model_fields.items()
        if names_secret(name) and "Secret" not in str(field_.annotation)
    ]


class Integration(ABC, Generic[SettingsT, CredentialsT, ApiT]):
    """One platform. Stateless: everything of one integration comes in with the run context.

    The framework calls `preprocess`, `create_member_attributes` and `get_streams` once per integration run, then
    `process_stream` for every stream from several threads at once, at last `postprocess`. Errors are raised by what
    must happen: see `crowd_pipelines.http.errors`.
    """

    platform: ClassVar[str]
    """The stable name: in the database, in variables, of the Dagster job."""

    title: ClassVar[str]
    """The name that people read."""

    description: ClassVar[str]
    """What is read and from where, for the Dagster UI."""

    api_url: ClassVar[str]
    """The default base URL; `CROWD_<PLATFORM>_API_URL` replaces it."""

    settings_type: type[SettingsT]
    credentials_type: type[CredentialsT]
    app_credentials: ClassVar[tuple[str, ...]] = ()
    """Credentials of the installation, from `CROWD_<PLATFORM>_<NAME>` of the environment; stored ones stand above."""

    credentials_of: ClassVar[str | None] = None
    """The platform whose integration of the same tenant lends its credentials, its budget and its address."""

    member_platform: ClassVar[str | None] = None
    """The platform of the members that are read, where that is another one."""

    stream_types: ClassVar[tuple[type[Stream], ...]]
    activity_types: ClassVar[tuple[ActivityType, ...]]
    member_attributes: ClassVar[tuple[MemberAttribute, ...]] = ()

    ticks_between_checks: ClassVar[int]
    """Minutes from check to check; 0 = every minute, negative = never."""

    global_limit: ClassVar[int | None] = None
    """Records per `limit_reset_frequency` and integration; None = no limit."""

    limit_reset_frequency: ClassVar[timedelta] = timedelta(hours=1)
    onboarding_limit_factor: ClassVar[float] = 1.0
    """The part of the global limit that an onboarding may use."""

    rate_limits: ClassVar[Mapping[str, RateLimit]] = {}
    """The provider's own limits per bucket."""

    budget_scope: ClassVar[BudgetScope] = BudgetScope.CREDENTIAL
    max_concurrency: ClassVar[int] = 4
    """Streams processed at once by one process."""

    refusals: ClassVar[RefusalTable | None] = None
    """The refusals that the provider documents; the how-to page of the platform shows the same table."""

    @abstractmethod
    def connect(self, connector: Connector, credentials: CredentialsT) -> ApiT:
        """Return the client of the provider's API. Makes no request."""

    @abstractmethod
    def check_credentials(self, api: ApiT, settings: SettingsT) -> None:
        """Make one cheap call. Raises CredentialsRejected, or Gone naming a setting that leads nowhere."""

    def preprocess(self, run: RunContext[SettingsT, ApiT]) -> Json:  # noqa: ARG002  for those who need it
        """Load what the whole integration run needs. Stored with it, so that a resume does not pay again."""
        return {}

    def create_member_attributes(self) -> tuple[MemberAttribute, ...]:
        """Return the member attributes that this platform fills."""
        return self.member_attributes

    @abstractmethod
    def get_streams(self, run: RunContext[SettingsT, ApiT]) -> Sequence[Stream]:
        """Return the root streams. Called once per integration run, never on a resume."""

    @abstractmethod
    def process_stream(self, stream: Any, run: RunContext[SettingsT, ApiT]) -> StreamResult:
        """Fetch one page and return everything that follows from it. Reads from the provider only."""

    def is_processing_finished(
        self,
        *,
        stream: Stream,  # noqa: ARG002  for those who need it
        result: StreamResult,  # noqa: ARG002
        run: RunContext[SettingsT, ApiT],  # noqa: ARG002
    ) -> bool:
        """Tell whether a check has read far enough to leave out the next page. Asked when there is one."""
        return False

    def postprocess(self, run: RunContext[SettingsT, ApiT], summary: RunSummary) -> Patch:  # noqa: ARG002
        """Return changes to settings and state, once, when no stream of the integration run is left."""
        return Patch()

    def place_of(self, stream: Any) -> Place | None:  # noqa: ARG002  for those who need it
        """Return the place that a stream reads; None where each stream is a place of its own.

        A stream equal to its place's own is the place, and so is one of which the place says `itself`: a further page.
        That it is "not found" is no proof that it is gone, so it is owed. A stream below it is gone only while the
        place still answers.
        """
        return None

    def confirm_place(self, stream: Any, run: RunContext[SettingsT, ApiT]) -> None:
        """See with one cheap call that the place of a stream still answers. Raises a ProviderError when it does not.

        Asked when a stream below a place is not found.
        """

    def load_stream(self, kind: str, parameters: Mapping[str, Any]) -> Stream:
        """Return the stream that the queue holds under this kind. Raises LookupError when there is no such kind."""
        for stream_type in self.stream_types:
            if stream_type.model_fields["kind"].default == kind:
                return stream_type.model_validate({**parameters, "kind": kind})
        raise LookupError(f"{self.platform} has no stream of kind {kind!r}; was it renamed?")
