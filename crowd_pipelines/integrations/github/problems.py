"""The errors of GraphQL answers, and where in the data they stand."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

CONNECTIONS = ("forks", "issues", "pullRequests", "discussions")
"""What is read of a repository in one document, by GitHub's names. Who starred it is asked for by itself."""

_FORBIDDEN = ("FORBIDDEN", "INSUFFICIENT_SCOPES")


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """An error of a GraphQL answer; `path` is where in the data a null stands for it, `code` is of an invalid query."""

    type: str
    path: tuple[str | int, ...]
    message: str
    code: str = ""

    @property
    def forbidden(self) -> bool:
        """Whether the credentials do not reach so far."""
        return self.type in _FORBIDDEN

    @property
    def last(self) -> str:
        """The field that the error is about."""
        return str(self.path[-1]) if self.path else ""


def problems_of(body: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield the errors of an answer."""
    errors = body.get("errors")
    for error in errors if isinstance(errors, list) else ():
        if isinstance(error, dict):
            path, extensions = error.get("path"), error.get("extensions")
            yield Problem(
                type=str(error.get("type") or ""),
                path=tuple(part if isinstance(part, int) else str(part) for part in path)
                if isinstance(path, list)
                else (),
                message=str(error.get("message") or ""),
                code=str(extensions.get("code") or "") if isinstance(extensions, dict) else "",
            )


def roots(data: Any) -> list[Any]:
    """Return the values of the query's own fields, of which each of ours has one beside the budget."""
    return [value for name, value in data.items() if name != "rateLimit"] if isinstance(data, dict) else []
