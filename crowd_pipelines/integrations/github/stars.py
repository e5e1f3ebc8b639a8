"""Reading who starred a repository, which GitHub shows to its admins and collaborators only.

So it is asked for in a document of its own, when the count of stars is another one than at the last reading, and not at
all where it is known to be closed.
"""

from collections.abc import Callable
from typing import Any

from crowd_pipelines.framework.lists import ListProgress, absent
from crowd_pipelines.http.errors import Gone, NotPermitted, Retryable
from crowd_pipelines.integrations.github import activities as records
from crowd_pipelines.integrations.github.answers import Answer
from crowd_pipelines.integrations.github.findings import Findings, Page
from crowd_pipelines.integrations.github.payloads import Place
from crowd_pipelines.integrations.github.refusals import NO_GRAPHQL, STARS, STARS_CLOSED
from crowd_pipelines.integrations.github.repositories import STARGAZERS, Run
from crowd_pipelines.integrations.github.streams import StargazersStream

Ask = Callable[[], tuple[Answer, int]]
_TOKENS = ("not accessible by integration", "not accessible by personal access token")


def follow_stars(place: Place, raw: dict[str, Any], run: Run, findings: Findings) -> None:
    """Have the stars read when their count tells that there are others; of closed ones, the framework keeps off."""
    if have_changed(place, raw, run):
        findings.streams.append(
            StargazersStream(repository=place.id, name=place.name_with_owner, announced=count_of(raw))
        )


def have_changed(place: Place, raw: dict[str, Any], run: Run) -> bool:
    """Tell whether stars may have been given or taken back since they were read, as far as may be seen."""
    count, known = count_of(raw), _known(place, run)
    if run.onboarding:
        return bool(count or known) or count is None
    return count is None or count != (known or 0)


def count_of(raw: dict[str, Any]) -> int | None:
    """Return the count of stars, which everybody may see."""
    count = raw.get("stargazerCount")
    return count if isinstance(count, int) and not isinstance(count, bool) else None


def closed(name: str, said: str) -> NotPermitted:
    """Return that the stars are left unread: those that were read before stay."""
    return NotPermitted(f"Who starred {name} is not read ({said}). {STARS_CLOSED}", permission=STARS)


def asked(ask: Ask, confirm: Callable[[], None]) -> tuple[Answer, int] | str:
    """Return the answer, or what GitHub said when it showed no stars of a repository that is there all the same."""
    try:
        return ask()
    except NotPermitted as refusal:
        if refusal.permission == STARS or any(words in str(refusal) for words in _TOKENS):
            return "GitHub refuses them to these credentials"
        raise
    except Gone:
        confirm()
        return "GitHub says that there are none to be found"
    except Retryable as failure:
        # The same address answers for the repository: then there is nothing but its stars that is not there.
        if NO_GRAPHQL not in str(failure):
            raise
        confirm()
        return "GitHub says that there are none to be found"


def is_closed(stream: StargazersStream, raw: dict[str, Any], page: Page) -> bool:
    """Tell whether an empty list stands beside a count: what GitHub answers whom it does not show the stars."""
    return stream.after is None and page.listed and not page.nodes and bool(count_of(raw) or page.total)


def started(stream: StargazersStream, raw: dict[str, Any], page: Page) -> StargazersStream:
    """Return the stream with the count that its list had at the first page, where everything agrees about it."""
    if stream.after is not None:
        return stream
    count = count_of(raw)
    agreed = count == page.total and stream.announced in (None, count)
    return stream.model_copy(update={"count": count if agreed else None})


def end(stream: StargazersStream, place: Place, page: Page, findings: Findings) -> None:
    """Note how many stars there were when the list was begun, and retract what a list in one page does not hold.

    An answer that does not know the count that led here is older than that: it moves and retracts nothing.
    """
    if stream.count is None:
        return
    findings.watermarks[_subject(place)] = {"count": stream.count}
    if stream.after is None:
        told = page.told(ids=_people(page))
        present = [f"{place.id}:{number}" for number in told.ids if number]
        progress = ListProgress().with_page(told)
        findings.retract_absent(absent(records.STAR, place.id, present, progress=progress, page=told))


def _people(page: Page) -> list[str | None]:
    nodes = [edge.get("node") if isinstance(edge, dict) else None for edge in page.nodes]
    numbers = [node.get("databaseId") if isinstance(node, dict) else None for node in nodes]
    return [str(number) if number else None for number in numbers]


def _known(place: Place, run: Run) -> int | None:
    """Return the count at the last reading: -1 where they were read by a former version, which kept none."""
    subject, mark = _subject(place), STARGAZERS.subject(place)
    known = run.read_watermarks([subject, mark])
    count = known.get(subject, {}).get("count")
    return count if isinstance(count, int) else -1 if mark in known else None


def _subject(place: Place) -> str:
    return f"stars:{place.id}"
