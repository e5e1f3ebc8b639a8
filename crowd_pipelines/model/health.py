"""What an examination of an installation finds: verdicts on one thing each."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How something stands."""

    OK = "ok"
    WARNING = "warning"  # works, and somebody should look at it
    ERROR = "error"  # broken, or nothing is read until somebody acts


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A thing that was examined: what was seen, in one sentence without secrets, and what to do about it."""

    name: str
    verdict: Verdict
    seen: str
    remedy: str = ""


def fine(name: str, seen: str) -> Finding:
    """Return that something is as it should be."""
    return Finding(name=name, verdict=Verdict.OK, seen=seen)


def warning(name: str, seen: str, remedy: str) -> Finding:
    """Return that something works but needs a look."""
    return Finding(name=name, verdict=Verdict.WARNING, seen=seen, remedy=remedy)


def error(name: str, seen: str, remedy: str) -> Finding:
    """Return that something is broken."""
    return Finding(name=name, verdict=Verdict.ERROR, seen=seen, remedy=remedy)


def graded(name: str, seen: str, remedy: str, *, bad: bool, poor: bool) -> Finding:
    """Return an error when it is bad, a warning when it is only poor."""
    if bad:
        return error(name, seen, remedy)
    return warning(name, seen, remedy) if poor else fine(name, seen)


def listed(things: list[str], *, most: int = 5) -> str:
    """Return the first things for a sentence, and how many more there are."""
    more = f", and {len(things) - most} more" if len(things) > most else ""
    return ", ".join(things[:most]) + more
