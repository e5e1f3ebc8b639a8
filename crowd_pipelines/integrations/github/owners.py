"""Finding the repositories of an owner, and those in which something happened."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from crowd_pipelines.framework.integration import RunContext
from crowd_pipelines.framework.reading import count_nulls, usable
from crowd_pipelines.http.errors import UnexpectedPayload
from crowd_pipelines.integrations.github import stars
from crowd_pipelines.integrations.github.answers import Answer, CursorExpired
from crowd_pipelines.integrations.github.api import GithubApi
from crowd_pipelines.integrations.github.asking import ask
from crowd_pipelines.integrations.github.findings import Findings, Page, contradiction, is_gap, moment, nobody_newer
from crowd_pipelines.integrations.github.payloads import Place
from crowd_pipelines.integrations.github.reading import begun_again
from crowd_pipelines.integrations.github.repositories import LISTINGS, follow_name, has_news
from crowd_pipelines.integrations.github.settings import GithubSettings
from crowd_pipelines.integrations.github.streams import OwnerStream, RepositoryStream, place_named
from crowd_pipelines.model.streams import Owed, StreamResult

Run = RunContext[GithubSettings, GithubApi]

ASKED_AGAIN_AFTER = timedelta(days=1)
"""So long a list is asked for without what the credentials could not see of some repository in it."""

MOST_REMEMBERED = 5_000
"""So many repositories of an owner are remembered, to tell which of them are not listed any more."""


def read_owner(stream: OwnerStream, run: Run) -> StreamResult:
    """Find an owner's repositories; in a check, read those in which something happened."""
    known = _closed(stream, run)
    try:
        given = {"login": stream.login, "after": stream.after}
        answer, halved = ask(run.api, "owner", given, halved=stream.halved, without=known)
    except CursorExpired as expired:
        return begun_again(stream, expired)
    page, findings = _listed(answer), Findings()
    places = list(_places(page, findings))
    for place, raw in _others(places, run):
        _follow(place, raw, stream, run, findings)
    _tell_of_nulls(stream, page, answer, findings)
    if answer.without != known:
        at = datetime.now(UTC).isoformat() if answer.without else None
        findings.watermarks[stream.subject] = {"without": sorted(answer.without), "at": at} if at else {}
    _go_on(stream, answer, places, findings, run, halved=halved)
    return findings.result()


def _follow(place: Place, raw: dict[str, Any], stream: OwnerStream, run: Run, findings: Findings) -> None:
    repository = RepositoryStream(owner=place.owner, name=place.name)
    if stream.left_out:
        if not run.read_watermarks([f"channel:{place.id}"]):
            findings.streams.append(repository)
    elif run.onboarding or _happened(place, raw, run):
        findings.streams.append(repository)
    else:
        follow_name(place, run, findings)
        stars.follow_stars(place, raw, run, findings)


def _happened(place: Place, raw: dict[str, Any], run: Run) -> bool:
    """Tell whether there is news in a repository beside its stars, in what may be seen of it."""
    key = place_named(place.name_with_owner).key
    closed = run.read_owed([key]).get(key, frozenset())
    return any(
        has_news(listing, place, raw.get(listing.name), run) for listing in LISTINGS if listing.name not in closed
    )


def _places(page: Page, findings: Findings) -> Iterator[tuple[Place, dict[str, Any]]]:
    for raw in page.nodes:
        if raw is not None:
            yield from ((place, raw) for place in usable(Place, [raw], findings.rejected))


def _others(places: Iterable[tuple[Place, dict[str, Any]]], run: Run) -> Iterator[tuple[Place, dict[str, Any]]]:
    """Leave out what is named in the settings, and so read by itself."""
    named = {f"{owner}/{name}".lower() for owner, name in run.settings.named}
    return ((place, raw) for place, raw in places if place.name_with_owner.lower() not in named)


def _tell_of_nulls(stream: OwnerStream, page: Page, answer: Answer, findings: Findings) -> None:
    """A repository that came as null is left out, and nobody knows which one it is.

    Another stream looks for those, and counts them: what is owed for them must not read all others again.
    """
    nulls, hidden = count_nulls(page.nodes), OwnerStream(login=stream.login, left_out=True)
    if nulls and not stream.left_out:
        findings.streams.append(hidden)
    elif nulls:
        findings.unread += nulls
        said = next((problem.message.rstrip(".") for problem in answer.problems if problem.message), "without a word")
        reason = (
            f"GitHub hides {nulls} of the repositories of {stream.login} from these credentials ({said}). Authorize "
            f"the token for the organization, or grant it access to them."
        )
        findings.owed.append(
            Owed(
                place=stream.place.key,
                label=stream.place.label,
                permission="hidden repositories",
                reason=reason,
                stream=hidden,
            )
        )


def _go_on(
    stream: OwnerStream,
    answer: Answer,
    places: list[tuple[Place, dict[str, Any]]],
    findings: Findings,
    run: Run,
    *,
    halved: int,
) -> None:
    """Add the next page, or look at the end for repositories that are not listed any more."""
    page = _listed(answer)
    told = page.told(unusable=sum(map(is_gap, page.nodes)) + len(findings.rejected))
    progress = stream.so_far.with_page(told)
    shown = {**dict(stream.shown), **{place.id: place.name_with_owner for place, _ in places}}
    if reason := answer.unplaced or contradiction(page, told, progress, nobody_newer):
        findings.incomplete = f"repositories of {stream.login}: {reason}"
    elif page.more:
        changes = {"after": page.more, "halved": halved, "progress": progress, "shown": tuple(shown.items())}
        findings.next_page = stream.model_copy(update=changes)
    elif not stream.left_out:
        _look_for_absent(stream, shown, findings, run, whole=progress.proves_absence(told))


def _look_for_absent(stream: OwnerStream, shown: dict[str, str], findings: Findings, run: Run, *, whole: bool) -> None:
    """Ask for each repository that was listed before and is not any more: it may be closed to us, and then is owed."""
    subject = f"listed:{stream.login}".lower()
    known = run.read_watermarks([subject]).get(subject, {}).get("repositories", {})
    if whole:
        named = {f"{owner}/{name}".lower() for owner, name in run.settings.named}
        gone = sorted(name for id_, name in known.items() if id_ not in shown and name.lower() not in named)
        for owner, _, name in (full_name.partition("/") for full_name in gone):
            findings.streams.append(RepositoryStream(owner=owner, name=name, owner_list=stream.login))
    remembered = dict(list((shown if whole else {**known, **shown}).items())[:MOST_REMEMBERED])
    if remembered != known:
        findings.watermarks[subject] = {"repositories": remembered}


def _closed(stream: OwnerStream, run: Run) -> frozenset[str]:
    """Return what the credentials did not show of some repository when this was asked for within a day."""
    if run.onboarding:
        return frozenset()
    known = run.read_watermarks([stream.subject]).get(stream.subject, {})
    at = moment(known.get("at"))
    fresh = at is not None and datetime.now(UTC) - at < ASKED_AGAIN_AFTER
    return frozenset(known.get("without", ())) if fresh else frozenset()


def _listed(answer: Answer) -> Page:
    """Return the page of repositories. Raises UnexpectedPayload when the answer holds none: nothing was read."""
    page = Page.of((answer.root or {}).get("repositories"))
    if not page.listed:
        raise UnexpectedPayload("GitHub's answer has no list of repositories", evidence=str(answer.data))
    return page
