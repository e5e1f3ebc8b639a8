"""Reading repositories: their stars, forks and conversations, newest first, down to what was read before."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from crowd_pipelines.framework.integration import RunContext
from crowd_pipelines.framework.lists import ListProgress
from crowd_pipelines.integrations.github import activities as records
from crowd_pipelines.integrations.github.conversations import Reader
from crowd_pipelines.integrations.github.findings import Findings, Page, contradiction, is_gap, moment
from crowd_pipelines.integrations.github.marks import Entry, Mark
from crowd_pipelines.integrations.github.payloads import Fork, Place, Star
from crowd_pipelines.integrations.github.streams import (
    DiscussionsStream,
    ForksStream,
    IssuesStream,
    ListStream,
    PullsStream,
    StargazersStream,
    place_named,
)
from crowd_pipelines.model.streams import Owed, RenameChannel

Run = RunContext[Any, Any]
Placed = list[tuple[Any, Entry | None]]
"""Nodes of a list, each with its place in the order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Something that a repository has a list of. `entry` tells which place a node has in it.

    `read` reads nodes, those that cannot be read `counted` or not; `show` takes note of those that are as they were.
    `field` is the time that orders them.
    """

    stream: type[ListStream]
    title: str
    field: str
    entry: Callable[[Any], Entry | None]
    read: Callable[..., None]
    show: Callable[[Reader, Place, Iterable[Any]], None]

    @property
    def name(self) -> str:
        """GitHub's name of the connection."""
        return self.stream.query

    @property
    def kind(self) -> str:
        """The stable name of its streams."""
        return str(self.stream.model_fields["kind"].default)

    def subject(self, place: Place) -> str:
        """The watermark's name."""
        return f"{self.kind}:{place.id}"

    def of(self, place: Place, **details: Any) -> ListStream:
        """Return the stream of a page of the list, of the first one if nothing else is told."""
        return self.stream(kind=self.kind, repository=place.id, name=place.name_with_owner, **details)

    def owed(self, place: Place, said: str = "") -> Owed:
        """Return that the list is left unread for want of a permission."""
        reason = (
            f"{self.title} of {place.name_with_owner} are not read{f' ({said})' if said else ''}. Grant the "
            "credentials access to them: they are asked for again once a day."
        )
        where = place_named(place.name_with_owner)
        return Owed(place=where.key, label=where.label, permission=self.name, reason=reason, stream=self.of(place))


def read_list(listing: Listing, place: Place, page: Page, reader: Reader, stream: ListStream | None = None) -> bool:
    """Read what is news on a page, unless it is the run's task to read everything; returns whether that was the end.

    `stream` is the page's own one; without it, the page came with its repository, and what makes it unreliable is left
    to streams of its own.
    """
    entire = stream is not None and stream.entire
    known = Mark() if reader.run.onboarding or entire else _known(listing, place, reader.run)
    placed = [(node, listing.entry(node)) for node in page.nodes]
    unusable = _read_nodes(listing, place, placed, known, reader, counted=entire)
    told = page.told(unusable=unusable, ids=_ids(placed))
    progress = (stream.so_far if stream else ListProgress()).with_page(told)
    if entire:
        return False
    if page.has_gaps:
        reader.findings.streams.append(listing.of(place, after=stream.after if stream else None, entire=True))
    if reason := contradiction(page, told, progress, reader.newer):
        if stream:
            reader.findings.incomplete = f"{listing.title} of {place.name_with_owner}: {reason}"
        else:
            reader.findings.keep_odd(page, listing.title)
            reader.findings.streams.append(listing.of(place))
        return False
    return _followed(listing, place, page, reader, stream, placed=placed, known=known, progress=progress)


def _read_nodes(listing: Listing, place: Place, placed: Placed, known: Mark, reader: Reader, *, counted: bool) -> int:
    """Read what is news, take note of the rest, and return how many nodes cannot be used."""
    before = len(reader.findings.rejected)
    # What has no place in the order is looked at with the news: it cannot be told whether it is some.
    news = [node for node, entry in placed if not entry or known.is_news(entry)]
    listing.read(reader, place, news, counted=counted)
    listing.show(reader, place, [node for node, entry in placed if entry and not known.is_news(entry)])
    return len(reader.findings.rejected) - before + sum(is_gap(node) for node, _ in placed)


def _followed(
    listing: Listing,
    place: Place,
    page: Page,
    reader: Reader,
    stream: ListStream | None,
    *,
    placed: Placed,
    known: Mark,
    progress: ListProgress,
) -> bool:
    """Add the page that follows, or note at the end how far the list was read; returns whether it is the end."""
    run, subject = reader.run, listing.subject(place)
    before = stream.found if stream else Mark()
    entries = [entry for _, entry in placed if entry]
    news = any(known.is_news(entry) for entry in entries) or (bool(placed) and not entries)
    found = before.with_entries(entries, now=run.started_at)
    if (news or run.onboarding) and page.more and not any(known.is_behind(entry) for entry in entries):
        changes = {"after": page.more, "found": found, "progress": progress}
        if stream:
            reader.findings.next_page = stream.model_copy(update={**changes, "halved": reader.halved})
        else:
            reader.findings.streams.append(listing.of(place, **changes))
        return False
    if found.at and (news or run.onboarding or before.at is not None or stream is not None):
        reader.findings.watermarks[subject] = found.model_dump(mode="json")
    return True


def has_news(listing: Listing, place: Place, connection: Any, run: Run) -> bool:
    """Tell whether the first entry of a list is new or changed, or cannot be told."""
    page = Page.of(connection)
    if not isinstance(connection, dict):
        return True
    known = _known(listing, place, run)
    entries = [listing.entry(node) for node in page.nodes]
    return any(entry is None or known.is_news(entry) for entry in entries)


def _known(listing: Listing, place: Place, run: Run) -> Mark:
    subject = listing.subject(place)
    return Mark.model_validate(run.read_watermarks([subject]).get(subject, {}))


def follow_name(place: Place, run: Run, findings: Findings) -> None:
    """Take note of a repository's address, and rename the channel when it has another one now."""
    subject, address = f"channel:{place.id}", {"url": place.url}
    known = run.read_watermarks([subject]).get(subject)
    if known != address:
        findings.watermarks[subject] = address
        if known:
            findings.others.append(RenameChannel(channel_id=place.id, channel=place.url))


def _ids(placed: Placed) -> list[str | None]:
    return [entry.id or None if entry else None for _, entry in placed]


def _star_entry(edge: Any) -> Entry | None:
    """A star that is taken back and given again is another one: its time tells."""
    at = moment(edge.get("starredAt")) if isinstance(edge, dict) else None
    node = edge.get("node") if at else None
    number = node.get("databaseId") if isinstance(node, dict) else None
    return Entry(id=str(number or ""), at=at, stamp=str(edge["starredAt"])) if at else None


def _fork_entry(node: Any) -> Entry | None:
    at = moment(node.get("createdAt")) if isinstance(node, dict) else None
    return Entry(id=str(node.get("id") or ""), at=at) if at else None


def _item_entry(node: Any) -> Entry | None:
    """A change within the second of the last one moves no time, but mostly a state or a number."""
    at = moment(node.get("updatedAt")) if isinstance(node, dict) else None
    if at is None:
        return None
    below = [node[name].get("totalCount") for name in ("comments", "reviewThreads") if isinstance(node.get(name), dict)]
    state = node.get("state", node.get("closed"))
    return Entry(id=str(node.get("id") or ""), at=at, stamp=" ".join(map(str, (node["updatedAt"], state, *below))))


def _stars(reader: Reader, place: Place, edges: Iterable[Any], *, counted: bool) -> None:
    reader.findings.read(Star, edges, partial(records.star, place), counted=counted)


def _show_stars(reader: Reader, place: Place, edges: Iterable[Any]) -> None:
    reader.findings.show(Star, edges, partial(records.star, place))


def _forks(reader: Reader, place: Place, nodes: Iterable[Any], *, counted: bool) -> None:
    reader.findings.read(Fork, nodes, partial(records.fork, place), counted=counted)


def _show_forks(reader: Reader, place: Place, nodes: Iterable[Any]) -> None:
    reader.findings.show(Fork, nodes, partial(records.fork, place))


STARGAZERS = Listing(
    stream=StargazersStream, title="Stars", field="starredAt", entry=_star_entry, read=_stars, show=_show_stars
)
LISTINGS = (
    Listing(stream=ForksStream, title="Forks", field="createdAt", entry=_fork_entry, read=_forks, show=_show_forks),
    Listing(
        stream=IssuesStream,
        title="Issues",
        field="updatedAt",
        entry=_item_entry,
        read=Reader.issues,
        show=partial(Reader.show, of=records.issue),
    ),
    Listing(
        stream=PullsStream,
        title="Pull requests",
        field="updatedAt",
        entry=_item_entry,
        read=Reader.pull_requests,
        show=partial(Reader.show, of=records.pull_request),
    ),
    Listing(
        stream=DiscussionsStream,
        title="Discussions",
        field="updatedAt",
        entry=_item_entry,
        read=Reader.discussions,
        show=partial(Reader.show, of=records.discussion),
    ),
)
"""What comes with a repository."""
