"""What GitHub refuses and fails with, by its documentation, and what each answer means to us.

GraphQL tells most of it in a 200: as the type of an error, or in its message alone. The code of a row is that type, or
the words of the message by which GitHub's documentation and its answers tell one refusal from another.
"""

from collections.abc import Collection

from crowd_pipelines.http.outcomes import Outcome, Response
from crowd_pipelines.http.refusals import Refusal, RefusalTable
from crowd_pipelines.integrations.github.problems import Problem, problems_of, roots

_DOCS = "https://docs.github.com/en"
_REST = f"{_DOCS}/rest/using-the-rest-api/troubleshooting-the-rest-api"
_REST_LIMITS = f"{_DOCS}/rest/using-the-rest-api/rate-limits-for-the-rest-api"
_GRAPHQL_LIMITS = f"{_DOCS}/graphql/overview/rate-limits-and-query-limits-for-the-graphql-api"
_GRAPHQL = f"{_DOCS}/graphql/guides/forming-calls-with-graphql"
_PAGES = f"{_DOCS}/graphql/guides/using-pagination-in-the-graphql-api"
_SSO = f"{_DOCS}/enterprise-cloud@latest/authentication/authenticating-with-single-sign-on"
_ADDRESSES = (
    f"{_DOCS}/enterprise-cloud@latest/organizations/keeping-your-organization-secure/"
    "managing-security-settings-for-your-organization/managing-allowed-ip-addresses-for-your-organization"
)
_OAUTH = f"{_DOCS}/organizations/managing-oauth-access-to-your-organizations-data/about-oauth-app-access-restrictions"
_FINE = (
    f"{_DOCS}/organizations/managing-programmatic-access-to-your-organization/"
    "setting-a-personal-access-token-policy-for-your-organization"
)
_APPS = f"{_DOCS}/apps/creating-github-apps/authenticating-with-a-github-app"
_STARS = "https://github.blog/changelog/2026-06-30-upcoming-access-restrictions-to-public-api-endpoints-and-ui-views/"
_SCOPES = f"{_DOCS}/apps/oauth-apps/building-oauth-apps/scopes-for-oauth-apps"
_DMCA = "https://github.blog/changelog/2016-03-17-the-451-status-code-is-now-supported/"

ADDRESSES = "IP allow list"
STARS = "stargazers"
NO_INSTALLATION = "Not Found: access_tokens"
NO_OWNER = "repositoryOwner: null"
NO_GRAPHQL = (
    "There seems to be no GraphQL at this address (of what is gone, GitHub tells in another way): check "
    "CROWD_GITHUB_API_URL if that lasts."
)
STARS_CLOSED = (
    "GitHub shows who starred a repository to its admins and collaborators only. Connect with a token of one of them: "
    "a classic one with public_repo (repo where it is private), or a fine-grained one with Contents: write beside "
    "Metadata: read."
)
_NEW_TOKEN = "GitHub does not accept this token any more: create another one and connect again."  # noqa: S105
_APP = "GitHub does not let the app in: check the app's id, the installation's id and the private key."
_OURS = "GitHub does not understand the query; the evidence is kept."
_SCOPE = "The token lacks a scope: grant it, or connect with another token."


def _limited(code: str, source: str, *statuses: int) -> Refusal:
    reason = "It is asked again when GitHub says, else after a minute and longer each time."
    message = f"You have exceeded it: {code.lower().replace('_', ' ')}. Please wait."
    return Refusal(
        code=code, statuses=statuses, outcome=Outcome.RATE_LIMITED, reason=reason, source=source,
        body={"errors": [{"type": code, "message": message}]} if code.isupper() else {"message": message},
    )  # fmt: skip


def _typed(kind: str, message: str, *path: str | int) -> dict[str, object]:
    error = {**({"type": kind} if kind else {}), "path": list(path), "message": message}
    return {"data": {str(path[0] if path else "repository"): None}, "errors": [error]}


def _permission(code: str, message: str, reason: str, source: str, *statuses: int) -> Refusal:
    return Refusal(
        code=code, statuses=statuses, outcome=Outcome.PERMISSION, reason=reason, source=source,
        body=_typed("FORBIDDEN", message, "repository") if 200 in statuses else {"message": message},
    )  # fmt: skip


def _credentials(code: str, message: str, reason: str, source: str, *statuses: int) -> Refusal:
    return Refusal(
        code=code, statuses=statuses, outcome=Outcome.CREDENTIALS, reason=reason, source=source,
        body={"message": message, "documentation_url": source},
    )  # fmt: skip


def _passing(code: str, message: str, reason: str) -> Refusal:
    return Refusal(
        code=code, statuses=(200,), outcome=Outcome.RETRY, reason=reason, source=_GRAPHQL,
        body=_typed(code, message, "repository"),
    )  # fmt: skip


def _invalid(code: str, message: str, source: str = _GRAPHQL) -> Refusal:
    kind = code if code.isupper() else ""
    return Refusal(
        code=code, statuses=(200,), outcome=Outcome.UNEXPECTED, reason=_OURS, source=source,
        body={"errors": [{**({"type": kind} if kind else {}), "message": message}]},
    )  # fmt: skip


ROWS = (
    _limited("RATE_LIMITED", _GRAPHQL_LIMITS, 200),
    _limited("RATE_LIMIT", _GRAPHQL_LIMITS, 200),
    _limited("API rate limit exceeded", _REST_LIMITS, 200, 403, 429),
    _limited("secondary rate limit", _GRAPHQL_LIMITS, 200, 403, 429),
    _limited("abuse detection", _REST_LIMITS, 200, 403, 429),
    Refusal(
        code="NOT_FOUND",
        statuses=(200,),
        outcome=Outcome.GONE,
        reason="It is gone or not visible to these credentials; of a repository or owner that is no proof, so it is "
        "owed.",
        source=_GRAPHQL,
        body=_typed("NOT_FOUND", "Could not resolve to a Repository with the name 'octo/app'.", "repository"),
    ),
    Refusal(
        code=NO_OWNER,
        statuses=(200,),
        outcome=Outcome.GONE,
        reason="GitHub knows no such owner, or does not show them to these credentials, so they are owed.",
        source=f"{_DOCS}/graphql/reference/queries#repositoryowner",
        body={"data": {"repositoryOwner": None}},
    ),
    _credentials("Bad credentials", "Bad credentials", _NEW_TOKEN, _REST),
    _credentials("Requires authentication", "Requires authentication", _NEW_TOKEN, _REST, 401),
    _credentials(
        "requires you to be authenticated", "This endpoint requires you to be authenticated.", _NEW_TOKEN, _GRAPHQL, 401
    ),
    _credentials(
        "account was suspended",
        "Sorry. Your account was suspended",
        "GitHub suspended the account that the token is of: ask GitHub, or connect with another token.",
        _REST,
        403,
    ),
    _credentials("JSON web token", "A JSON web token could not be decoded", _APP, _APPS, 401),
    _credentials(
        "claim ('exp')",
        "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion "
        "expires",
        f"{_APP} The clock of this machine may be wrong, too.",
        _APPS,
        401,
    ),
    _credentials(
        "claim ('iat')",
        "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued",
        f"{_APP} The clock of this machine may be wrong, too.",
        _APPS,
        401,
    ),
    _credentials("Integration not found", "Integration not found", _APP, _APPS, 404),
    _credentials(NO_INSTALLATION, "Not Found", f"{_APP} It may be uninstalled.", _APPS, 404),
    _credentials(
        "installation has been suspended",
        "This installation has been suspended",
        "The app's installation is suspended: whoever owns the organization can take that back.",
        _APPS,
        403,
    ),
    _permission(
        "SAML enforcement",
        "Resource protected by organization SAML enforcement. You must grant your OAuth token access to this "
        "organization.",
        "The organization demands single sign-on: authorize the token for it (the token's page, Configure SSO).",
        _SSO,
        200,
        403,
    ),
    _permission(
        "OAuth App access restrictions",
        "Although you appear to have the correct authorization credentials, the `octo` organization has enabled OAuth "
        "App access restrictions, meaning that data access to third-parties is limited.",
        "The organization admits no unknown OAuth apps: an owner can approve this one, or use a personal token.",
        _OAUTH,
        200,
        403,
    ),
    _permission(
        "forbids access via",
        "`octo` forbids access via a personal access token (classic). Please use a GitHub App, OAuth App, or a "
        "personal access token with fine-grained permissions.",
        "The organization's policy does not admit this kind of token: connect with one that it admits.",
        _FINE,
        200,
        403,
    ),
    _permission(
        "not accessible by integration",
        "Resource not accessible by integration",
        "The app lacks a permission for it: see which ones the app needs, and accept them in the installation.",
        _REST,
        200,
        403,
    ),
    _permission(
        "not accessible by personal access token",
        "Resource not accessible by personal access token",
        "The fine-grained token lacks a permission for it, or was not given this repository.",
        _REST,
        200,
        403,
    ),
    Refusal(
        code=STARS,
        statuses=(200,),
        outcome=Outcome.PERMISSION,
        reason=STARS_CLOSED,
        source=_STARS,
        body=_typed("FORBIDDEN", "Resource not accessible", "node", "stargazers"),
    ),
    Refusal(
        code="INSUFFICIENT_SCOPES",
        statuses=(200,),
        outcome=Outcome.PERMISSION,
        reason=_SCOPE,
        source=_SCOPES,
        body=_typed("INSUFFICIENT_SCOPES", "Your token has not been granted the required scopes.", "repository"),
    ),
    Refusal(
        code="FORBIDDEN",
        statuses=(200,),
        outcome=Outcome.PERMISSION,
        reason="These credentials may not see it: ask whoever owns it for access.",
        source=_GRAPHQL,
        body=_typed("FORBIDDEN", "You do not have access.", "repository"),
    ),
    Refusal(
        code="Repository access blocked",
        statuses=(200, 403, 451),
        outcome=Outcome.PERMISSION,
        reason="GitHub blocked the repository, for a legal claim for instance; nobody can read it until that is over.",
        source=_DMCA,
        body={"message": "Repository access blocked", "block": {"reason": "dmca"}},
    ),
    Refusal(
        code=ADDRESSES,
        statuses=(200, 403),
        outcome=Outcome.REFUSED,
        reason="The organization admits only some IP addresses, and this machine's is not among them: it proves "
        "nothing about what was asked for. Have its address allowed, or ask from one that is.",
        source=_ADDRESSES,
        body=_typed(
            "FORBIDDEN",
            "Although you appear to have the correct authorization credentials, the `octo` organization has an IP "
            "allow list enabled, and your IP address is not permitted to access this resource.",
            "repository",
        ),
    ),
    Refusal(
        code="Not Found",
        statuses=(404,),
        outcome=Outcome.RETRY,
        reason=NO_GRAPHQL,
        source=_GRAPHQL,
        body={"message": "Not Found", "documentation_url": _REST},
    ),
    _passing("SERVICE_UNAVAILABLE", "Service unavailable", "GitHub is out of order: it is tried again."),
    _passing("INTERNAL", "Internal error", "GitHub failed by itself: it is tried again."),
    Refusal(
        code="",
        statuses=(502, 504),
        outcome=Outcome.RETRY,
        reason="GitHub could not answer in time: the page is asked for by halves.",
        source=_GRAPHQL_LIMITS,
        body={"message": "We couldn't respond to your request in time."},
    ),
    Refusal(
        code="Something went wrong while executing your query",
        statuses=(200,),
        outcome=Outcome.OK,
        reason="GitHub could not answer in time: the page is asked for by halves.",
        source=_GRAPHQL_LIMITS,
        body={
            "data": None,
            "errors": [
                {
                    "message": "Something went wrong while executing your query. This may be the result of a timeout, "
                    "or it could be a GitHub bug."
                }
            ],
        },
    ),
    Refusal(
        code="RESOURCE_LIMITS_EXCEEDED",
        statuses=(200,),
        outcome=Outcome.OK,
        reason="The query was too much: the page is asked for by halves.",
        source=_GRAPHQL_LIMITS,
        body=_typed("RESOURCE_LIMITS_EXCEEDED", "Resource limits for this query exceeded.", "repository"),
    ),
    Refusal(
        code="INVALID_CURSOR_ARGUMENTS",
        statuses=(200,),
        outcome=Outcome.OK,
        reason="A list cannot go on where it stopped, so it is begun again.",
        source=_PAGES,
        body=_typed("INVALID_CURSOR_ARGUMENTS", "`Y3Vyc29y` does not appear to be a valid cursor.", "node"),
    ),
    _invalid("MAX_NODE_LIMIT_EXCEEDED", "This query requests up to 600,000 possible nodes.", _GRAPHQL_LIMITS),
    _invalid("MISSING_PAGINATION_BOUNDARIES", "You must provide a `first` or `last` value.", _PAGES),
    _invalid("EXCESSIVE_PAGINATION", "Requesting 200 records exceeds the `first` limit of 100 records.", _PAGES),
    _invalid("ARGUMENT_LIMIT", "You may not provide more than 100 node ids; you provided 101."),
    _invalid("doesn't exist on type", "Field 'stars' doesn't exist on type 'Repository'"),
    _invalid("Parse error on", 'Parse error on "}" (RCURLY) at [3, 1]'),
    Refusal(
        code="Problems parsing JSON",
        statuses=(400,),
        outcome=Outcome.UNEXPECTED,
        reason=_OURS,
        source=_REST,
        body={"message": "Problems parsing JSON", "documentation_url": _REST},
    ),
)

_WORDS = tuple(row.code for row in ROWS if not row.code.isupper() and row.code not in ("", STARS))
_CLOSING = frozenset({"not accessible by integration", "not accessible by personal access token"})
_TROUBLES = frozenset({"SERVICE_UNAVAILABLE", "INTERNAL", "RESOURCE_LIMITS_EXCEEDED", "RATE_LIMITED", "RATE_LIMIT"})


def codes_of(response: Response) -> Collection[str] | None:
    """Return GitHub's types and words in an answer; None for a body that is none of GitHub's."""
    body = response.json
    if not isinstance(body, dict):
        return None
    problems, message = tuple(problems_of(body)), body.get("message")
    if not problems and not isinstance(message, str):
        return (NO_OWNER,) if response.status == 200 and _is_nobody(body) else None
    said = " ".join([str(message or ""), *(problem.message for problem in problems)])
    words = words_in(said)
    if ADDRESSES in words:
        # An error of the same type as those about permissions, and of the network all the same.
        return (ADDRESSES,)
    if any(is_about_stars(problem) for problem in problems):
        return (STARS,)
    if response.status == 404 and response.url.partition("?")[0].endswith("/access_tokens"):
        return words - {"Not Found"} or (NO_INSTALLATION,)
    return words | {kind for problem in problems for kind in (problem.type, problem.code) if kind}


def words_in(message: str) -> frozenset[str]:
    """Return the words of a message by which GitHub's answers are told apart."""
    return frozenset(words for words in _WORDS if words.lower() in message.lower())


def is_about_stars(problem: Problem) -> bool:
    """Whether an error says, by its place, that who starred a repository is closed to these credentials."""
    otherwise = problem.type in _TROUBLES or problem.code or words_in(problem.message) - _CLOSING
    return problem.last == STARS and not otherwise


def _is_nobody(body: dict[str, object]) -> bool:
    data = body.get("data")
    return isinstance(data, dict) and "repositoryOwner" in data and not any(value is not None for value in roots(data))


REFUSALS = RefusalTable(ROWS, codes_of=codes_of)
