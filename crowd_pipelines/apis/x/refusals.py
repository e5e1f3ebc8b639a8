"""X's refusals: what it documents that it answers instead of data, and what each of them means to us.

The table is closed. What stands in no row, and whatever is not X's own (a proxy's page, another service's JSON), proves
nothing about what was asked for: it comes due again.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from crowd_pipelines.http.errors import UnexpectedPayload
from crowd_pipelines.http.outcomes import Outcome, Response, Verdict
from crowd_pipelines.http.refusals import Refusal, RefusalTable
from crowd_pipelines.model import clock

TOKEN_PATH = "/2/oauth2/token"  # noqa: S105  an address
LOOKUP_PATH = "/2/users"
BILLING_PERIOD = timedelta(days=30)

_DOCS = "https://docs.x.com/x-api/fundamentals/response-codes-and-errors"
_SPEC = "https://api.x.com/2/openapi.json"
_PRICES = "https://docs.x.com/x-api/getting-started/pricing"
_CODES = "https://developer.x.com/en/support/x-api/error-troubleshooting"
_OAUTH = "https://docs.x.com/resources/fundamentals/authentication/oauth-2-0/authorization-code"
_RFC = "https://www.rfc-editor.org/rfc/rfc6749#section-5.2"

_GENERIC = "about:blank"
_TYPE = re.compile(r"https://api\.(?:twitter|x)\.com/2/problems/([a-z0-9-]{1,60})")
_TELLING_TITLES = frozenset({"SpendCapReached", "CreditsDepleted", "UsageCapExceeded"})
"""Titles that only X gives, also where the type of the problem is none of its addresses."""

_CAPPED = frozenset({"usage-capped", "credits", "credits-depleted", *_TELLING_TITLES})
_AGAIN = "Authorise the app again in X and connect with the new access token and refresh token."
_PAY = (
    "The app has used up what its plan pays for; raise the cap or buy credits in X's developer console, or wait for "
    "the next billing period."
)
_PLAN = "The app's plan does not include this; attach the app to a project with a plan that does."
_NO_STREAM = "This is about streams, which are not read, so it says nothing about a list; it is asked for again."


class InvalidParameters(UnexpectedPayload):
    """X cannot take some parameters of a request; `names` are theirs."""

    def __init__(self, message: str, *, names: frozenset[str], evidence: str) -> None:
        super().__init__(message, evidence=evidence)
        self.names = names


def codes_of(response: Response) -> frozenset[str] | None:
    """Return X's own words in an answer: the kinds of its problems, their reasons, its old numbers, OAuth's errors.

    None for an answer that is not X's. Of an answer that shows something, nothing is a refusal.
    """
    body = response.json
    if not isinstance(body, dict):
        return None
    if TOKEN_PATH in response.url and isinstance(body.get("error"), str):
        return frozenset({body["error"]})
    return frozenset(_codes(body, response.status)) or None


def hides(problem: Any) -> bool:
    """Tell whether a problem beside data says that a resource is not to be seen, by the table."""
    verdict = REFUSALS.judge(Response(status=HTTPStatus.OK, url="", headers={}, json={"errors": [problem]}))
    return verdict is not None and verdict.outcome in (Outcome.GONE, Outcome.PERMISSION)


def judge(response: Response) -> Outcome | Verdict | None:
    """Tell what no row can: that a lookup may find nobody, and until when what is used up stays so."""
    if response.status == HTTPStatus.OK and urlsplit(response.url).path.endswith(LOOKUP_PATH):
        return Outcome.OK
    if is_capped(response) and (verdict := REFUSALS.judge(response)):
        return replace(verdict, until=clock.now() + BILLING_PERIOD)
    return None


def is_capped(response: Response) -> bool:
    """Tell whether X refuses whatever is asked, since the account has used up what it pays for."""
    return response.status >= HTTPStatus.BAD_REQUEST and bool((codes_of(response) or frozenset()) & _CAPPED)


def _codes(body: dict[str, Any], status: int) -> Iterator[str]:
    listed = body.get("errors")
    problems = [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []
    if status >= HTTPStatus.BAD_REQUEST:
        yield from _problem_codes(body, status)
    elif any(body.get(name) is not None for name in ("data", "meta")):
        return
    for problem in problems:
        yield from _problem_codes(problem, status)
        if isinstance(problem.get("code"), int) and isinstance(problem.get("message"), str):
            yield str(problem["code"])


def _problem_codes(problem: dict[str, Any], status: int) -> Iterator[str]:
    named = _TYPE.fullmatch(str(problem.get("type")))
    title, reason = problem.get("title"), problem.get("reason")
    if named:
        yield from filter(None, (named[1], reason if isinstance(reason, str) else None))
    elif _is_generic(problem, status):
        yield _GENERIC
    if title in _TELLING_TITLES:
        yield str(title)


def _is_generic(problem: dict[str, Any], status: int) -> bool:
    """Others answer with problems of this type, too; X's own say the status' phrase twice and nothing else."""
    phrase = next((known.phrase for known in HTTPStatus if known == status), None)
    same = problem.get("title") == problem.get("detail") == phrase and problem.get("status", status) == status
    return problem.get("type") == _GENERIC and same


def _problem(kind: str, title: str, detail: str = "", **more: Any) -> dict[str, Any]:
    return {"title": title, "detail": detail or title, "type": f"https://api.x.com/2/problems/{kind}", **more}


def _generic(status: HTTPStatus) -> dict[str, Any]:
    return {"title": status.phrase, "detail": status.phrase, "type": _GENERIC, "status": int(status)}


def _about(kind: str, title: str, detail: str) -> dict[str, Any]:
    subject = {"resource_type": "user", "parameter": "id", "resource_id": "7", "value": "7"}
    return {"errors": [_problem(kind, title, detail, **subject)]}


def _numbered(code: int, message: str) -> dict[str, Any]:
    return {"errors": [{"code": code, "message": message}]}


def _oauth(error: str, description: str) -> dict[str, Any]:
    return {"error": error, "error_description": description}


_LIMITS = (
    Refusal(
        code="rate-limit-exceeded",
        statuses=(429,),
        outcome=Outcome.RATE_LIMITED,
        reason="X allows so many requests in 15 minutes; the rest waits until the window ends.",
        source=_DOCS,
        body=_problem("rate-limit-exceeded", "Rate Limit Exceeded"),
    ),
    Refusal(
        code=_GENERIC,
        statuses=(429,),
        outcome=Outcome.RATE_LIMITED,
        reason="X allows so many requests in 15 minutes; the rest waits until the window ends.",
        source=_DOCS,
        body=_generic(HTTPStatus.TOO_MANY_REQUESTS),
    ),
    Refusal(
        code="88",
        outcome=Outcome.RATE_LIMITED,
        statuses=(429,),
        reason="X allows so many requests in 15 minutes; the rest waits until the window ends.",
        source=_CODES,
        body=_numbered(88, "Rate limit exceeded"),
    ),
    Refusal(
        code="usage-capped",
        statuses=(403, 429),
        outcome=Outcome.RATE_LIMITED,
        reason=_PAY,
        source=_DOCS,
        body=_problem("usage-capped", "UsageCapExceeded", "Usage cap exceeded: Monthly product cap", period="Monthly"),
    ),
    Refusal(
        code="credits",
        statuses=(402, 403, 429),
        outcome=Outcome.RATE_LIMITED,
        reason=_PAY,
        source=_PRICES,
        body=_problem("credits", "CreditsDepleted", "Your enrolled account [7] does not have any credits."),
    ),
    Refusal(
        code="credits-depleted",
        statuses=(402, 403, 429),
        outcome=Outcome.RATE_LIMITED,
        reason=_PAY,
        source=_PRICES,
        body=_problem("credits-depleted", "Payment Required", "credits depleted", status=402),
    ),
    Refusal(
        code="SpendCapReached",
        statuses=(402, 403, 429),
        outcome=Outcome.RATE_LIMITED,
        reason="The spending limit of the app's account is reached; raise it in X's developer console, or wait for the "
        "next billing cycle.",
        source=_PRICES,
        body={"title": "SpendCapReached", "detail": "Your enrolled account [7] reached its billing cycle spend cap."},
    ),
)

_GONE = (
    Refusal(
        code="resource-not-found",
        statuses=(200, 404),
        outcome=Outcome.GONE,
        reason="X knows no such account or post; it may be deleted or suspended. Check the settings.",
        source=_DOCS,
        body=_about("resource-not-found", "Not Found Error", "Could not find user with id: [7]."),
    ),
    Refusal(
        code=_GENERIC,
        statuses=(404,),
        outcome=Outcome.GONE,
        reason="X has nothing at this address; check the settings.",
        source=_DOCS,
        body=_generic(HTTPStatus.NOT_FOUND),
    ),
    Refusal(
        code="34",
        statuses=(404,),
        outcome=Outcome.GONE,
        reason="X has nothing at this address; check the settings.",
        source=_CODES,
        body=_numbered(34, "Sorry, that page does not exist."),
    ),
    Refusal(
        code="50",
        statuses=(403, 404),
        outcome=Outcome.GONE,
        reason="X knows no such account; check the settings.",
        source=_CODES,
        body=_numbered(50, "User not found."),
    ),
)

_CREDENTIALS = (
    Refusal(
        code=_GENERIC,
        statuses=(401,),
        outcome=Outcome.CREDENTIALS,
        reason=f"X does not accept the access token. {_AGAIN}",
        source=_DOCS,
        body=_generic(HTTPStatus.UNAUTHORIZED),
    ),
    Refusal(
        code="32",
        statuses=(401,),
        outcome=Outcome.CREDENTIALS,
        reason=f"X does not accept the access token. {_AGAIN}",
        source=_CODES,
        body=_numbered(32, "Could not authenticate you."),
    ),
    Refusal(
        code="89",
        statuses=(401, 403),
        outcome=Outcome.CREDENTIALS,
        reason=f"The access token is invalid or has ended. {_AGAIN}",
        source=_CODES,
        body=_numbered(89, "Invalid or expired token."),
    ),
    Refusal(
        code="215",
        statuses=(400, 401),
        outcome=Outcome.CREDENTIALS,
        reason=f"X takes the access token for none. {_AGAIN}",
        source=_CODES,
        body=_numbered(215, "Bad Authentication data."),
    ),
    Refusal(
        code="64",
        statuses=(403,),
        outcome=Outcome.CREDENTIALS,
        reason="The account that authorised the app is suspended; sign in to X as that account or connect another.",
        source=_CODES,
        body=_numbered(64, "Your account is suspended and is not permitted to access this feature."),
    ),
    Refusal(
        code="326",
        statuses=(403,),
        outcome=Outcome.CREDENTIALS,
        reason="The account that authorised the app is locked; sign in to X as that account to unlock it.",
        source=_CODES,
        body=_numbered(326, "To protect our users from spam and other malicious activity, this account is locked."),
    ),
    Refusal(
        code="416",
        statuses=(401, 403),
        outcome=Outcome.CREDENTIALS,
        reason="X has suspended the app; see its developer console.",
        source=_CODES,
        body=_numbered(416, "Invalid or suspended application."),
    ),
)

_TOKENS = (
    Refusal(
        code="invalid_request",
        statuses=(400, 401),
        outcome=Outcome.CREDENTIALS,
        reason=f"X no longer accepts the refresh token, each of which serves once. {_AGAIN}",
        source=_OAUTH,
        body=_oauth("invalid_request", "Value passed for the token was invalid."),
    ),
    Refusal(
        code="invalid_grant",
        statuses=(400, 401),
        outcome=Outcome.CREDENTIALS,
        reason=f"X no longer accepts the refresh token, each of which serves once. {_AGAIN}",
        source=_RFC,
        body=_oauth("invalid_grant", "The refresh token is invalid."),
    ),
    *(
        Refusal(
            code=code,
            statuses=(400, 401, 403),
            outcome=Outcome.CREDENTIALS,
            reason="X does not know the app that wants to renew the access token; check CROWD_TWITTER_CLIENT_ID and "
            "CROWD_TWITTER_CLIENT_SECRET.",
            source=source,
            body=_oauth(code, "Missing valid authorization header"),
        )
        for code, source in (("unauthorized_client", _OAUTH), ("invalid_client", _RFC))
    ),
    *(
        Refusal(
            code=code,
            statuses=(400,),
            outcome=Outcome.CREDENTIALS,
            reason=f"X does not let the app renew its access token: switch on OAuth 2.0 for it, with offline.access. "
            f"{_AGAIN}",
            source=_RFC,
            body=_oauth(code, "The app may not do this."),
        )
        for code in ("unsupported_grant_type", "invalid_scope")
    ),
)

_PERMISSIONS = (
    Refusal(
        code="client-not-enrolled",
        statuses=(403,),
        outcome=Outcome.PERMISSION,
        permission="plan",
        reason=_PLAN,
        source=_SPEC,
        body=_problem("client-forbidden", "Client Forbidden", "Attach the app.", reason="client-not-enrolled"),
    ),
    Refusal(
        code="official-client-forbidden",
        statuses=(403,),
        outcome=Outcome.PERMISSION,
        permission="official client",
        reason="X shows this to its own clients only.",
        source=_SPEC,
        body=_problem("client-forbidden", "Client Forbidden", "Not you.", reason="official-client-forbidden"),
    ),
    Refusal(
        code="client-forbidden",
        statuses=(403,),
        outcome=Outcome.PERMISSION,
        permission="plan",
        reason=_PLAN,
        source=_DOCS,
        body=_problem("client-forbidden", "Client Forbidden"),
    ),
    Refusal(
        code="453",
        statuses=(403,),
        outcome=Outcome.PERMISSION,
        permission="plan",
        reason=_PLAN,
        source=_CODES,
        body=_numbered(453, "You currently have access to a subset of X API V2 endpoints."),
    ),
    Refusal(
        code="not-authorized-for-resource",
        statuses=(200, 401, 403),
        outcome=Outcome.PERMISSION,
        permission="protected account",
        reason="The account is protected: connect with tokens of the account itself, or of one that follows it.",
        source=_DOCS,
        body=_about("not-authorized-for-resource", "Authorization Error", "Sorry, you are not authorized to see it."),
    ),
    Refusal(
        code="not-authorized-for-field",
        statuses=(200, 403),
        outcome=Outcome.PERMISSION,
        permission="fields",
        reason="X does not show a field of this to these credentials.",
        source=_SPEC,
        body=_about("not-authorized-for-field", "Field Authorization Error", "Sorry, you are not authorized."),
    ),
    Refusal(
        code="disallowed-resource",
        statuses=(200, 403),
        outcome=Outcome.PERMISSION,
        permission="withheld",
        reason="X withholds this: it goes against the rules of the API.",
        source=_SPEC,
        body=_about("disallowed-resource", "Disallowed Resource", "This resource is not allowed."),
    ),
    Refusal(
        code="resource-unavailable",
        statuses=(200, 403, 404),
        outcome=Outcome.PERMISSION,
        permission="unavailable",
        reason="X does not show this at present.",
        source=_SPEC,
        body=_about("resource-unavailable", "Resource Unavailable", "This resource is unavailable."),
    ),
    Refusal(
        code="unsupported-authentication",
        statuses=(403,),
        outcome=Outcome.PERMISSION,
        permission="an account's tokens",
        reason="An app's own bearer token may not read this; connect with the tokens of an account.",
        source=_SPEC,
        body=_problem("unsupported-authentication", "Unsupported Authentication", status=403),
    ),
    Refusal(
        code="oauth1-permissions",
        statuses=(403,),
        outcome=Outcome.PERMISSION,
        permission="app permissions",
        reason="The app lacks a permission; set Read in its user authentication settings and authorise it again.",
        source=_SPEC,
        body=_problem("oauth1-permissions", "Forbidden", status=403),
    ),
    Refusal(
        code=_GENERIC,
        statuses=(403,),
        outcome=Outcome.PERMISSION,
        permission="scope",
        reason="X does not show this to these credentials; the token may lack a scope of tweet.read, users.read and "
        "follows.read.",
        source=_DOCS,
        body=_generic(HTTPStatus.FORBIDDEN),
    ),
    *(
        Refusal(
            code=code,
            statuses=(401, 403),
            outcome=Outcome.PERMISSION,
            permission=permission,
            reason=reason,
            source=_CODES,
            body=_numbered(int(code), message),
        )
        for code, permission, reason, message in (
            ("63", "suspended account", "X has suspended the account that is to be read.", "User has been suspended."),
            ("179", "protected account", "The account is protected.", "Sorry, you are not authorized to see this."),
            ("220", "scope", "These credentials do not reach this.", "Your credentials do not allow access to this."),
        )
    ),
)

_PASSING = (
    *(
        Refusal(
            code=_GENERIC,
            statuses=(int(status),),
            outcome=Outcome.RETRY,
            reason="X is in trouble; it is asked again.",
            source=_DOCS,
            body=_generic(status),
        )
        for status in (
            HTTPStatus.INTERNAL_SERVER_ERROR,
            HTTPStatus.BAD_GATEWAY,
            HTTPStatus.SERVICE_UNAVAILABLE,
            HTTPStatus.GATEWAY_TIMEOUT,
        )
    ),
    *(
        Refusal(
            code=code,
            statuses=(500, 503),
            outcome=Outcome.RETRY,
            reason="X is in trouble; it is asked again.",
            source=_CODES,
            body=_numbered(int(code), message),
        )
        for code, message in (("130", "Over capacity"), ("131", "Internal error"))
    ),
    Refusal(
        code=_GENERIC,
        statuses=(400,),
        outcome=Outcome.REFUSED,
        reason="X takes the request for malformed and does not say why; it is asked for again.",
        source=_DOCS,
        body=_generic(HTTPStatus.BAD_REQUEST),
    ),
    *(
        Refusal(
            code=code,
            outcome=Outcome.REFUSED,
            statuses=(400, 403, 409),
            reason=_NO_STREAM,
            source=_SPEC,
            body=_problem(code, "Streams"),
        )
        for code in (
            "streaming-connection",
            "client-disconnected",
            "operational-disconnect",
            "rule-cap",
            "invalid-rules",
            "duplicate-rules",
            "noncompliant-rules",
            "conflict",
        )
    ),
)

_HANDLED = (
    Refusal(
        code="invalid-request",
        statuses=(400,),
        outcome=Outcome.OK,
        reason="What X cannot take is left out where the list is the same without it (a beginning that lies too far "
        "back, a page token that has ended); a hashtag that X does not search for is owed; all else is a mistake of "
        "ours, which is kept as evidence.",
        source=_DOCS,
        body={
            **_problem("invalid-request", "Invalid Request", "One or more parameters to your request was invalid."),
            "errors": [{"parameters": {"max_results": ["7000"]}, "message": "max_results is too large"}],
        },
    ),
)

REFUSALS = RefusalTable(
    [*_LIMITS, *_GONE, *_CREDENTIALS, *_TOKENS, *_PERMISSIONS, *_PASSING, *_HANDLED], codes_of=codes_of
)
"""Every refusal that X documents for what is read."""
