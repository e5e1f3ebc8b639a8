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

_VERDICTS: Mapping[str, Verdict] = {
    **{code: Verdict(outcome=Outcome.CREDENTIALS, reason=reason) for code, reason in _CREDENTIALS.items()},
    **{code: Verdict(outcome=Outcome.RETRY) for code in _PASSING},
    **{code: Verdict(outcome=Outcome.RATE_LIMITED) for code in _OVER_THE_RATE},
    # The caller goes on in another way, or tells people in fewer words than a failed request would.
    **{code: Verdict(outcome=Outcome.OK) for code in (INVALID_CURSOR, LIMIT_REQUIRED, MISSING_SCOPE, *_GONE)},
}


def judge(response: Response) -> Verdict | None:
    """Tell what an answer with `"ok": false` means; None for all others."""
    body = response.json
    if not isinstance(body, dict) or body.get("ok") is not False:
        return None
    code = str(body.get("error"))
    if code == MISSING_SCOPE and _method_of(response.url) in _NEEDED_BY_EVERYTHING:
        return Verdict(outcome=Outcome.CREDENTIALS, reason=remedy_of(body))
    known = _VERDICTS.get(code)
    if known and (known.outcome is not Outcome.OK or response.status == 200):
        return known
    # A refusal with a status of its own says enough by that.
    return Verdict(outcome=Outcome.UNEXPECTED) if response.status == 200 else None


def gone_reason(code: Any) -> str | None:
    """Return why something cannot be read, None for an error of another kind."""
    return _GONE.get(code) if isinstance(code, str) else None


def needed_scope(body: Any) -> str:
    """Return the scope that a refusal asks for."""
    return str(body.get("needed") or "that this needs")


def remedy_of(body: Any) -> str:
    """Return what to do about a missing scope."""
    return (
        f"The app lacks the scope {needed_scope(body)}. "
        "Add it under OAuth & Permissions of your Slack app, then install the app to the workspace again."
    )


def _method_of(url: str) -> str:
    return urlsplit(url).path.rpartition("/")[2]
