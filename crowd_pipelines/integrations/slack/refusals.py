"""Slack's errors, which come as codes in an answer with status 200, and what each of them means to us.

Source: the error tables of the methods that we call, and the errors that every method may answer.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from crowd_pipelines.http.outcomes import Outcome, Response, Verdict
from crowd_pipelines.http.refusals import Refusal, RefusalTable

INVALID_CURSOR = "invalid_cursor"
LIMIT_REQUIRED = "limit_required"
MISSING_SCOPE = "missing_scope"
NOBODY = frozenset({"user_not_found", "user_not_visible"})
"""The codes of `users.info` for an id behind which nobody is to be seen."""

ORGANIZATION_WIDE = (
    "The token is that of a whole organization (Enterprise Grid), which may have several workspaces: "
    'name the one to be read in the setting "team_id", as in {"team_id": "T024BE91L"}.'
)

_STATUSES: Mapping[Outcome, tuple[int, ...]] = {Outcome.RATE_LIMITED: (429, 200), Outcome.CREDENTIALS: ()}
"""Slack's errors come with status 200, but for limits; about the token they say the same whatever the status."""

_SCOPES = re.compile(r"[a-zA-Z0-9_.:, -]{1,200}")

_METHODS = "https://docs.slack.dev/reference/methods/"
_EVERY_METHOD = f"{_METHODS}auth.test"
_HISTORY = f"{_METHODS}conversations.history"
_REPLIES = f"{_METHODS}conversations.replies"
_CHANNELS = f"{_METHODS}conversations.list"
_PEOPLE = f"{_METHODS}users.list"
_PERSON = f"{_METHODS}users.info"
_LIMITS = "https://docs.slack.dev/apis/web-api/rate-limits"

_COPY_IT = "Copy the bot token (xoxb-...) from OAuth & Permissions of your Slack app."
_INSTALL_IT = "Install the app to the workspace again, and use the new bot token."
_ADD_SCOPES = "Add it under OAuth & Permissions of your Slack app, then install the app to the workspace again."
_OURS = "Slack refuses the form of our request, which is a mistake of ours: report it with the evidence that is kept."


_BAD_FORM = (
    "invalid_arg_name", "invalid_arguments", "invalid_array_arg", "invalid_charset", "invalid_form_data",
    "invalid_post_type", "missing_post_type", "invalid_json", "json_not_object",
)  # fmt: skip
_BAD_SPAN = ("invalid_ts_latest", "invalid_ts_oldest", "invalid_metadata_filter_keys")
_RETIRED = ("deprecated_endpoint", "method_deprecated", "unknown_method", "upgrade_required")


def _codes_of(response: Response) -> Collection[str] | None:
    """Return Slack's code; None for whatever is not Slack's own refusal."""
    body = response.json
    if not isinstance(body, dict) or body.get("ok") is not False or not isinstance(body.get("error"), str):
        return None
    return (body["error"],)


def _rows(outcome: Outcome, source: str, reasons: Mapping[str, str]) -> Iterator[Refusal]:
    """Yield a row for each code with its reason."""
    statuses = _STATUSES.get(outcome, (200,))
    for code, reason in reasons.items():
        body = {"ok": False, "error": code}
        yield Refusal(code=code, outcome=outcome, reason=reason, source=source, statuses=statuses, body=body)


_GONE_CHANNEL = (
    "Slack shows the app no such channel: it was deleted, or the app was removed from it. Invite the app there again, "
    "if it still exists."
)
_CREDENTIALS = {
    "not_authed": f"Slack got no token. {_COPY_IT}",
    "invalid_auth": "Slack does not accept this token, or not from this network, where the app is limited to some "
    f"addresses. {_COPY_IT}",
    "not_allowed_token_type": f"Slack does not allow this kind of token here. {_COPY_IT}",
    "account_inactive": f"The token belongs to an app or a user that was removed. {_INSTALL_IT}",
    "token_revoked": f"The token was revoked. {_INSTALL_IT}",
    "token_expired": "The token has expired, since the app has token rotation on. Use an app without it.",
    "two_factor_setup_required": "The workspace demands two-factor authentication of the account that installed the "
    "app. Set it up, then connect again.",
}
_CHANNEL_PERMISSIONS = {
    MISSING_SCOPE: f"The app lacks the scope that the answer names as `needed`. {_ADD_SCOPES}",
    "not_in_channel": "The app is not in the channel. Invite it there with /invite to have it read.",
    "channel_is_limited_access": "The channel belongs to a Salesforce record that the app has no access to.",
}
_PERMISSIONS = {
    "no_permission": "The workspace does not permit the app to read this. Ask its administrator, and see that the app "
    "is in the channel.",
    "access_denied": "The workspace does not permit the app to read this. Ask its administrator.",
    "ekm_access_denied": "The organization's administrators have suspended access to what is written there.",
    "enterprise_is_restricted": "The organization does not permit this method. Ask its administrator.",
    "team_access_not_granted": "The organization has not let the app into this workspace. Ask its administrator to.",
}
_LIST_PERMISSIONS = {
    "invalid_types": "The app's scopes do not let it list this kind of channels: it needs channels:read for public and "
    f"groups:read for private ones. {_ADD_SCOPES}",
    "method_not_supported_for_channel_type": "Slack does not offer this for such a channel.",
}
_IN_TROUBLE = ("internal_error", "fatal_error", "service_unavailable", "request_timeout")
_TROUBLE = "Slack is in trouble; it is asked again."
_MOVING = "The workspace is being moved to an organization. What is missing is read when that is done."
_NETWORK = (
    "Slack does not let this network use the method. Allow its addresses in the settings of your Slack app and of the "
    "organization."
)


def _limits() -> Iterator[Refusal]:
    told = "Slack allows a number of requests per method and minute; we wait for as long as it says."
    yield from _rows(Outcome.RATE_LIMITED, _LIMITS, {"ratelimited": told, "rate_limited": told})


def _gone() -> Iterator[Refusal]:
    yield from _rows(Outcome.GONE, _HISTORY, {"channel_not_found": _GONE_CHANNEL})
    yield from _rows(Outcome.GONE, _REPLIES, {"thread_not_found": "The thread was deleted."})


def _permissions() -> Iterator[Refusal]:
    yield from _rows(Outcome.PERMISSION, _HISTORY, _CHANNEL_PERMISSIONS)
    yield from _rows(Outcome.PERMISSION, _EVERY_METHOD, _PERMISSIONS)
    yield from _rows(Outcome.PERMISSION, _CHANNELS, _LIST_PERMISSIONS)
    archived = {"is_archived": "The channel is archived, and Slack does not show it."}
    yield from _rows(Outcome.PERMISSION, f"{_METHODS}conversations.join", archived)


def _passing() -> Iterator[Refusal]:
    yield from _rows(Outcome.RETRY, _EVERY_METHOD, dict.fromkeys(_IN_TROUBLE, _TROUBLE))
    yield from _rows(Outcome.RETRY, _EVERY_METHOD, {"team_added_to_org": _MOVING})
    yield from _rows(Outcome.RETRY, _REPLIES, {"list_record_comment_fetch_failed": _TROUBLE})
    waiting = {"org_login_required": _MOVING, "accesslimited": _NETWORK}
    yield from _rows(Outcome.REFUSED, _EVERY_METHOD, waiting)


def _permanent() -> Iterator[Refusal]:
    retired = "Slack no longer offers this method: update this program."
    yield from _rows(Outcome.UNEXPECTED, _EVERY_METHOD, dict.fromkeys(_BAD_FORM, _OURS))
    yield from _rows(Outcome.UNEXPECTED, _EVERY_METHOD, dict.fromkeys(_RETIRED, retired))
    yield from _rows(Outcome.UNEXPECTED, _HISTORY, dict.fromkeys(_BAD_SPAN, _OURS))
    yield from _rows(Outcome.UNEXPECTED, _CHANNELS, {"invalid_limit": _OURS})
    yield from _rows(Outcome.UNEXPECTED, _PERSON, {"too_many_users": _OURS})
    yield from _rows(Outcome.UNEXPECTED, _PEOPLE, {"missing_argument": ORGANIZATION_WIDE})


def _handled() -> Iterator[Refusal]:
    again = "The cursor is too old. The list is started again, a history below what came."
    kept = "Nobody is to be seen behind the id, which stands for the name."
    yield from _rows(Outcome.OK, _HISTORY, {INVALID_CURSOR: again})
    yield from _rows(Outcome.OK, _PEOPLE, {LIMIT_REQUIRED: "The list of people is read in smaller pages."})
    yield from _rows(Outcome.OK, _PERSON, dict.fromkeys(sorted(NOBODY), kept))


REFUSALS = RefusalTable(
    [
        *_limits(),
        *_gone(),
        *_rows(Outcome.CREDENTIALS, _EVERY_METHOD, _CREDENTIALS),
        *_permissions(),
        *_passing(),
        *_permanent(),
        *_handled(),
    ],
    codes_of=_codes_of,
)


def judge(response: Response) -> Verdict | None:
    """Name the scope that is missing, which no row can; None for every other answer."""
    if response.status != 200 or _codes_of(response) != (MISSING_SCOPE,):
        return None
    scope = needed_scope(response.json)
    return Verdict(
        outcome=Outcome.PERMISSION, reason=f"The app lacks the scope {scope}. {_ADD_SCOPES}", permission=scope
    )


def needed_scope(body: Any) -> str:
    """Return the scope that a refusal asks for."""
    needed = body.get("needed")
    return needed if isinstance(needed, str) and _SCOPES.fullmatch(needed) else "that this needs"
