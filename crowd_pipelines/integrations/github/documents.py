"""The queries, one a file in `queries/`; what several of them share is in `queries/fragments/`."""

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

_SPREAD = re.compile(r"\.\.\.(?!\s*on\b)\s*(\w+)")
_DECLARED = re.compile(r"\$(\w+)\s*:")
_FOLDER = files("crowd_pipelines.integrations.github") / "queries"


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A query as it is sent, and the variables it declares."""

    text: str
    variables: frozenset[str]


@cache
def document(name: str) -> Document:
    """Return the query of this name with every fragment that it uses."""
    operation = (_FOLDER / f"{name}.graphql").read_text("utf-8")
    texts, waiting = {"": operation}, _SPREAD.findall(operation)
    while waiting:
        fragment = waiting.pop()
        if fragment not in texts:
            texts[fragment] = (_FOLDER / "fragments" / f"{fragment}.graphql").read_text("utf-8")
            waiting += _SPREAD.findall(texts[fragment])
    return Document(text="".join(texts.values()), variables=frozenset(_DECLARED.findall(operation)))


def names() -> list[str]:
    """Return the names of all queries."""
    return sorted(found.name.removesuffix(".graphql") for found in _FOLDER.iterdir() if found.name.endswith(".graphql"))
