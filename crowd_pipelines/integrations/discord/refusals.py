"""What Discord's refusals mean. Its codes know better than the status, and much better than a rate header."""

import re

from crowd_pipelines.http.outcomes import Outcome, Response, Verdict

_MISSING_ACCESS = 50001
_UNKNOWN_GUILD = 10004
_MAY_HEAL = frozenset({130000, 110000, 202})
"""Overloaded, and indexes that are being built."""

_OF_WHAT_IS_GONE = frozenset({403, 404, 410, 451})

_OF_THE_GUILD = re.compile(r"/guilds/[^/?]+(?:/channels|/threads/active)?(?:\?|\Z)")

_TOKEN = Verdict(
    outcome=Outcome.CREDENTIALS,
    reason=(
        "Discord does not accept the bot's token: it was reset, or it is incomplete. Copy the present one from the "
        "Developer Portal, under Bot."
    ),
)
_NOT_IN_GUILD = Verdict(
    outcome=Outcome.CREDENTIALS,
    reason=(
        "The bot is not in this server: it was removed, or guild_id is wrong. Invite it again with the link from the "
        "Developer Portal, under OAuth2."
    ),
)
_NO_PERMISSION = Verdict(outcome=Outcome.GONE, reason="The bot lacks a permission for this; it is skipped.")
_WRONG_TYPE = Verdict(outcome=Outcome.GONE, reason="Channels of this type have nothing to read; it is skipped.")


def judge(response: Response) -> Outcome | Verdict | None:
    """Tell what an answer means where the status alone does not."""
    if response.status < 300:
        return Outcome.RETRY if response.status == 202 else None
    if response.status == 401:
        return _TOKEN
    if response.status == 429:
        return None
    code = response.json.get("code") if isinstance(response.json, dict) else None
    return _by_code(response, code if isinstance(code, int) else None)


def _by_code(response: Response, code: int | None) -> Outcome | Verdict | None:
    if code in _MAY_HEAL:
        return Outcome.RETRY
    if code == _UNKNOWN_GUILD or (code == _MISSING_ACCESS and _OF_THE_GUILD.search(response.url)):
        return _NOT_IN_GUILD
    if code == 50024:
        return _WRONG_TYPE
    if code == 40333:
        return Verdict(outcome=Outcome.UNEXPECTED, reason="Discord wants another User-Agent of us.")
    if code is None and response.status in _OF_WHAT_IS_GONE:
        # It comes from the network in front of Discord, and says nothing about a channel.
        return Outcome.RETRY
    return _NO_PERMISSION if response.status == 403 else None


def closes_everything(response: Response) -> bool:
    """Tell whether a refusal for rate is about the bot or our address, not about one route."""
    if not isinstance(response.json, dict):
        # The network in front of Discord, whose bans are for everything.
        return True
    return response.json.get("global") is True or "X-RateLimit-Global" in response.headers
