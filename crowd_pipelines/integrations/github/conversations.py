"""Reading issues, pull requests and discussions with what is below them, whoever opened them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from crowd_pipelines.framework.integration import RunContext
from crowd_pipelines.framework.lists import ListPage, ListProgress, absent
from crowd_pipelines.framework.reading import usable
from crowd_pipelines.integrations.github import activities as records
from crowd_pipelines.integrations.github.activities import Conversation
from crowd_pipelines.integrations.github.findings import (
    Findings,
    Page,
    alone,
    contradiction,
    identity,
    is_gap,
    moment,
    nobody_newer,
)
from crowd_pipelines.integrations.github.marks import ChildMark, Origins
from crowd_pipelines.integrations.github.payloads import (
    Assignment,
    Comment,
    Conversion,
    Deed,
    DiscussionComment,
    Dismissal,
    Item,
    Opening,
    Person,
    Place,
    Review,
    ReviewRequest,
    Transfer,
)
from crowd_pipelines.integrations.github.streams import (
    ChildStream,
    CommentsStream,
    DiscussionCommentsStream,
    RepliesStream,
    ReviewsStream,
    ThreadCommentsStream,
    ThreadsStream,
    TimelineStream,
)
from crowd_pipelines.model.records import Activity, ActivityType
from crowd_pipelines.model.streams import RetractMissing

Run = RunContext[Any, Any]
Of = Callable[[Place, Item], Conversation]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Adds to findings what conversations hold. What does not fit into their page becomes streams.

    `stream` is the one being read, if it is one of those: its page of something within a conversation is not the first,
    and `halved` is for the page after it. `newer` counts what came to the front of its list since that was begun.
    A list within a page that contradicts itself, or could not be read as a whole, is read by a stream of its own.
    """

    run: Run
    findings: Findings
    stream: ChildStream | None = None
    halved: int = 0
    newer: Callable[[], int] = nobody_newer

    def issues(self, place: Place, nodes: Iterable[Any], *, counted: bool = True) -> None:
        """Read issues. One that was made a discussion is there as that, and as an issue no more."""
        mine = list(nodes)
        for converted in filter(_is_converted, mine):
            self._forget(identity(converted) or "")
        opened = [node for node in mine if not _is_converted(node)]
        seen = list[tuple[str, str, str]]()
        for here, raw in self._opened(place, opened, records.issue, counted=counted):
            self.comments(here, Page.of(raw.get("comments")))
            self.timeline(here, Page.of(raw.get("timelineItems")))
            seen += [(here.origin, here.id, here.title or "")] if here.origin else []
        self._remember(place, seen)

    def pull_requests(self, place: Place, nodes: Iterable[Any], *, counted: bool = True) -> None:
        """Read pull requests."""
        for here, raw in self._opened(place, nodes, records.pull_request, counted=counted):
            events = Page.of(raw.get("timelineItems"))
            self.comments(here, Page.of(raw.get("comments")))
            self.timeline(here, events)
            if events.more and not self.run.onboarding:
                self._add(ReviewsStream, here.id, here)
            self.threads(here, Page.of(raw.get("reviewThreads")))

    def discussions(self, place: Place, nodes: Iterable[Any], *, counted: bool = True) -> None:
        """Read discussions. One that was an issue is that issue no more."""
        origins = None
        for here, raw in self._opened(place, nodes, records.discussion, counted=counted):
            origins = origins or self._origins(place.id)
            for former in origins.former(here.origin, now=here.id, title=here.title or ""):
                self._forget(former)
            self.discussion_comments(here, Page.of(raw.get("comments")))

    def show(self, place: Place, nodes: Iterable[Any], of: Of) -> None:
        """Take note that conversations are there, which are known and unchanged."""
        for raw in nodes:
            for item in usable(Item, [alone(raw)], []):
                if not _is_converted(raw):
                    self.findings.show(Opening, [alone(raw)], partial(records.opening, of(place, item)))

    def comments(self, here: Conversation, page: Page) -> None:
        """Read comments on an issue or a pull request, of which the last changed come first."""
        own = self._is_own(CommentsStream, here.id)
        unusable = self.findings.read(Comment, page.nodes, partial(records.comment, here), counted=own)
        progress = self._progress(CommentsStream, here, here.id, page, page.told(unusable=unusable))
        if progress:
            kind = records.ISSUE_COMMENT if here.opened is records.ISSUE_OPENED else records.PULL_COMMENT
            self._retract_absent(kind, here, page, page.told(unusable=unusable), progress)
            self._go_back(CommentsStream, here, page, "updatedAt", progress)

    def timeline(self, here: Conversation, page: Page) -> None:
        """Read events of an issue or a pull request, of which the last ones come first."""
        own, before = self._is_own(TimelineStream, here.id), len(self.findings.rejected)
        gaps = sum(map(is_gap, page.nodes))
        self.findings.unread += gaps if own else 0
        for node in page.nodes:
            if not is_gap(node):
                self._event(here, node)
        # How many there are of the kinds that are asked for is not told.
        told = replace(page.told(unusable=gaps + len(self.findings.rejected) - before), total=None)
        if progress := self._progress(TimelineStream, here, here.id, page, told):
            requests = (*getattr(self.stream if own else None, "requests", ()), *_requests(page))
            self.findings.retract_absent(
                absent(records.REVIEW_REQUESTED, here.id, requests, progress=progress, page=told)
                if here.opened is records.PULL_OPENED
                else ()
            )
            self._go_back(TimelineStream, here, page, "createdAt", progress, requests=requests)

    def reviews(self, here: Conversation, page: Page) -> None:
        """Read all reviews of a pull request."""
        unusable = self.findings.read(Review, page.nodes, partial(records.review, here))
        if progress := self._progress(ReviewsStream, here, here.id, page, page.told(unusable=unusable)):
            self._go_on(ReviewsStream, here, page, here.id, progress)

    def threads(self, here: Conversation, page: Page) -> None:
        """Read review threads: no order shows what is new in them, so all of a changed pull request's."""
        own = self._is_own(ThreadsStream, here.id)
        gaps = sum(map(is_gap, page.nodes))
        self.findings.unread += gaps if own else 0
        whole, present = self._is_first(own), set[str]()
        for node in (node for node in page.nodes if not is_gap(node)):
            within = Page.of(node.get("comments") if isinstance(node, dict) else None)
            whole = self.thread_comments(here, within, thread=identity(node)) and whole
            present |= within.ids
        told = page.told(unusable=gaps)
        if progress := self._progress(ThreadsStream, here, here.id, page, told):
            self._go_on(ThreadsStream, here, page, here.id, progress)
            if whole:
                self.findings.retract_absent(
                    absent(records.THREAD_COMMENT, here.id, present, progress=progress, page=told)
                )

    def thread_comments(self, here: Conversation, page: Page, *, thread: str | None) -> bool:
        """Read comments of a review thread; returns whether it came whole."""
        own = self._is_own(ThreadCommentsStream, thread)
        unusable = self.findings.read(Comment, page.nodes, partial(records.thread_comment, here), counted=own)
        return self._came_whole(ThreadCommentsStream, here, thread, page, page.told(unusable=unusable))

    def discussion_comments(self, here: Conversation, page: Page) -> None:
        """Read comments on a discussion with the replies to them: of a changed one all, for want of an order."""
        own = self._is_own(DiscussionCommentsStream, here.id)
        unusable = self._said(here, page, above=None, counted=own)
        whole, present = self._is_first(own), _present(page)
        for node in (node for node in page.nodes if not is_gap(node)):
            within = Page.of(node.get("replies") if isinstance(node, dict) else None)
            whole = self.replies(here, within, above=identity(node)) and whole
            present |= _present(within)
        told = page.told(unusable=unusable)
        if progress := self._progress(DiscussionCommentsStream, here, here.id, page, told):
            self._go_on(DiscussionCommentsStream, here, page, here.id, progress)
            if whole:
                self.findings.retract_absent(
                    absent(records.DISCUSSION_COMMENT, here.id, present, progress=progress, page=told)
                )

    def replies(self, here: Conversation, page: Page, *, above: str | None) -> bool:
        """Read replies to a comment on a discussion; returns whether they came whole."""
        unusable = self._said(here, page, above=above, counted=self._is_own(RepliesStream, above))
        return self._came_whole(RepliesStream, here, above, page, page.told(unusable=unusable))

    def _said(self, here: Conversation, page: Page, *, above: str | None, counted: bool) -> int:
        """Read what was said in a discussion; a deleted comment keeps its place while there are replies."""
        deleted = [found for node in page.nodes if (found := identity(node)) and _is_deleted(node)]
        self.findings.retract(records.DISCUSSION_COMMENT, deleted)
        mean = partial(records.discussion_comment, here, above=above)
        return self.findings.read(DiscussionComment, map(alone, page.nodes), mean, counted=counted)

    def _came_whole(
        self, kind: type[ChildStream], here: Conversation, id_: str | None, page: Page, told: ListPage
    ) -> bool:
        progress = self._progress(kind, here, id_, page, told)
        if progress is None:
            return False
        self._go_on(kind, here, page, id_, progress)
        return self._is_first(self._is_own(kind, id_)) and progress.proves_absence(told)

    def _progress(
        self, kind: type[ChildStream], here: Conversation, id_: str | None, page: Page, told: ListPage
    ) -> ListProgress | None:
        """Return how far a list is read with this page; None where it cannot be relied on."""
        own = self._is_own(kind, id_)
        progress = (self.stream.so_far if own and self.stream else ListProgress()).with_page(told)
        reason = contradiction(page, told, progress, self.newer if own else nobody_newer)
        if own:
            self.findings.incomplete = self.findings.incomplete or reason
        elif reason or page.has_gaps:
            self.findings.keep_odd(page, kind.query)
            self._read_alone(kind, here, id_, reason)
            return None
        return None if reason else progress

    def _read_alone(self, kind: type[ChildStream], here: Conversation, id_: str | None, reason: str | None) -> None:
        """Have a list read by itself; without an id, nothing leads to it, so that is put aside."""
        if id_:
            self._add(kind, id_, here)
        else:
            self.findings.reject(f"{kind.model_fields['kind'].default} of nobody knows what: {reason}", None)

    def _retract_absent(
        self, kind: ActivityType, here: Conversation, page: Page, told: ListPage, progress: ListProgress
    ) -> None:
        if progress.records == len(page.nodes):
            self.findings.retract_absent(absent(kind, here.id, page.ids, progress=progress, page=told))

    def _is_own(self, kind: type[ChildStream], id_: str | None) -> bool:
        """Whether a list is the one that the stream itself is a page of."""
        return self.stream is not None and (type(self.stream), self.stream.id) == (kind, id_)

    def _is_first(self, own: bool) -> bool:
        """Whether a page is the first one of its list."""
        return not own or (self.stream is not None and self.stream.after is None)

    def _opened(
        self, place: Place, nodes: Iterable[Any], of: Of, *, counted: bool
    ) -> Iterable[tuple[Conversation, dict[str, Any]]]:
        """Yield conversations, adding how they began; one whose beginning cannot be used is read all the same."""
        for raw in nodes:
            if not isinstance(raw, dict) and raw is not None:
                self.findings.reject("item: it is none", raw)
            elif raw is None:
                self.findings.unread += counted
            else:
                for item in usable(Item, [_readable(raw)], self.findings.rejected):
                    here = of(place, item)
                    self.findings.read(Opening, [alone(raw)], partial(records.opening, here), counted=counted)
                    yield here, raw

    def _event(self, here: Conversation, node: Any) -> None:
        kind = node.get("__typename") if isinstance(node, dict) else None
        match kind:
            case "AssignedEvent":
                self.findings.read(Assignment, [node], partial(self._assignment, here))
            case "ReviewRequestedEvent":
                self.findings.read(ReviewRequest, [node], partial(self._review_request, here))
            case "MergedEvent":
                self.findings.read(Deed, [node], partial(records.merging, here))
            case "PullRequestReview":
                self.findings.read(Review, [node], partial(records.review, here))
            case "ReviewDismissedEvent":
                self.findings.read(Dismissal, [node], partial(self._dismissal, here))
            case "ClosedEvent":
                self.findings.read(Deed, [node], partial(records.closing, here))
            case "TransferredEvent":
                self.findings.read(Transfer, [node], partial(self._transfer, here))
            case str():
                pass  # events of other kinds are no activity
            case _:
                self.findings.reject("event: it is not told of which kind it is", node)

    def _assignment(self, here: Conversation, done: Assignment) -> Iterable[Activity]:
        self._concern(done.assignee if done.actor else None)
        return records.assignment(here, done)

    def _review_request(self, here: Conversation, done: ReviewRequest) -> Iterable[Activity]:
        self._concern(done.person if done.actor else None)
        return records.review_request(here, done)

    def _dismissal(self, here: Conversation, done: Dismissal) -> Iterable[Activity]:
        """A dismissal is no activity, but the review, however old, is another one since then."""
        if done.dismissal_message:
            self.findings.uncollected["message of a dismissed review"] += 1
        if done.review:
            self.findings.read(Review, [done.review], partial(records.review, here))
        return ()

    def _transfer(self, here: Conversation, done: Transfer) -> Iterable[Activity]:
        """An issue that came from another repository is there no more, with all that was below it."""
        if done.from_repository:
            for former in self._origins(done.from_repository.id).former(here.origin, now=here.id):
                self._forget(former)
        return ()

    def _forget(self, issue: str) -> None:
        """Retract an issue that is something else now: the list below it is known to be empty."""
        if issue:
            self.findings.retract(records.ISSUE_OPENED, [issue])
            self.findings.retractions += [
                RetractMissing(type=kind, thread=issue, present=frozenset())
                for kind in (records.ISSUE_COMMENT, records.ISSUE_CLOSED)
            ]

    def _origins(self, repository: str) -> Origins:
        subject = _origins_subject(repository)
        return Origins.model_validate(self.run.read_watermarks([subject]).get(subject, {}))

    def _remember(self, place: Place, seen: list[tuple[str, str, str]]) -> None:
        if seen:
            known = self._origins(place.id)
            if (now := known.with_issues(seen)) != known:
                self.findings.watermarks[_origins_subject(place.id)] = now.model_dump(mode="json")

    def _concern(self, person: Person | None) -> None:
        if person:
            member = records.member(person)
            self.findings.members[member.key] = member

    def _go_on(
        self, kind: type[ChildStream], here: Conversation, page: Page, id_: str | None, progress: ListProgress
    ) -> None:
        """Add what follows a page."""
        if page.more and id_:
            self._add(kind, id_, here, after=page.more, progress=progress)

    def _go_back(
        self, kind: type[ChildStream], here: Conversation, page: Page, order: str, progress: ListProgress, **more: Any
    ) -> None:
        """Add what follows a page, down to what was read before; at the end, note how far that is."""
        subject, own = f"{kind.model_fields['kind'].default}:{here.id}", self._is_own(kind, here.id)
        times = [at for node in page.nodes if isinstance(node, dict) and (at := moment(node.get(order)))]
        begun = self.stream.newest if own and self.stream else None
        newest = begun or max(times, default=None)
        if page.more and not self._known(subject, min(times, default=None)):
            self._add(kind, here.id, here, after=page.more, newest=newest, progress=progress, **more)
        elif newest and (page.more or own):
            self.findings.watermarks[subject] = ChildMark(at=newest).model_dump(mode="json")

    def _add(self, kind: type[ChildStream], id_: str, here: Conversation, **details: Any) -> None:
        """Add the next page of the stream, or another stream."""
        if self.stream and self._is_own(kind, id_):
            changes = {**details, "halved": self.halved}
            self.findings.next_page = self.stream.model_copy(update=changes)
        else:
            repository = here.place.name_with_owner
            self.findings.streams.append(kind(id=id_, about=_about(here), repository=repository, **details))

    def _known(self, subject: str, oldest: datetime | None) -> bool:
        """Tell whether a check may stop at something so old; an onboarding reads everything."""
        if self.run.onboarding or oldest is None:
            return False
        known = self.run.read_watermarks([subject]).get(subject)
        return known is not None and ChildMark.model_validate(known).is_behind(oldest)


def _is_converted(node: Any) -> bool:
    """Whether an issue was made a discussion that the credentials may see."""
    events = Page.of(node.get("timelineItems")).nodes if isinstance(node, dict) else ()
    named = [event for event in events if isinstance(event, dict)]
    conversions = [event for event in named if event.get("__typename") == "ConvertedToDiscussionEvent"]
    return any(found.discussion for found in usable(Conversion, conversions, []))


def _requests(page: Page) -> list[str]:
    """Return the ids of requests for reviews."""
    asked = (node for node in page.nodes if isinstance(node, dict) and node.get("__typename") == "ReviewRequestedEvent")
    return [found for node in asked if (found := identity(node))]


def _present(page: Page) -> frozenset[str]:
    return frozenset(found for node in page.nodes if (found := identity(node)) and not _is_deleted(node))


def _is_deleted(node: Any) -> bool:
    """Whether a comment says since when it is deleted; whatever stands there that is no time says nothing."""
    return isinstance(node, dict) and moment(node.get("deletedAt")) is not None


def _readable(raw: dict[str, Any]) -> dict[str, Any]:
    """Return an item without what is below it, and without what could not be read of it."""
    return {name: value for name, value in alone(raw).items() if not is_gap({"it": value})}


def _about(here: Conversation) -> str:
    """Return where a conversation is, as people read it."""
    return urlsplit(here.url or "").path.strip("/") or here.id


def _origins_subject(repository: str) -> str:
    return f"origins:{repository}"
