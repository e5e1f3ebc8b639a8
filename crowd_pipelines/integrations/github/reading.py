"""Processing the streams: what each of them asks for, and what follows from the answer."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from crowd_pipelines.framework.integration import RunContext
from crowd_pipelines.framework.reading import usable
from crowd_pipelines.http.errors import Gone, UnexpectedPayload
from crowd_pipelines.integrations.github import activities as records
from crowd_pipelines.integrations.github.activities import Conversation
from crowd_pipelines.integrations.github.answers import Answer
from crowd_pipelines.integrations.github.api import CONNECTIONS, GithubApi
from crowd_pipelines.integrations.github.asking import ask
from crowd_pipelines.integrations.github.conversations import Reader
from crowd_pipelines.integrations.github.findings import Findings, Page
from crowd_pipelines.integrations.github.marks import Mark
from crowd_pipelines.integrations.github.payloads import Item, Place
from crowd_pipelines.integrations.github.repositories import LISTINGS, follow_name, has_news, read_list
from crowd_pipelines.integrations.github.settings import GithubSettings
from crowd_pipelines.integrations.github.streams import (
    ChildStream,
    CommentsStream,
    DiscussionCommentsStream,
    ListStream,
    OwnerStream,
    RepliesStream,
    RepositoryStream,
    ThreadCommentsStream,
    ThreadsStream,
    TimelineStream,
)
from crowd_pipelines.model.streams import RetractMissing, StreamResult

Run = RunContext[GithubSettings, GithubApi]


def read_owner(stream: OwnerStream, run: Run) -> StreamResult:
    """Find an owner's repositories; in a check, read those in which something happened."""
    given = {"login": stream.login, "after": stream.after}
    known = _unseen(stream, run)
    answer, halved = _told(run, "owner", given, halved=stream.halved, without=frozenset() if run.onboarding else known)
    page, findings = _listed(answer, "repositories"), Findings()
    named = {f"{owner}/{name}".lower() for owner, name in run.settings.named}
    for raw in page.nodes:
        place = None if raw is None else next(usable(Place, [raw], findings.rejected), None)
        if place is None or place.name_with_owner.lower() in named:
            continue
        repository = RepositoryStream(owner=place.owner, name=place.name)
        if run.onboarding or _happened(repository, place, raw, run):
            findings.streams.append(repository)
        else:
            follow_name(place, run, findings)
    if answer.without != known:
        findings.watermarks[stream.subject] = {"without": sorted(answer.without)}
    if page.more and page.more != stream.after:
        findings.next_page = stream.model_copy(update={"after": page.more, "halved": halved})
    return findings.result()


def read_repository(stream: RepositoryStream, run: Run) -> StreamResult:
    """Read the newest of everything in a repository; for what goes further back there are other streams."""
    known = _unseen(stream, run)
    given = {"owner": stream.owner, "name": stream.name}
    without = frozenset() if run.onboarding else known
    answer, _ = _told(run, "repository", given, checking=not run.onboarding, without=without)
    raw, findings = answer.root or {}, Findings()
    place = _place(raw)
    follow_name(place, run, findings)
    reader = Reader(run=run, findings=findings)
    for listing in LISTINGS:
        if listing.name in answer.without:
            limit = f"{listing.title} of {place.name_with_owner} are not read: grant the credentials access to them."
            run.api.limits.add(limit)
            continue
        page = Page.of(raw.get(listing.name))
        if not page.listed and raw.get(listing.name) is not None:
            findings.reject(f"{listing.title} of {place.name_with_owner} are no list", raw.get(listing.name))
        found = read_list(listing, place, page, Mark(), reader)
        if found and page.more:
            findings.streams.append(listing.further(place, after=page.more, found=found))
    _retract_stars(place, raw, findings)
    if answer.without != known:
        findings.watermarks[stream.subject] = {"without": sorted(answer.without)}
    return findings.result()


def read_further(stream: ListStream, run: Run) -> StreamResult:
    """Read a further page of a repository's list."""
    [listing] = [listing for listing in LISTINGS if listing.stream is type(stream)]
    given = {"id": stream.repository, "after": stream.after}
    answer, halved = ask(run.api, stream.query, given, halved=stream.halved)
    page, raw, findings = _listed(answer, stream.query), answer.root or {}, Findings()
    found = read_list(listing, _place(raw), page, stream.found, Reader(run=run, findings=findings))
    if found and page.more:
        findings.next_page = stream.model_copy(update={"after": page.more, "found": found, "halved": halved})
    return findings.result()


def read_child(stream: ChildStream, run: Run) -> StreamResult:
    """Read a further page of what is below an issue, a pull request or a discussion."""
    answer, halved = ask(run.api, stream.query, {"id": stream.id, "after": stream.after}, halved=stream.halved)
    raw, findings = answer.root or {}, Findings()
    reader = Reader(run=run, findings=findings, stream=stream, halved=halved)
    match stream:
        case CommentsStream():
            reader.comments(_conversation(raw), _listed(answer, "comments"))
        case TimelineStream():
            reader.timeline(_conversation(raw), _listed(answer, "timelineItems"))
        case ThreadsStream():
            reader.threads(_conversation(raw), _listed(answer, "reviewThreads"))
        case ThreadCommentsStream():
            here = _conversation(raw.get("pullRequest"), "PullRequest")
            reader.thread_comments(here, _listed(answer, "comments"), thread=stream.id)
        case DiscussionCommentsStream():
            reader.discussion_comments(_conversation(raw), _listed(answer, "comments"))
        case RepliesStream():
            here = _conversation(raw.get("discussion"), "Discussion")
            reader.replies(here, _listed(answer, "replies"), above=stream.id)
        case _:
            raise LookupError(f"GitHub has no stream of kind {stream.kind!r}")
    return findings.result()


def _told(run: Run, name: str, given: Mapping[str, Any], **options: Any) -> tuple[Answer, int]:
    """Ask for what the settings name; that it is gone is for the user to know."""
    try:
        return ask(run.api, name, given, **options)
    except Gone as gone:
        run.api.limits.add(f"{gone}; it is skipped.")
        raise


def _happened(repository: RepositoryStream, place: Place, raw: dict[str, Any], run: Run) -> bool:
    seen = [listing for listing in LISTINGS if listing.name not in _unseen(repository, run)]
    return any(has_news(listing, place, raw.get(listing.name), run) for listing in seen)


def _unseen(stream: OwnerStream | RepositoryStream, run: Run) -> frozenset[str]:
    """Return what the credentials did not show when this was asked for last."""
    known = run.read_watermarks([stream.subject]).get(stream.subject, {})
    return frozenset(known.get("without", ()))


def _retract_stars(place: Place, raw: dict[str, Any], findings: Findings) -> None:
    """A list of stars that came whole tells which were taken back."""
    page = Page.of(raw.get(CONNECTIONS[0]))
    nodes = [edge.get("node") if isinstance(edge, dict) else None for edge in page.nodes]
    ids = [node.get("databaseId") if isinstance(node, dict) else None for node in nodes]
    if page.complete and all(ids):
        present = frozenset(f"{place.id}:{id_}" for id_ in ids)
        findings.others.append(RetractMissing(type=records.STAR, thread=place.id, present=present))


def _listed(answer: Answer, name: str) -> Page:
    """Return the page that was asked for. Raises UnexpectedPayload when the answer holds none: nothing was read."""
    page = Page.of((answer.root or {}).get(name))
    if not page.listed:
        raise UnexpectedPayload(f"GitHub's answer has no list of {name}", evidence=str(answer.data))
    return page


def _place(raw: Any) -> Place:
    try:
        return Place.model_validate(raw)
    except ValidationError:
        raise UnexpectedPayload("the repository in the answer is none", evidence=str(raw)) from None


def _conversation(raw: Any, typename: str | None = None) -> Conversation:
    """Return what a further page tells of the conversation that it belongs to."""
    fields = raw if isinstance(raw, dict) else {}
    of = {"Issue": records.issue, "PullRequest": records.pull_request, "Discussion": records.discussion}
    kind = typename or str(fields.get("__typename"))
    try:
        return of[kind](_place(fields.get("repository")), Item.model_validate(fields))
    except (ValidationError, KeyError):
        raise UnexpectedPayload("what the page belongs to cannot be read", evidence=str(raw)) from None
