"""Answers of the simulated X that are no data."""

from collections.abc import Mapping
from typing import Any

from crowd_pipelines.sandbox.messages import Response, json_response

PROBLEMS = "https://api.twitter.com/2/problems"


class Refused(Exception):
    """Carries the answer out of wherever it was decided."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status)
        self.response = response


def problem(status: int, title: str, detail: str, kind: str | None = None, **more: Any) -> dict[str, Any]:
    named = f"{PROBLEMS}/{kind}" if kind else "about:blank"
    return {"title": title, "detail": detail, "type": named, "status": status, **more}


def unauthorized(violation: str | None = None) -> Refused:
    body = problem(401, "Unauthorized", "Unauthorized")
    return Refused(json_response(body, status=401, violation=violation))


def not_found(violation: str) -> Refused:
    return Refused(json_response(problem(404, "Not Found", "Not Found"), status=404, violation=violation))


def too_many() -> Response:
    return json_response(problem(429, "Too Many Requests", "Too Many Requests"), status=429)


def capped(what: str) -> Response:
    if what == "credits":
        detail = "Your enrolled account [1] does not have any credits to fulfill this request."
        return json_response(problem(402, "CreditsDepleted", detail, "credits", account_id=1), status=402)
    if what == "spending":
        detail = "Your enrolled account [1] has reached its billing cycle spend cap."
        return json_response({"title": "SpendCapReached", "detail": detail, "account_id": 1}, status=403)
    detail = "Usage cap exceeded: Monthly product cap"
    more = {"account_id": 1, "product_name": "standard-basic", "period": "Monthly", "scope": "Product"}
    return json_response(problem(429, "UsageCapExceeded", detail, "usage-capped", **more), status=429)


def forbidden(reason: str) -> Response:
    if reason == "scope":
        return json_response(problem(403, "Forbidden", "Forbidden"), status=403)
    if reason == "protected":
        about = {"value": "1", "parameter": "id", "resource_id": "1", "resource_type": "user", "section": "data"}
        detail = "Sorry, you are not authorized to see the user with id: [1]."
        lost = problem(200, "Authorization Error", detail, "not-authorized-for-resource", **about)
        return json_response({"errors": [lost]})
    if reason == "app-only":
        detail = "Authenticating with OAuth 2.0 Application-Only is forbidden for this endpoint."
        lost = problem(403, "Unsupported Authentication", detail, "unsupported-authentication")
        return json_response(lost, status=403)
    detail = "The app has to be attached to a project whose plan includes this endpoint."
    more = {
        "reason": reason,
        "required_enrollment": "Appropriate Level of API Access",
        "registration_url": "https://developer.x.com/en/docs/projects/overview",
        "client_id": "1",
    }
    return json_response(problem(403, "Client Forbidden", detail, "client-forbidden", **more), status=403)


def invalid(errors: Mapping[str, tuple[str, str]], *, violation: bool = True) -> Refused:
    """A parameter's name with its value and what is wrong about it."""
    told = [{"parameters": {name: [value]}, "message": message} for name, (value, message) in errors.items()]
    body = problem(400, "Invalid Request", "One or more parameters to your request was invalid.", "invalid-request")
    del body["status"]
    reasons = "; ".join(message for _, message in errors.values())
    return Refused(json_response({"errors": told, **body}, status=400, violation=reasons if violation else None))
