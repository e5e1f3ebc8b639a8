"""What Forem answers when it does not answer, and what each refusal means to us.

Source: the official description (`api_v1.json` of forem/forem-docs), and the server's own code where that is silent.
"""

from collections.abc import Collection
from typing import Any

from crowd_pipelines.http.outcomes import Outcome, Response
from crowd_pipelines.http.refusals import Refusal, RefusalTable

_API = "https://developers.forem.com/api/v1"
_CODE = "https://github.com/forem/forem/blob/main"
_CONTROLLER = f"{_CODE}/app/controllers/api/v1/api_controller.rb"
_CDN = f"{_CODE}/config/fastly/snippets/bad_bot_detection.vcl"


def codes_of(response: Response) -> Collection[str] | None:
    """Return what Forem says is wrong; None for an answer in which Forem does not name its error and its status.

    A refusal of the network in front of a site has another form, and says nothing about what was asked for. Rails, on
    which Forem is built, writes "Not Found" where it knows no such path: that is no row.
    """
    body = response.json
    if not isinstance(body, dict) or body.keys() != {"error", "status"} or body["status"] != response.status:
        return None
    return (body["error"],) if isinstance(body["error"], str) else None


def _said(error: str, status: int) -> dict[str, Any]:
    return {"error": error, "status": status}


REFUSALS = RefusalTable(
    [
        Refusal(
            statuses=(429,),
            code="",
            outcome=Outcome.RATE_LIMITED,
            reason="The site allows three requests a second and address; nothing is sent before the moment it names.",
            source=f"{_CODE}/config/initializers/rack_attack.rb",
            body="Retry later\n",
        ),
        Refusal(
            statuses=(404,),
            code="not found",
            outcome=Outcome.GONE,
            reason="What was asked for is not published on this site: it was deleted, unpublished or renamed.",
            source=_API,
            body=_said("not found", 404),
        ),
        Refusal(
            statuses=(401,),
            code="unauthorized",
            outcome=Outcome.CREDENTIALS,
            reason="The API key is not accepted, or the site is closed to strangers and no key is given;"
            " connect again with a key of somebody who may read the site.",
            source=_API,
            body=_said("unauthorized", 401),
        ),
        Refusal(
            statuses=(403,),
            code="forbidden",
            outcome=Outcome.PERMISSION,
            permission="reading",
            reason="Whoever the API key belongs to may not read this; ask the site's administrators for access.",
            source=_API,
            body=_said("forbidden", 403),
        ),
        Refusal(
            statuses=(403,),
            code="",
            outcome=Outcome.REFUSED,
            reason="The network in front of the site refuses, as it does to what it takes for a bot;"
            " that says nothing about what was asked for, so it will be tried again.",
            source=_CDN,
            body="",
        ),
        Refusal(
            statuses=(422,),
            code="",
            outcome=Outcome.UNEXPECTED,
            reason="The site cannot make sense of the request; repeating it will not help, so please report it.",
            source=_CONTROLLER,
            body=_said("param is missing or the value is empty: article", 422),
        ),
        Refusal(
            statuses=(500, 502, 503, 504),
            code="",
            outcome=Outcome.RETRY,
            reason="The site, or the network in front of it, is in trouble; it will be tried again.",
            source="https://github.com/forem/forem/issues/2536",
            body={"status": 500, "error": "Internal Server Error"},
        ),
    ],
    codes_of=codes_of,
)
