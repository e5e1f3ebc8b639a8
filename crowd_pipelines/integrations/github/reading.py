"""Processing the streams: what each of them asks for, and what follows from the answer."""

from functools import partial
from typing import Any

from pydantic import ValidationError

from crowd_pipelines.framework.integration import RunContext
from crowd_pipelines.http.errors import NotPermitted, Refused, Retryable, UnexpectedPayload
from crowd_pipelines.integrations.github import activities as records
from crowd_pipelines.integrations.github import stars
from crowd_pipelines.integrations.github.activities import Conversation
from crowd_pipelines.integrations.github.answers import UNREAD, Answer, CursorExpired
from crowd_pipelines.integrations.github.api import GithubApi
from crowd_pipelines.integrations.github.asking import ask
from crowd_pipelines.integrations.github.conversations import Reader
from crowd_pipelines.integrations.github.findings import Findings, Page, moment
from crowd_pipelines.integrations.github.payloads import Item, Place
from crowd_pipelines.integrations.github.problems import CONNECTIONS
from crowd_pipelines.integrations.github.repositories import LISTINGS, STARGAZERS, Listing, follow_name, read_list
from crowd_pipelines.integrations.github.settings import GithubSettings
from crowd_pipelines.integrations.github.streams import (
    ChildStream,
    CommentsStream,
    DiscussionCommentsStream,
    ListStream,
    RepliesStream,
    RepositoryStream,
    ReviewsStream,
    StargazersStream,
    ThreadCommentsStream,
    ThreadsStream,
    TimelineStream,
)
from crowd_pipelines.model.streams import StreamResult

Run = RunContext[GithubSettings, GithubApi]

_MOST_BEGINNINGS = 3
"""So often a list is begun again before it is left to a later attempt."""


def read_repository(stream: RepositoryStream, run: Run) -> StreamResult:
    """Read the newest of everything in a repository; for what goes further back there are other streams."""
    given = {"owner": stream.owner, "name": stream.name}
    without = _left_out(stream, run)
    answer, _ = ask(run.api, "repository", given, checking=not run.onboarding, without=without)
    raw, findings = answer.root or {}, Findings()
    place = _place(raw)
    if stream.owner_list and not _belongs(place, stream.owner_list, run):
        return StreamResult(skipped=f"{stream.owner}/{stream.name} is {place.name_with_owner} now, of another owner")
    follow_name(place, run, findings)
    reader = Reader(run=run, findings=findings)
    for listing in LISTINGS:
        if listing.name in answer.refused:
            findings.owed.append(listing.owed(place, answer.refused[listing.name]))
        elif listing.name in answer.broken:
            findings.streams.append(listing.of(place))
        elif listing.name not in answer.without:
            read_list(listing, place, Page.of(raw.get(listing.name)), reader)
    stars.follow_stars(place, raw, run, findings)
    _hand_down(answer, place, findings)
    return findings.result()


def read_further(stream: ListStream, run: Run) -> StreamResult:
    """Read a page of a repository's list."""
    try:
        return _read_stars(stream, run) if isinstance(stream, StargazersStream) else _read_list_page(stream, run)
    except CursorExpired as expired:
        return begun_again(stream, expired)


def read_child(stream: ChildStream, run: Run) -> StreamResult:
    """Read a page of what is below an issue, a pull request or a discussion."""
    try:
        answer, halved = ask(run.api, stream.query, {"id": stream.id, "after": stream.after}, halved=stream.halved)
    except CursorExpired as expired:
        return begun_again(stream, expired)
    newer = partial(_newer, run, stream.query, stream.id, "updatedAt", stream.newest)
    findings = Findings()
    reader = Reader(run=run, findings=findings, stream=stream, halved=halved, newer=newer)
    _read_below(stream, reader, answer)
    findings.incomplete = findings.incomplete or answer.unplaced
    return findings.result()


def begun_again(stream: Any, expired: CursorExpired) -> StreamResult:
    """Return that a list is read from its first page. Raises Retryable when that does not help."""
    if stream.after is None or stream.begun >= _MOST_BEGINNINGS:
        raise Retryable(f"{expired}, although it was begun again {stream.begun} times; it will be tried later.")
    return StreamResult(next_page=stream.again())


def _read_list_page(stream: ListStream, run: Run) -> StreamResult:
    [listing] = [listing for listing in LISTINGS if listing.stream is type(stream)]
    try:
        answer, halved = _ask_for(stream, run)
    except NotPermitted as refusal:
        if refusal.permission != listing.name:
            raise
        reason = listing.owed(_assumed_place(stream), _quoted(refusal)).reason
        raise NotPermitted(reason, permission=refusal.permission) from None
    return _read_page(listing, stream, answer, halved, run).result()


def _read_stars(stream: StargazersStream, run: Run) -> StreamResult:
    owner, _, name = stream.name.partition("/")
    confirm = partial(run.api.confirm, "repositoryExists", {"owner": owner, "name": name})
    found = stars.asked(partial(_ask_for, stream, run), confirm)
    if isinstance(found, str):
        raise stars.closed(stream.name, found)
    answer, halved = found
    raw, page = answer.root or {}, _listed(answer, STARGAZERS.name)
    if stars.is_closed(stream, raw, page):
        raise stars.closed(stream.name, "GitHub shows an empty list beside their count")
    return _read_page(STARGAZERS, stars.started(stream, raw, page), answer, halved, run).result()


def _read_page(listing: Listing, stream: ListStream, answer: Answer, halved: int, run: Run) -> Findings:
    page, place, findings = _listed(answer, listing.name), _place(answer.root), Findings()
    newer = partial(_newer, run, listing.name, stream.repository, listing.field, stream.found.at)
    reader = Reader(run=run, findings=findings, halved=halved, newer=newer)
    ended = read_list(listing, place, page, reader, stream)
    if ended and isinstance(stream, StargazersStream):
        stars.end(stream, place, page, run, findings)
    findings.incomplete = findings.incomplete or answer.unplaced
    return findings


def _ask_for(stream: ListStream, run: Run) -> tuple[Answer, int]:
    given = {"id": stream.repository, "after": stream.after}
    return ask(run.api, stream.query, given, halved=stream.halved)


def _read_below(stream: ChildStream, reader: Reader, answer: Answer) -> None:
    raw = answer.root or {}
    match stream:
        case CommentsStream():
            reader.comments(_conversation(raw), _listed(answer, "comments"))
        case TimelineStream():
            reader.timeline(_conversation(raw), _listed(answer, "timelineItems"))
        case ReviewsStream():
            reader.reviews(_conversation(raw), _listed(answer, "reviews"))
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


def _newer(run: Run, query: str, id_: str, field: str, since: Any) -> int:
    """Count what came to the front of a list since it was begun: it is news for the next check, and not missing."""
    if since is None:
        return 0
    answer, _ = ask(run.api, query, {"id": id_, "after": None})
    page = Page.of((answer.root or {}).get(query))
    times = [at for node in page.nodes if isinstance(node, dict) and (at := moment(node.get(field)))]
    came = sum(at > since for at in times)
    return (page.total or came) if page.more and came == len(page.nodes) else came


def _left_out(stream: RepositoryStream, run: Run) -> frozenset[str]:
    """Return which lists are owed for a permission: whether it was granted is asked for once a day, and not here."""
    key = stream.place.key
    return run.read_owed([key]).get(key, frozenset()) & frozenset(CONNECTIONS)


def _belongs(place: Place, login: str, run: Run) -> bool:
    named = {f"{owner}/{name}".lower() for owner, name in run.settings.named}
    owners = {login.lower(), *(name.lower() for name in run.settings.organizations)}
    return place.name_with_owner.lower() in named or place.owner.lower() in owners


def _hand_down(answer: Answer, place: Place, findings: Findings) -> None:
    """An error that does not tell what it spoils spoils every list: each is read once more by itself."""
    if answer.unplaced:
        asked = [listing for listing in LISTINGS if listing.name not in answer.without]
        of_stars = [stream for stream in findings.streams if isinstance(stream, StargazersStream)]
        findings.streams = [*(listing.of(place) for listing in asked), *of_stars]
        findings.watermarks = {}
        findings.retractions = []


def _said(answer: Answer, connection: str) -> str:
    return next((problem.message.rstrip(".") for problem in answer.problems if problem.last == connection), "")


def _quoted(refusal: NotPermitted) -> str:
    """Return what GitHub said of a list, without what we say of it."""
    return str(refusal).partition("(")[2].partition(")")[0]


def _assumed_place(stream: ListStream) -> Place:
    """Return the repository as the stream knows it, where the answer shows none."""
    return Place(id=stream.repository, url=stream.name, name_with_owner=stream.name)


def _listed(answer: Answer, name: str) -> Page:
    """Return the page that was asked for.

    Raises Refused when an error stands for it, UnexpectedPayload when the answer holds none: nothing was read.
    """
    connection = (answer.root or {}).get(name)
    page = Page.of(connection)
    if connection is UNREAD:
        raise Refused(f"GitHub did not show the list of {name} ({_said(answer, name)}); it will be tried again.")
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
