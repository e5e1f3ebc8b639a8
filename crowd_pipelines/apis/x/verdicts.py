"""What X's refusals mean, where the status alone does not tell."""

from datetime import timedelta
from http import HTTPStatus

from crowd_pipelines.apis.x.payloads import Problem, problem_of
from crowd_pipelines.http.errors import UnexpectedPayload
from crowd_pipelines.http.outcomes import Outcome, Response, Verdict
from crowd_pipelines.model import clock

TOKEN_PATH = "/2/oauth2/token"  # noqa: S105  an address
BILLING_PERIOD = timedelta(days=30)

_CAPPED = frozenset({"usage-capped", "credits"})
_AGAIN = "Authorise the app again in X and connect with the new access token and refresh token."


class InvalidParameters(UnexpectedPayload):
    """X cannot take some parameters of a request; `names` are theirs."""

    def __init__(self, message: str, *, names: frozenset[str], evidence: str) -> None:
        super().__init__(message, evidence=evidence)
        self.names = names


def judge(response: Response) -> Outcome | Verdict | None:
    """Tell what an answer means; None leaves it to the usual table."""
    problem = problem_of(response.json)
    if TOKEN_PATH in response.url:
        return _of_token(response)
    match response.status:
        case HTTPStatus.BAD_REQUEST if problem.parameters:
            return Outcome.OK  # understood: whoever asked decides what to leave out
        case HTTPStatus.UNAUTHORIZED:
            return Verdict(outcome=Outcome.CREDENTIALS, reason=f"X does not accept the access token. {_AGAIN}")
        case HTTPStatus.FORBIDDEN if problem.title:
            return Verdict(outcome=Outcome.GONE, reason=_forbidden(problem))
        case _ if is_capped(response):
            return Verdict(
                outcome=Outcome.RATE_LIMITED,
                reason="The app has used up what its plan pays for; raise the cap or buy credits in X's developer "
                "console, or wait for the next billing period.",
                until=clock.now() + BILLING_PERIOD,
            )
    return None


def is_capped(response: Response) -> bool:
    """Tell whether X refuses whatever is asked, since the account has used up what it pays for."""
    if response.status == HTTPStatus.PAYMENT_REQUIRED:
        return True
    return response.status == HTTPStatus.TOO_MANY_REQUESTS and problem_of(response.json).kind in _CAPPED


def _of_token(response: Response) -> Verdict | None:
    """A refused renewal: asking again would change nothing."""
    refused = (HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
    if response.status not in refused:
        return None
    error = response.json.get("error") if isinstance(response.json, dict) else None
    if error in ("unauthorized_client", "invalid_client"):
        return Verdict(
            outcome=Outcome.CREDENTIALS,
            reason="X does not know the app that wants to renew the access token; check CROWD_TWITTER_CLIENT_ID and "
            "CROWD_TWITTER_CLIENT_SECRET.",
        )
    return Verdict(
        outcome=Outcome.CREDENTIALS,
        reason=f"X no longer accepts the refresh token, each of which serves once. {_AGAIN}",
    )


def _forbidden(problem: Problem) -> str:
    if problem.kind == "client-forbidden":
        return "The app's plan does not include this; attach the app to a project with a plan that does."
    return (
        f"X does not show this to these credentials ({problem.text}); the account may be protected, or the token may "
        "lack a scope of tweet.read, users.read and follows.read."
    )
