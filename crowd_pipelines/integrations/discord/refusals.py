"""What Discord's refusals mean: the closed list of those that it documents, by status and JSON code.

One code means different things in different places: without access to a server's list of channels the bot is not in
the server; without access to one channel it lacks a permission there. So a code says where it was answered, too.
"""

import re

from crowd_pipelines.http.outcomes import Outcome, Response
from crowd_pipelines.http.refusals import Refusal, RefusalTable

VIEW_CHANNEL = "View Channel"
READ_MESSAGE_HISTORY = "Read Message History"
CONNECT = "Connect"
MANAGE_THREADS = "Manage Threads"
MESSAGE_CONTENT = "Message Content Intent"
SERVER_MEMBERS = "Server Members Intent"
TWO_FACTOR = "two-factor authentication"

BEFORE_EVERYTHING = 50085
"""The code of an archive's page that would begin before there was anything: the list has ended."""

_DOCS = "https://discord.com/developers/docs"
_CODES = f"{_DOCS}/topics/opcodes-and-status-codes#json-json-error-codes"
_STATUSES = f"{_DOCS}/topics/opcodes-and-status-codes#http-http-response-codes"
_LIMITS = f"{_DOCS}/topics/rate-limits"

_PLACES = (
    (re.compile(r"/guilds/[^/?]+/(?:channels|threads/active)(?:\?|\Z)"), "of the server"),
    (re.compile(r"/guilds/[^/?]+/members(?:\?|\Z)"), "of the members"),
    (re.compile(r"/guilds/[^/?]+(?:/roles|/members/[^/?]+)?(?:\?|\Z)"), "of the bot's permissions"),
    (re.compile(r"(?<!@me)/threads/archived/private(?:\?|\Z)"), "of private threads"),
)
_DEPENDING_ON_PLACE = frozenset({10004, 50001, 50013})

_COPY_THE_TOKEN = "Copy the present one from the Developer Portal, under Bot."  # noqa: S105  it is advice
_INVITE_AGAIN = "Invite it again with the link from the Developer Portal, under OAuth2; then it is read on by itself."
_GIVE_IT = "Give it to the bot's role, in the channel or for the whole server."
NO_MANAGE_THREADS = (
    f"The bot lacks the permission {MANAGE_THREADS}, so archived private threads are read only where it was added to "
    f"them. {_GIVE_IT}"
)


def without(permission: str) -> str:
    """Return the sentence about a channel in which the bot lacks a permission."""
    return f"The bot lacks the permission {permission} there, so nothing of it is read. {_GIVE_IT}"


NO_CONTENTS = (
    "The bot lacks the Message Content Intent, so what messages say arrives empty. Switch it on in the Developer "
    "Portal, under Bot (where it is on: off and on again); then what was missed is read."
)
NO_MEMBERS = (
    "The bot lacks the Server Members Intent, so nobody who joined can be listed. Switch it on in the Developer Portal,"
    " under Bot."
)


def _body(code: int, message: str) -> dict[str, object]:
    return {"message": message, "code": code}


_ROWS = (
    Refusal(
        statuses=(429,),
        code="",
        outcome=Outcome.RATE_LIMITED,
        reason="The bot asks too much at once; Discord says for how long it has to wait.",
        source=_LIMITS,
        body={"message": "You are being rate limited.", "retry_after": 64.57, "global": False, "code": 0},
    ),
    Refusal(
        code="20028",
        outcome=Outcome.RATE_LIMITED,
        reason="Too much is going on in the channel; it is asked again later.",
        source=_CODES,
        body=_body(20028, "The channel you are writing has hit the write rate limit"),
    ),
    Refusal(
        code="20029",
        outcome=Outcome.RATE_LIMITED,
        reason="Too much is going on in the server; it is asked again later.",
        source=_CODES,
        body=_body(20029, "The write action you are performing on the server has hit the write rate limit"),
    ),
    Refusal(
        code="40062",
        outcome=Outcome.RATE_LIMITED,
        reason="A part of Discord is asked too much at once; it is asked again later.",
        source=_CODES,
        body=_body(40062, "Service resource is being rate limited"),
    ),
    Refusal(
        statuses=(404,),
        code="10003",
        outcome=Outcome.GONE,
        reason="The channel or thread was deleted, if Discord shows it nowhere else either.",
        source=_CODES,
        body=_body(10003, "Unknown Channel"),
    ),
    Refusal(
        statuses=(404,),
        code="10007",
        outcome=Outcome.GONE,
        reason="Nobody of that id is in the server.",
        source=_CODES,
        body=_body(10007, "Unknown Member"),
    ),
    Refusal(
        statuses=(404,),
        code="10008",
        outcome=Outcome.GONE,
        reason="The message was deleted.",
        source=_CODES,
        body=_body(10008, "Unknown Message"),
    ),
    Refusal(
        statuses=(400,),
        code="50024",
        outcome=Outcome.GONE,
        reason="Channels of this type have nothing to read.",
        source=_CODES,
        body=_body(50024, "Cannot execute action on this channel type"),
    ),
    Refusal(
        statuses=(401,),
        code="0",
        outcome=Outcome.CREDENTIALS,
        reason=f"Discord does not accept the bot's token: it was reset, or it is incomplete. {_COPY_THE_TOKEN}",
        source=_STATUSES,
        body=_body(0, "401: Unauthorized"),
    ),
    Refusal(
        statuses=(401,),
        code="40001",
        outcome=Outcome.CREDENTIALS,
        reason=f"Discord does not accept the bot's token: it is not valid any more. {_COPY_THE_TOKEN}",
        source=_CODES,
        body=_body(40001, "Unauthorized. Provide a valid token and try again"),
    ),
    Refusal(
        statuses=(401,),
        code="50014",
        outcome=Outcome.CREDENTIALS,
        reason=f"Discord does not accept the bot's token: it is not one. {_COPY_THE_TOKEN}",
        source=_CODES,
        body=_body(50014, "Invalid authentication token provided"),
    ),
    Refusal(
        statuses=(403, 404),
        code="10004 of the server",
        outcome=Outcome.CREDENTIALS,
        reason=f"The bot is not in this server: it was removed, or guild_id is wrong. {_INVITE_AGAIN}",
        source=_CODES,
        body=_body(10004, "Unknown Guild"),
    ),
    Refusal(
        statuses=(403,),
        code="50001 of the server",
        outcome=Outcome.CREDENTIALS,
        reason=f"The bot is not in this server any more: it was removed. {_INVITE_AGAIN}",
        source=_CODES,
        body=_body(50001, "Missing Access"),
    ),
    Refusal(
        statuses=(403,),
        code="50001 of the members",
        outcome=Outcome.PERMISSION,
        permission=SERVER_MEMBERS,
        reason=NO_MEMBERS,
        source=f"{_DOCS}/resources/guild#list-guild-members",
        body=_body(50001, "Missing Access"),
    ),
    Refusal(
        statuses=(403,),
        code="50001 of private threads",
        outcome=Outcome.PERMISSION,
        permission=MANAGE_THREADS,
        reason=NO_MANAGE_THREADS,
        source=f"{_DOCS}/resources/channel#list-private-archived-threads",
        body=_body(50001, "Missing Access"),
    ),
    Refusal(
        statuses=(403,),
        code="50013 of private threads",
        outcome=Outcome.PERMISSION,
        permission=MANAGE_THREADS,
        reason=NO_MANAGE_THREADS,
        source=f"{_DOCS}/resources/channel#list-private-archived-threads",
        body=_body(50013, "Missing Permissions"),
    ),
    Refusal(
        statuses=(403,),
        code="50001",
        outcome=Outcome.PERMISSION,
        permission=VIEW_CHANNEL,
        reason=f"The bot may not see it: it lacks the permission {VIEW_CHANNEL}, or in a voice channel {CONNECT}. "
        f"{_GIVE_IT}",
        source=_CODES,
        body=_body(50001, "Missing Access"),
    ),
    Refusal(
        statuses=(403,),
        code="50013",
        outcome=Outcome.PERMISSION,
        permission=READ_MESSAGE_HISTORY,
        reason=without(READ_MESSAGE_HISTORY),
        source=_CODES,
        body=_body(50013, "Missing Permissions"),
    ),
    Refusal(
        statuses=(403,),
        code="60003",
        outcome=Outcome.PERMISSION,
        permission=TWO_FACTOR,
        reason="The server asks two-factor authentication of its moderators, also of bots. Switch it on in the account "
        "that owns the bot.",
        source=_CODES,
        body=_body(60003, "Two factor is required for this operation"),
    ),
    Refusal(
        statuses=(403,),
        code="50009",
        outcome=Outcome.PERMISSION,
        permission="verification level",
        reason="The channel's verification level keeps the bot out. Lower it, or give the bot a role that passes it.",
        source=_CODES,
        body=_body(50009, "Channel verification level is too high for you to gain access"),
    ),
    Refusal(
        statuses=(403,),
        code="50095",
        outcome=Outcome.PERMISSION,
        permission="location",
        reason="Discord does not show this server where the program runs. Run it in another country.",
        source=_CODES,
        body=_body(50095, "This server is not available in your location"),
    ),
    Refusal(
        code="130000",
        outcome=Outcome.RETRY,
        reason="Discord is overloaded; it is asked again.",
        source=_CODES,
        body=_body(130000, "API resource is currently overloaded. Try again a little later"),
    ),
    Refusal(
        code="110000",
        outcome=Outcome.RETRY,
        reason="Discord is still building an index; it is asked again.",
        source=f"{_DOCS}/resources/message#search-guild-messages",
        body=_body(110000, "Index not yet available. Try again later"),
    ),
    Refusal(
        code="110001",
        outcome=Outcome.RETRY,
        reason="Discord does not have the bot's application at hand; it is asked again.",
        source=_CODES,
        body=_body(110001, "Application not yet available. Try again later"),
    ),
    Refusal(
        statuses=(202,),
        code="",
        outcome=Outcome.RETRY,
        reason="Discord has not got the answer yet; it is asked again.",
        source=f"{_DOCS}/resources/message#search-guild-messages",
        body={"message": "Index not yet available. Try again later", "code": 110000, "retry_after": 2},
    ),
    Refusal(
        code="40006",
        outcome=Outcome.RETRY,
        reason="Discord has switched this off for a while; it is asked again later.",
        source=_CODES,
        body=_body(40006, "This feature has been temporarily disabled server-side"),
    ),
    Refusal(
        statuses=(500, 502, 503, 504),
        code="",
        outcome=Outcome.RETRY,
        reason="Discord is in trouble; it is asked again.",
        source=_STATUSES,
        body=_body(0, "500: Internal Server Error"),
    ),
    Refusal(
        statuses=(403,),
        code="40333",
        outcome=Outcome.REFUSED,
        reason="The network in front of Discord blocks this machine's address for a while; it is asked again later.",
        source=_CODES,
        body=_body(40333, "internal network error"),
    ),
    Refusal(
        statuses=(403, 404),
        code="10004 of the members",
        outcome=Outcome.REFUSED,
        reason="Discord denies a server whose channels it shows; it is asked again later.",
        source=_CODES,
        body=_body(10004, "Unknown Guild"),
    ),
    Refusal(
        statuses=(403, 404),
        code="10004 of the bot's permissions",
        outcome=Outcome.REFUSED,
        reason="Discord denies a server whose channels it shows; what the bot may read there is asked again later.",
        source=_CODES,
        body=_body(10004, "Unknown Guild"),
    ),
    Refusal(
        statuses=(403,),
        code="50001 of the bot's permissions",
        outcome=Outcome.REFUSED,
        reason="Discord does not tell what the bot may read; it is asked again later.",
        source=_CODES,
        body=_body(50001, "Missing Access"),
    ),
    Refusal(
        statuses=(400,),
        code="0",
        outcome=Outcome.UNEXPECTED,
        reason="Discord does not understand the request. Report it as a bug.",
        source=_CODES,
        body=_body(0, "400: Bad Request"),
    ),
    Refusal(
        statuses=(405,),
        code="0",
        outcome=Outcome.UNEXPECTED,
        reason="Discord has no such request. Report it as a bug.",
        source=_STATUSES,
        body=_body(0, "405: Method Not Allowed"),
    ),
    Refusal(
        statuses=(400,),
        code="50035",
        outcome=Outcome.UNEXPECTED,
        reason="Discord finds a mistake in the request. Report it as a bug.",
        source=_CODES,
        body=_body(50035, "Invalid Form Body"),
    ),
    Refusal(
        statuses=(400,),
        code="50041",
        outcome=Outcome.UNEXPECTED,
        reason="Discord has given up this version of its API. Install a newer version of this program.",
        source=_CODES,
        body=_body(50041, "Invalid API version provided"),
    ),
    Refusal(
        statuses=(403,),
        code="20001",
        outcome=Outcome.UNEXPECTED,
        reason="Discord does not answer this to bots any more. Install a newer version of this program.",
        source=_CODES,
        body=_body(20001, "Bots cannot use this endpoint"),
    ),
    Refusal(
        statuses=(400,),
        code=str(BEFORE_EVERYTHING),
        outcome=Outcome.OK,
        reason="Nothing can have been archived that early: the list of archived threads has ended.",
        source=_CODES,
        body=_body(BEFORE_EVERYTHING, "`before` value is earlier than the thread creation date"),
    ),
)


def codes_of(response: Response) -> frozenset[str] | None:
    """Return the code of an answer, with where it was given if that matters; None if Discord itself did not answer.

    Discord's own refusals have a message and a number. The network in front of it answers in HTML, and with numbers of
    other kinds.
    """
    if response.status < 300:
        return frozenset()
    body = response.json
    if not isinstance(body, dict) or not isinstance(body.get("message"), str):
        return None
    code = body.get("code", 0 if response.status == 429 else None)
    if type(code) is not int:
        return None
    where = _place_of(response.url) if code in _DEPENDING_ON_PLACE else None
    return frozenset({f"{code} {where}" if where else str(code)})


def _place_of(url: str) -> str | None:
    return next((name for pattern, name in _PLACES if pattern.search(url)), None)


REFUSALS = RefusalTable(_ROWS, codes_of=codes_of)


def closes_everything(response: Response) -> bool:
    """Tell whether a refusal for rate is about the bot or our address, not about one route."""
    if not isinstance(response.json, dict):
        # The network in front of Discord, whose bans are for everything.
        return True
    return response.json.get("global") is True or "X-RateLimit-Global" in response.headers
