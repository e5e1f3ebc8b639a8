"""Slack's errors, which come with status 200, by what must happen next.

Source: the error tables of the methods' documentation. A code that stands in no table is evidence.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from crowd_pipelines.http.outcomes import Outcome, Response, Verdict

INVALID_CURSOR = "invalid_cursor"
LIMIT_REQUIRED = "limit_required"
MISSING_SCOPE = "missing_scope"

_NEEDED_BY_EVERYTHING = frozenset({"auth.test", "users.list"})
"""Without these methods there is nothing to be read at all."""

_COPY_IT = "Copy the bot token (xoxb-...) from OAuth & Permissions of your Slack app."
_INSTALL_IT = "Install the app to the workspace again, and use the new bot token."
_CREDENTIALS = {
    "not_authed": f"Slack got no token. {_COPY_IT}",
    "invalid_auth": f"Slack does not know this token. {_COPY_IT}",
    "not_allowed_token_type": f"Slack does not allow this kind of token here. {_COPY_IT}",
    "account_inactive": f"The token belongs to an app or a user that was removed. {_INSTALL_IT}",
    "token_revoked": f"The token was revoked. {_INSTALL_IT}",
    "token_expired": "The token has expired, since the app has token rotation on. Use an app without it.",
    "org_login_required": "The workspace is being moved to an organization. Connect it again when that is done.",
    "team_access_not_granted": "The organization has not let the app into this workspace. Ask its administrator to.",
}
_GONE = {
    "channel_not_found": "The channel does not exist any more, or the app was removed from it.",
    "not_in_channel": "The app is not in the channel; invite it there to have it read.",
    "is_archived": "The channel was archived.",
    "thread_not_found": "The thread was deleted.",
    "user_not_found": "There is no such user.",
    "user_not_visible": "The app may not see this user.",
    "no_permission": "The workspace does not permit the app to read this.",
    "access_denied": "The workspace does not permit the app to read this.",
    "ekm_access_denied": "The workspace's administrators have suspended access to what is written there.",
    "method_not_supported_for_channel_type": "Slack does not offer this for such a channel.",
}
_PASSING = ("internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org")
_OVER_THE_RATE = ("ratelimited", "rate_limited")
_ANSWERED_BY_ANOTHER_REQUEST = (INVALID_CURSOR, LIMIT_REQUIRED)

_VERDICTS: Mapping[str, Verdict] = {
    **{code: Verdict(outcome=Outcome.CREDENTIALS, reason=reason) for code, reason in _CREDENTIALS.items()},
    **{code: Verdict(outcome=Outcome.GONE, reason=f"{reason} It is skipped.") for code, reason in _GONE.items()},
    **{code: Verdict(outcome=Outcome.RETRY) for code in _PASSING},
    **{code: Verdict(outcome=Outcome.RATE_LIMITED) for code in _OVER_THE_RATE},
    **{code: Verdict(outcome=Outcome.OK) for code in _ANSWERED_BY_ANOTHER_REQUEST},
}


def judge(response: Response) -> Verdict | None:
    """Tell what an answer with `"ok": false` means; None for all others."""
    body = response.json
    if not isinstance(body, dict) or body.get("ok") is not False:
        return None
    code = str(body.get("error"))
    if code == MISSING_SCOPE:
        return _missing_scope(method_of(response.url), body)
    known = _VERDICTS.get(code)
    # A refusal with a status of its own says enough by that.
    return known or (Verdict(outcome=Outcome.UNEXPECTED) if response.status == 200 else None)


def method_of(url: str) -> str:
    """Return Slack's name of the method that an address calls."""
    return urlsplit(url).path.rpartition("/")[2]


def needed_scope(body: Any) -> str:
    """Return the scope that a refusal asks for."""
    return str(body.get("needed") or "that this needs")


def _missing_scope(method: str, body: Any) -> Verdict:
    if method == "conversations.list":
        # One scope may be there for public channels and none for private ones: the caller asks for less.
        return Verdict(outcome=Outcome.OK)
    reason = (
        f"The app lacks the scope {needed_scope(body)}. "
        "Add it under OAuth & Permissions of your Slack app, then install the app to the workspace again."
    )
    outcome = Outcome.CREDENTIALS if method in _NEEDED_BY_EVERYTHING else Outcome.GONE
    return Verdict(outcome=outcome, reason=reason)
