"""How the server feels today: what a test has ordered it to refuse, beyond what it refuses always."""

from dataclasses import dataclass, field

from graphql import GraphQLError, Node

SAML = (
    "Resource protected by organization SAML enforcement. You must grant your OAuth token access to this organization."
)
NOT_FOR_INTEGRATIONS = "Resource not accessible by integration"


class Failed(GraphQLError):
    """An error that GitHub gives a type."""

    def __init__(self, kind: str, message: str, *, asked: Node | None = None) -> None:
        super().__init__(message, asked, extensions={"type": kind})


@dataclass(slots=True, kw_only=True)
class Heavy:
    """Queries for more nodes than `above` fail, `times` times or (None) always."""

    above: int
    answer: str
    times: int | None = None


@dataclass(slots=True, kw_only=True)
class Refusal:
    """The next `times` requests are refused with a secondary limit."""

    status: int
    retry_after: int | None
    times: int
    old_wording: bool = False
    installation: bool = False


@dataclass(slots=True, kw_only=True)
class ClosedStars:
    """Who starred a repository (its id), or any, is not for this token: told in a `way`."""

    repository: int | None
    way: str


@dataclass(slots=True, kw_only=True)
class Addresses:
    """After so many requests, `times` others or (None) all come from an address that is not allowed."""

    status: int
    after: int
    times: int | None


@dataclass(slots=True, kw_only=True)
class Contradiction:
    """A field that says of itself what does not agree, `times` times or (None) always."""

    field: str
    way: str
    times: int | None


@dataclass(slots=True, kw_only=True)
class Forbidden:
    """A field (`Repository.discussions`) that is not for this token, of one repository's (its id) or of all."""

    field: str
    repository: int | None
    saml: bool = False


@dataclass(slots=True, kw_only=True)
class Moods:
    """All that is ordered."""

    heavy: list[Heavy] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    forbidden: list[Forbidden] = field(default_factory=list)
    missing_scopes: dict[str, str] = field(default_factory=dict)
    """The scope that a field would need."""
    partial_scopes: bool = False
    """Whether such a query is answered without those fields, instead of not at all."""

    closed_stars: list[ClosedStars] = field(default_factory=list)
    addresses: list[Addresses] = field(default_factory=list)
    hidden: set[int] = field(default_factory=set)
    """Repositories that come as null in lists."""

    contradictions: list[Contradiction] = field(default_factory=list)

    def stars_of(self, repository: int) -> str | None:
        """In which way the stars of a repository are closed."""
        found = (order.way for order in self.closed_stars if order.repository in (None, repository))
        return next(found, None)

    def keeps_out(self) -> int | None:
        """The status with which a request is refused for its address; counts it."""
        for order in self.addresses:
            if order.after > 0:
                order.after -= 1
            elif order.times != 0:
                order.times = None if order.times is None else order.times - 1
                return order.status
        return None

    def contradiction(self, field_: str) -> str | None:
        """In which way a field contradicts itself; counts it."""
        for order in self.contradictions:
            if order.field == field_ and order.times != 0:
                order.times = None if order.times is None else order.times - 1
                return order.way
        return None

    def burdened(self, nodes: int) -> Heavy | None:
        """The first order that a query for so many nodes runs into; counts it."""
        for order in self.heavy:
            if nodes > order.above and order.times != 0:
                order.times = None if order.times is None else order.times - 1
                return order
        return None

    def refusal(self) -> Refusal | None:
        """The next refusal in line; counts it."""
        pending = next((order for order in self.refusals if order.times), None)
        if pending:
            pending.times -= 1
        return pending

    def check(self, coordinate: str, repository: int | None) -> None:
        """Raises what is to be answered for this field instead of its value."""
        for order in self.forbidden:
            if order.field == coordinate and order.repository in (None, repository):
                raise Failed("FORBIDDEN", SAML if order.saml else NOT_FOR_INTEGRATIONS)
        if self.partial_scopes and coordinate in self.missing_scopes:
            raise Failed("INSUFFICIENT_SCOPES", insufficient(coordinate, self.missing_scopes[coordinate]))

    @property
    def watching(self) -> bool:
        """Whether any field has to be looked at."""
        return bool(self.forbidden or self.missing_scopes)


ADDRESSES = (
    "Although you appear to have the correct authorization credentials, the `cedar-labs` organization has an IP allow "
    "list enabled, and your IP address is not permitted to access this resource."
)
STARS = "You do not have access to the stargazers of this repository."


class Untyped(GraphQLError):
    """An error to which GitHub gives no type."""


def stars_refused(way: str) -> GraphQLError:
    """The error of a list of stars that is closed."""
    kind = {"forbidden": "FORBIDDEN", "not_found": "NOT_FOUND", "partial": "FORBIDDEN"}.get(way)
    return Failed(kind, STARS) if kind else Untyped(STARS)


def insufficient(coordinate: str, scope: str) -> str:
    return (
        f"Your token has not been granted the required scopes to execute this query. "
        f"The '{coordinate.partition('.')[2]}' field requires one of the following scopes: ['{scope}'], but your token "
        f"has only been granted the: ['public_repo'] scopes. Please modify your token's scopes at: "
        f"https://github.com/settings/tokens."
    )
