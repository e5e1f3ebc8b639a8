"""Discord's markup for people: mentions, emoji and times by name instead of by number."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

_MARKUP = re.compile(
    r"<@!?(?P<user>[0-9]{1,19})>"
    r"|<@&(?P<role>[0-9]{1,19})>"
    r"|<#(?P<channel>[0-9]{1,19})>"
    r"|<a?:(?P<emoji>\w{1,64}):[0-9]{1,19}>"
    r"|</(?P<command>[^<>:]{1,100}):[0-9]{1,19}>"
    r"|<t:(?P<time>-?[0-9]{1,13})(?::[tTdDfFsSR])?>"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Names by id."""

    users: Mapping[str, str] = field(default_factory=dict)
    roles: Mapping[str, str] = field(default_factory=dict)
    channels: Mapping[str, str] = field(default_factory=dict)


def readable(content: str, names: Names) -> str:
    """Return a message's text with names in it, as Discord shows it; what nobody knows is called so."""

    def shown(found: re.Match[str]) -> str:
        kind, value = str(found.lastgroup), str(found[str(found.lastgroup)])
        match kind:
            case "user":
                return "@" + names.users.get(value, "unknown-user")
            case "role":
                return "@" + names.roles.get(value, "unknown-role").removeprefix("@")
            case "channel":
                return "#" + names.channels.get(value, "unknown-channel")
            case "emoji":
                return f":{value}:"
            case "command":
                return f"/{value}"
            case _:
                return _time(int(value)) or found[0]

    return _MARKUP.sub(shown, content)


def _time(seconds: int) -> str | None:
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
    except (ValueError, OverflowError, OSError):
        return None
