"""Reading who starred a repository, which GitHub shows to its admins and collaborators only.

So it is asked for in a document of its own, when the count of stars or the time of the repository's last update is
another one than at the last reading, and not at all where it is known to be closed.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from crowd_pipelines.framework.lists import ListProgress, absent
from crowd_pipelines.http.errors import Gone, NotPermitted, Retryable
from crowd_pipelines.integrations.github import activities as records
from crowd_pipelines.integrations.github.answers import Answer
from crowd_pipelines.integrations.github.findings import Findings, Page, moment
from crowd_pipelines.integrations.github.payloads import Place
from crowd_pipelines.integrations.github.refusals import NO_GRAPHQL, STARS, STARS_CLOSED
from crowd_pipelines.integrations.github.repositories import STARGAZERS, Run
from crowd_pipelines.integrations.github.streams import StargazersStream

READ_AGAIN_AFTER = timedelta(days=1)
"""So long stars are not asked for whose number is the same, in a repository in which nothing was updated."""

Ask = Callable[[], tuple[Answer, int]]
_TOKENS = ("not accessible by integration", "not accessible by personal access token")


def follow_stars(place: Place, raw: dict[str, Any], run: Run, findings: Findings) -> None:
    """Have the stars read when there may be others; from closed ones, the framework keeps off."""
    if may_have_changed(place, raw, run):
        announced, updated = count_of(raw), _updated(raw)
        findings.streams.append(
            StargazersStream(repository=place.id, name=place.name_with_owner, announced=announced, updated=updated)
        )


def may_have_changed(place: Place, raw: dict[str, Any], run: Run) -> bool:
    """Tell whether stars may have been given or taken back since they were read, as far as everybody may see.

    One that is taken back while another is given leaves their count as it was. GitHub moves the repository's time with
    either, but does not promise to: so once a day they are read all the same.
    """
    subject, mark = _subject(place), STARGAZERS.subject(place)
    known, count = run.read_watermarks([subject, mark]), count_of(raw)
    before = known.get(subject)
    if not before:
        # A former version kept no count.
        return count != 0 or mark in known
    if count != before.get("count") or run.onboarding:
        return bool(count or before.get("count")) or count is None
    read_at = moment(before.get("read_at"))
    is_old = read_at is None or run.started_at - read_at >= READ_AGAIN_AFTER
    return count != 0 and (is_old or _updated(raw) != before.get("updated"))


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
    return stream.model_copy(update={"count": count if agreed else None, "updated": stream.updated or _updated(raw)})


def end(stream: StargazersStream, place: Place, page: Page, run: Run, findings: Findings) -> None:
    """Note how many stars there were when the list was begun, and retract what a list in one page does not hold.

    An answer that does not know the count that led here is older than that: it moves and retracts nothing.
    """
    if stream.count is None:
        return
    findings.watermarks[_subject(place)] = {
        "count": stream.count,
        "updated": stream.updated,
        "read_at": run.started_at.isoformat(),
    }
    if stream.after is None:
        told = page.told(ids=_people(page))
        present = [f"{place.id}:{number}" for number in told.ids if number]
        progress = ListProgress().with_page(told)
        findings.retract_absent(absent(records.STAR, place.id, present, progress=progress, page=told))


def _people(page: Page) -> list[str | None]:
    nodes = [edge.get("node") if isinstance(edge, dict) else None for edge in page.nodes]
    numbers = [node.get("databaseId") if isinstance(node, dict) else None for node in nodes]
    return [str(number) if number else None for number in numbers]


def _updated(raw: dict[str, Any]) -> str | None:
    updated = raw.get("updatedAt")
    return updated if isinstance(updated, str) else None


def _subject(place: Place) -> str:
    return f"stars:{place.id}"
