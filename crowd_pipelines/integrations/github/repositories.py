"""Reading repositories: their stars, forks and conversations, newest first, down to what was read before."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from crowd_pipelines.framework.integration import RunContext
from crowd_pipelines.integrations.github import activities as records
from crowd_pipelines.integrations.github.conversations import Reader
from crowd_pipelines.integrations.github.findings import Findings, Page, moment
from crowd_pipelines.integrations.github.marks import Entry, Mark
from crowd_pipelines.integrations.github.payloads import Fork, Place, Star
from crowd_pipelines.integrations.github.streams import (
    DiscussionsStream,
    ForksStream,
    IssuesStream,
    ListStream,
    PullsStream,
    StargazersStream,
)
from crowd_pipelines.model.streams import RenameChannel

Run = RunContext[Any, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Something that a repository has a list of. `entry` tells which place a node has in it."""

    stream: type[ListStream]
    title: str
    entry: Callable[[Any], Entry | None]
    read: Callable[[Reader, Place, Iterable[Any]], None]

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

    def further(self, place: Place, *, after: str, found: Mark) -> ListStream:
        """Return the stream of the page after the first one."""
        return self.stream(kind=self.kind, repository=place.id, name=place.name_with_owner, after=after, found=found)


def read_list(listing: Listing, place: Place, page: Page, found: Mark, reader: Reader) -> Mark | None:
    """Read what is news on a page, unless it is the run's task to read everything.

    Returns the mark with which the next page goes on; None at the end, which is noted.
    """
    run, subject = reader.run, listing.subject(place)
    known = Mark() if run.onboarding else Mark.model_validate(run.read_watermarks([subject]).get(subject, {}))
    placed = [(node, listing.entry(node)) for node in page.nodes]
    entries = [entry for _, entry in placed if entry]
    news = [entry for entry in entries if known.is_news(entry)]
    on_the_way = found.at is not None
    found = found.with_entries(entries, now=run.started_at)
    no_order = bool(placed) and not entries
    if news or run.onboarding or no_order:
        # What has no place in the order is looked at with the news: it cannot be told whether it is some.
        listing.read(reader, place, [node for node, entry in placed if not entry or known.is_news(entry)])
        if page.more and not any(known.is_behind(entry) for entry in entries):
            return found
    if found.at and (news or run.onboarding or on_the_way):
        reader.findings.watermarks[subject] = found.model_dump(mode="json")
    return None


def has_news(listing: Listing, place: Place, connection: Any, run: Run) -> bool:
    """Tell whether the first entry of a list is new or changed, or cannot be told."""
    page, subject = Page.of(connection), listing.subject(place)
    if not isinstance(connection, dict):
        return True
    known = Mark.model_validate(run.read_watermarks([subject]).get(subject, {}))
    entries = [listing.entry(node) for node in page.nodes]
    return any(entry is None or known.is_news(entry) for entry in entries)


def follow_name(place: Place, run: Run, findings: Findings) -> None:
    """Take note of a repository's address, and rename the channel when it has another one now."""
    subject, address = f"channel:{place.id}", {"url": place.url}
    known = run.read_watermarks([subject]).get(subject)
    if known != address:
        findings.watermarks[subject] = address
        if known:
            findings.others.append(RenameChannel(channel_id=place.id, channel=place.url))


def _star_entry(edge: Any) -> Entry | None:
    at = moment(edge.get("starredAt")) if isinstance(edge, dict) else None
    node = edge.get("node") if at else None
    return Entry(id=str(node.get("databaseId")) if isinstance(node, dict) else "", at=at) if at else None


def _fork_entry(node: Any) -> Entry | None:
    at = moment(node.get("createdAt")) if isinstance(node, dict) else None
    return Entry(id=str(node.get("id")), at=at) if at else None


def _item_entry(node: Any) -> Entry | None:
    """A change within the second of the last one moves no time, but mostly a state or a number."""
    at = moment(node.get("updatedAt")) if isinstance(node, dict) else None
    if at is None:
        return None
    below = [node[name].get("totalCount") for name in ("comments", "reviewThreads") if isinstance(node.get(name), dict)]
    state = node.get("state", node.get("closed"))
    return Entry(id=str(node.get("id")), at=at, stamp=" ".join(map(str, (node["updatedAt"], state, *below))))


def _stars(reader: Reader, place: Place, edges: Iterable[Any]) -> None:
    # An edge that is null is a star by nobody, as one without a node is.
    reader.findings.read(Star, [edge for edge in edges if edge is not None], partial(records.star, place))


def _forks(reader: Reader, place: Place, nodes: Iterable[Any]) -> None:
    reader.findings.read(Fork, nodes, partial(records.fork, place))


LISTINGS = (
    Listing(stream=StargazersStream, title="Stars", entry=_star_entry, read=_stars),
    Listing(stream=ForksStream, title="Forks", entry=_fork_entry, read=_forks),
    Listing(stream=IssuesStream, title="Issues", entry=_item_entry, read=Reader.issues),
    Listing(stream=PullsStream, title="Pull requests", entry=_item_entry, read=Reader.pull_requests),
    Listing(stream=DiscussionsStream, title="Discussions", entry=_item_entry, read=Reader.discussions),
)
