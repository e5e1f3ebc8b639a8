"""Slack's markup as text for people: who and what is meant, by name."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_TOKEN = re.compile(r"<([^<>]+)>")
_MENTION = re.compile(r"<@([A-Z0-9]+)(?:\|[^<>]*)?>")
_UNNAMED = re.compile(r"<@([A-Z0-9]+)\|?>")

Naming = Callable[[str], str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Finds the names of people and channels by id; None where nobody knows."""

    user: Naming
    channel: Naming

    def told(self, text: str) -> str:
        """Return a text with names instead of ids, links as they read, and `& < >` as they were typed."""
        parts: list[str] = []
        end = 0
        for token in _TOKEN.finditer(text):
            parts += [_typed(text[end : token.start()]), self._meant(token[1])]
            end = token.end()
        return "".join([*parts, _typed(text[end:])])

    def _meant(self, token: str) -> str:
        target, _, shown = token.partition("|")
        label = _typed(shown)
        match target[:1]:
            case "@":
                return "@" + (self.user(target[1:]) or label.removeprefix("@") or "mention")
            case "#":
                return "#" + (self.channel(target[1:]) or label.removeprefix("#") or "channel")
            case "!":
                return _special(target[1:], label)
            case _:
                return _link(_typed(target), label)


def unnamed(text: str) -> Iterator[str]:
    """Yield the ids of people that a text names by id alone."""
    yield from (found[1] for found in _UNNAMED.finditer(text))


def all_mentioned(text: str) -> Iterator[str]:
    """Yield the ids of all people that a text names."""
    yield from (found[1] for found in _MENTION.finditer(text))


def _special(target: str, label: str) -> str:
    """Return a group of people (`here`, `subteam^S1`), or a moment in the words of whoever wrote it."""
    command, _, _ = target.partition("^")
    if command == "date":
        return label
    if command == "subteam":
        return "@" + (label.removeprefix("@") or "group")
    return "@" + (label.removeprefix("@") or command)


def _link(address: str, label: str) -> str:
    address = address.removeprefix("mailto:").removeprefix("tel:")
    if not address:
        return label
    if not label or label == address or label == address.partition("://")[2].rstrip("/"):
        return address
    return f"{label} ({address})"


def _typed(text: str) -> str:
    # The ampersand last, so that "&amp;lt;" is the "&lt;" that somebody typed.
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
