"""A platform's table of refusals: the answers that its provider documents, and what each of them means to us.

The same rows are what the code judges by and what the platform's how-to page shows. The list is closed: an answer that
stands in no row is a refusal that nobody explained, and its stream comes due again.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from crowd_pipelines.http.outcomes import Outcome, Response, Verdict

CodesOf = Callable[[Response], Collection[str] | None]
"""Returns the provider's own codes, types or words in an answer; None when the answer is not the provider's own."""

ORDER = (
    Outcome.RATE_LIMITED,
    Outcome.GONE,
    Outcome.CREDENTIALS,
    Outcome.PERMISSION,
    Outcome.RETRY,
    Outcome.REFUSED,
    Outcome.UNEXPECTED,
    Outcome.OK,
)
"""In which order rows are tried: what only delays comes before what gives something up."""

MEANINGS: Mapping[Outcome, str] = {
    Outcome.RATE_LIMITED: "wait",
    Outcome.GONE: "gone",
    Outcome.CREDENTIALS: "credentials",
    Outcome.PERMISSION: "permission",
    Outcome.RETRY: "passing",
    Outcome.REFUSED: "passing",
    Outcome.UNEXPECTED: "permanent",
    Outcome.OK: "handled",
}
"""The word for an outcome in the table that people read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One row. `statuses` are those it comes with, none where any will do; `code` is the provider's, "" for any.

    `reason` is one sentence for the user: what is wrong, and what to do. `permission` names what is missing, in a row
    about permission. `source` is the page of the provider's documentation. `body` is an example of the answer.
    """

    code: str
    outcome: Outcome
    reason: str
    source: str
    statuses: tuple[int, ...] = ()
    permission: str = ""
    body: Any = field(default=None, repr=False)

    def matches(self, status: int, codes: Collection[str]) -> bool:
        """Tell whether an answer is of this row."""
        return (not self.statuses or status in self.statuses) and (not self.code or self.code in codes)

    @property
    def verdict(self) -> Verdict:
        """What the row means for the request."""
        return Verdict(outcome=self.outcome, reason=self.reason, permission=self.permission or self.code)

    @property
    def cells(self) -> tuple[str, str, str, str]:
        """The row as people read it: status, code, what it means to us, source."""
        status = ", ".join(map(str, self.statuses)) or "any"
        meaning = f"**{MEANINGS[self.outcome]}**: {self.reason}"
        return status, f"`{self.code}`" if self.code else "", meaning, f"[documentation]({self.source})"


class RefusalTable:
    """The refusals that a provider documents. `codes_of` finds the provider's codes in an answer."""

    def __init__(self, rows: Sequence[Refusal], *, codes_of: CodesOf) -> None:
        self.rows = tuple(rows)
        self._codes_of = codes_of
        self._ordered = sorted(self.rows, key=lambda row: ORDER.index(row.outcome))

    def judge(self, response: Response) -> Verdict | None:
        """Return what an answer means, None where no row is about it."""
        codes = self._codes_of(response)
        if codes is None:
            return None
        found = (row.verdict for row in self._ordered if row.matches(response.status, codes))
        return next(found, None)

    def markdown(self) -> str:
        """Return the table as the how-to page shows it."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield "| status | code | what it means to us | source |"
        yield "|---|---|---|---|"
        for row in self.rows:
            yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row.cells) + " |"
