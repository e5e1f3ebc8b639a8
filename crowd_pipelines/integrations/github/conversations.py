"""Reading issues, pull requests and discussions with what is below them, whoever opened them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from crowd_pipelines.framework.integration import RunContext
from crowd_pipelines.framework.reading import usable
from crowd_pipelines.integrations.github import activities as records
from crowd_pipelines.integrations.github.activities import Conversation
from crowd_pipelines.integrations.github.findings import Findings, Page, moment
from crowd_pipelines.integrations.github.marks import ChildMark
from crowd_pipelines.integrations.github.payloads import (
    Assignment,
    Comment,
    Deed,
    DiscussionComment,
    Item,
    Opening,
    Person,
    Place,
    Review,
    ReviewRequest,
)
from crowd_pipelines.integrations.github.streams import (
    ChildStream,
    CommentsStream,
    DiscussionCommentsStream,
    RepliesStream,
    ThreadCommentsStream,
    ThreadsStream,
    TimelineStream,
)
from crowd_pipelines.model.records import Activity

Run = RunContext[Any, Any]

_BELOW_PULL_REQUESTS = ("comments", "timelineItems", "reviewThreads")
_BELOW = frozenset([*_BELOW_PULL_REQUESTS, "replies"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Adds to findings what conversations hold. What does not fit into their page becomes streams.

    `stream` is the one being read, if it is one of those: its page of something within a conversation is not the first,
    and `halved` is for the page after it.
    """

    run: Run
    findings: Findings
    stream: ChildStream | None = None
    halved: int = 0

    def issues(self, place: Place, nodes: Iterable[Any]) -> None:
        """Read issues."""
        for here, raw in self._opened(nodes, partial(records.issue, place), "comments", "timelineItems"):
            self.comments(here, Page.of(raw.get("comments")))
            self.timeline(here, Page.of(raw.get("timelineItems")))

    def pull_requests(self, place: Place, nodes: Iterable[Any]) -> None:
        """Read pull requests."""
        for here, raw in self._opened(nodes, partial(records.pull_request, place), *_BELOW_PULL_REQUESTS):
            self.comments(here, Page.of(raw.get("comments")))
            self.timeline(here, Page.of(raw.get("timelineItems")))
            self.threads(here, Page.of(raw.get("reviewThreads")))

    def discussions(self, place: Place, nodes: Iterable[Any]) -> None:
        """Read discussions."""
        for here, raw in self._opened(nodes, partial(records.discussion, place), "comments"):
            self.discussion_comments(here, Page.of(raw.get("comments")))

    def comments(self, here: Conversation, page: Page) -> None:
        """Read comments on an issue or a pull request, of which the last changed come first."""
        self.findings.read(Comment, page.nodes, partial(records.comment, here))
        if self._is_whole(page):
            kind = records.ISSUE_COMMENT if here.opened is records.ISSUE_OPENED else records.PULL_COMMENT
            self.findings.retract_missing(kind, here.id, page.ids())
        self._go_back(CommentsStream, here, page, "updatedAt")

    def timeline(self, here: Conversation, page: Page) -> None:
        """Read events of an issue or a pull request, of which the last ones come first."""
        for node in page.nodes:
            self._event(here, node)
        self._go_back(TimelineStream, here, page, "createdAt")

    def threads(self, here: Conversation, page: Page) -> None:
        """Read review threads: no order shows what is new in them, so all of a changed pull request's."""
        whole, present = self._is_whole(page), set[str]()
        for node in page.nodes:
            within = self._within(node, "comments")
            self.thread_comments(here, within, thread=_id(node))
            ids = within.ids()
            whole = whole and within.complete and ids is not None
            present |= ids or set()
        self._go_on(ThreadsStream, here, page, here.id)
        if whole:
            self.findings.retract_missing(records.THREAD_COMMENT, here.id, frozenset(present))

    def thread_comments(self, here: Conversation, page: Page, *, thread: str | None) -> None:
        """Read comments of a review thread."""
        self.findings.read(Comment, page.nodes, partial(records.thread_comment, here))
        self._go_on(ThreadCommentsStream, here, page, thread)

    def discussion_comments(self, here: Conversation, page: Page) -> None:
        """Read comments on a discussion with the replies to them: of a changed one all, for want of an order."""
        whole, present = self._is_whole(page), _present(page)
        self._said(here, page, above=None)
        for node in page.nodes:
            within = self._within(node, "replies")
            self.replies(here, within, above=_id(node))
            whole = whole and within.complete and within.ids() is not None
            present |= _present(within)
        self._go_on(DiscussionCommentsStream, here, page, here.id)
        if whole:
            self.findings.retract_missing(records.DISCUSSION_COMMENT, here.id, present)

    def replies(self, here: Conversation, page: Page, *, above: str | None) -> None:
        """Read replies to a comment on a discussion."""
        self._said(here, page, above=above)
        self._go_on(RepliesStream, here, page, above)

    def _said(self, here: Conversation, page: Page, *, above: str | None) -> None:
        """Read what was said in a discussion; a deleted comment keeps its place while there are replies."""
        deleted = [found for node in page.nodes if (found := _id(node)) and _is_deleted(node)]
        self.findings.retract(records.DISCUSSION_COMMENT, deleted)
        nodes = map(_alone, page.nodes)
        self.findings.read(DiscussionComment, nodes, partial(records.discussion_comment, here, above=above))

    def _within(self, node: Any, name: str) -> Page:
        """Return what is below a thread or a comment; that there is no list of it is put aside."""
        page = Page.of(node.get(name) if isinstance(node, dict) else None)
        if not page.listed:
            self.findings.reject(f"no {name}", _alone(node))
        return page

    def _is_whole(self, page: Page) -> bool:
        """Whether a page is all there is, and it is known what that is."""
        return self.stream is None and page.complete and page.ids() is not None

    def _opened(
        self, nodes: Iterable[Any], of: Callable[[Item], Conversation], *below: str
    ) -> Iterable[tuple[Conversation, dict[str, Any]]]:
        """Yield conversations, adding how they began; one whose beginning cannot be used is read all the same."""
        for raw in nodes:
            alone = _alone(raw)
            for item in usable(Item, [alone], self.findings.rejected):
                here = of(item)
                self.findings.read(Opening, [alone], partial(records.opening, here))
                if missing := [name for name in below if not Page.of(raw.get(name)).listed]:
                    self.findings.reject(f"{here.opened.name}: no {' and no '.join(missing)}", alone)
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
            case "ClosedEvent":
                self.findings.read(Deed, [node], partial(records.closing, here))
            case str():
                pass  # events of other kinds are no activity
            case _:
                self.findings.reject("event: it is not told of which kind it is", node)

    def _assignment(self, here: Conversation, done: Assignment) -> Iterable[Activity]:
        self._concern([done.assignee] if done.actor else [])
        return records.assignment(here, done)

    def _review_request(self, here: Conversation, done: ReviewRequest) -> Iterable[Activity]:
        people = done.team.people if done.team else (done.person,)
        self._concern(people if done.actor else [])
        return records.review_request(here, done)

    def _concern(self, people: Iterable[Person | None]) -> None:
        for member in (records.member(person) for person in people if person):
            self.findings.members[member.key] = member

    def _go_on(self, kind: type[ChildStream], here: Conversation, page: Page, id_: str | None) -> None:
        """Add what follows a page."""
        if page.more and id_:
            self._add(kind, id_, here, after=page.more)

    def _go_back(self, kind: type[ChildStream], here: Conversation, page: Page, order: str) -> None:
        """Add what follows a page, down to what was read before; at the end, note how far that is."""
        subject = f"{kind.model_fields['kind'].default}:{here.id}"
        times = [at for node in page.nodes if isinstance(node, dict) and (at := moment(node.get(order)))]
        newest = self.stream.newest if self.stream else max(times, default=None)
        if page.more and not self._known(subject, min(times, default=None)):
            self._add(kind, here.id, here, after=page.more, newest=newest)
        elif newest and (page.more or self.stream):
            self.findings.watermarks[subject] = ChildMark(at=newest).model_dump(mode="json")

    def _add(self, kind: type[ChildStream], id_: str, here: Conversation, **details: Any) -> None:
        """Add the next page of the stream, or another stream."""
        if self.stream and (kind, id_) == (type(self.stream), self.stream.id):
            changes = {**details, "halved": self.halved}
            self.findings.next_page = self.stream.model_copy(update=changes)
        else:
            self.findings.streams.append(kind(id=id_, about=_about(here), **details))

    def _known(self, subject: str, oldest: datetime | None) -> bool:
        """Tell whether a check may stop at something so old; an onboarding reads everything."""
        if self.run.onboarding or oldest is None:
            return False
        known = self.run.read_watermarks([subject]).get(subject)
        return known is not None and ChildMark.model_validate(known).is_behind(oldest)


def _id(node: Any) -> str | None:
    found = node.get("id") if isinstance(node, dict) else None
    return str(found) if found else None


def _present(page: Page) -> frozenset[str]:
    return frozenset(found for node in page.nodes if (found := _id(node)) and not _is_deleted(node))


def _is_deleted(node: dict[str, Any]) -> bool:
    """Whether a comment says since when it is deleted; whatever stands there that is no time says nothing."""
    return moment(node.get("deletedAt")) is not None


def _alone(raw: Any) -> Any:
    """Return something without what is below it, which speaks for itself."""
    return {name: value for name, value in raw.items() if name not in _BELOW} if isinstance(raw, dict) else raw


def _about(here: Conversation) -> str:
    """Return where a conversation is, as people read it."""
    return urlsplit(here.url or "").path.strip("/") or here.id
