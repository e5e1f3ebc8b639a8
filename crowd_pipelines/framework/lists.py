"""Lists that know whether they are whole, and when what they do not hold may be taken for deleted.

Providers tell most things twice: that there is more, and where; how many there are, and which. What is told twice is
compared here. A list that contradicts itself neither ends nor retracts, and moves no watermark: its page goes back as
`StreamResult.incomplete`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from pydantic import BaseModel, ConfigDict

from crowd_pipelines.model.records import ActivityType
from crowd_pipelines.model.streams import RetractMissing

NO_CURSOR = "the list says that there is more, but not where it goes on"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPage:
    """What a page says of its list.

    `ids` are the provider's ids of all records on the page, None for one that does not tell its own; records that came
    as null and records that cannot be used are among them. `unusable` counts the records of both kinds. `has_more` is
    None where the provider does not say; `cursor` is where the next page begins, in whatever form; `total` is the
    list's own count.
    """

    ids: tuple[str | None, ...]
    unusable: int = 0
    has_more: bool | None = None
    cursor: str | None = None
    total: int | None = None

    @property
    def ends(self) -> bool:
        """Whether nothing follows, as far as the page says."""
        return not self.cursor and not self.has_more


class ListProgress(BaseModel):
    """How much of a list was read since its first page, carried from page to page.

    `whole` says that all of it can be relied on: it began at the first page, and every record could be used.
    """

    model_config = ConfigDict(frozen=True)

    records: int = 0
    whole: bool = True

    @classmethod
    def broken(cls) -> Self:
        """Return the progress of a list whose beginning is not known to be read: it never retracts anything."""
        return cls(whole=False)

    def with_page(self, page: ListPage) -> Self:
        """Return the progress after another page."""
        whole = self.whole and not page.unusable and None not in page.ids
        return self.model_copy(update={"records": self.records + len(page.ids), "whole": whole})

    def contradiction(self, page: ListPage) -> str | None:
        """Return what the list, read up to this page, says of itself that does not agree; None where it agrees.

        Call it on the progress that includes the page. More records than the list counts are no contradiction: some
        may have come meanwhile.
        """
        if page.has_more and not page.cursor:
            return NO_CURSOR
        if page.ends and self.whole and page.total is not None and self.records < page.total:
            return f"the list ended after {self.records} records, but counts {page.total}"
        return None

    def proves_absence(self, page: ListPage) -> bool:
        """Tell whether what the list did not show is not there any more. The page is its last, and is included."""
        return self.whole and page.ends and self.contradiction(page) is None


def absent(
    kind: ActivityType, thread: str, present: Iterable[str], *, progress: ListProgress, page: ListPage
) -> tuple[RetractMissing, ...]:
    """Return the retraction of what a whole list does not hold; nothing where absence proves nothing."""
    if not progress.proves_absence(page):
        return ()
    return (RetractMissing(type=kind, thread=thread, present=frozenset(present)),)
