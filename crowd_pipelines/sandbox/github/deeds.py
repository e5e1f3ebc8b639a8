"""What people do on GitHub, and what it does to what is there. Each deed has its moment: `at`, in seconds."""

from collections.abc import Sequence
from typing import TypeVar

from crowd_pipelines.sandbox.github.community import Community
from crowd_pipelines.sandbox.github.model import (
    Account,
    Category,
    Comment,
    Discussion,
    DiscussionComment,
    Event,
    Issue,
    Item,
    Label,
    PullRequest,
    Repository,
    Review,
    ReviewComment,
    Star,
    Team,
    Thread,
)

AnyItem = TypeVar("AnyItem", bound=Item)
Actor = Account | None
Subject = Account | Team | Label | Review | Repository | Discussion | None


class Deeds:
    """Writes into a community as GitHub would."""

    def __init__(self, community: Community) -> None:
        self._community = community

    def star(self, repository: Repository, account: Actor, at: int, *, torn: bool = False) -> Star:
        star = Star(account=account, at=at, id=self._community.new_id(), torn=torn)
        repository.stars.append(star)
        repository.updated = max(repository.updated, at)
        return star

    def fork(self, repository: Repository, owner: Account, at: int) -> Repository:
        fork = Repository(id=self._community.new_id(), owner=owner, name=repository.name, created=at, parent=repository)
        repository.forks.append(fork)
        return self._community.register(fork)

    def issue(self, repository: Repository, author: Actor, at: int, *, title: str, body: str | None = None) -> Issue:
        number, item_id = self._number(repository), self._community.new_id()
        issue = Issue(
            id=item_id, author=author, created=at, body=body, repository=repository, number=number, title=title
        )
        return self._placed(issue)

    def pull_request(
        self, repository: Repository, author: Actor, at: int, *, title: str, body: str | None = None
    ) -> PullRequest:
        number, item_id = self._number(repository), self._community.new_id()
        pull = PullRequest(
            id=item_id,
            author=author,
            created=at,
            body=body,
            repository=repository,
            number=number,
            title=title,
            additions=1 + number % 300,
            deletions=number % 40,
            changed_files=1 + number % 9,
        )
        return self._placed(pull)

    def discussion(
        self, category: Category, author: Actor, at: int, *, title: str, body: str | None = None
    ) -> Discussion:
        repository = category.repository
        number, item_id = self._number(repository), self._community.new_id()
        discussion = Discussion(
            id=item_id,
            author=author,
            created=at,
            body=body,
            repository=repository,
            number=number,
            title=title,
            category=category,
        )
        return self._placed(discussion)

    def comment(self, item: Issue | PullRequest, author: Actor, at: int, *, body: str | None = None) -> Comment:
        comment = Comment(id=self._community.new_id(), author=author, created=at, body=body, item=item)
        item.comments.append(comment)
        self.move(item, at)
        return self._community.register(comment)

    def event(self, item: Item, typename: str, actor: Actor, at: int, subject: Subject = None) -> Event:
        event = Event(
            typename=typename, id=self._community.new_id(), item=item, actor=actor, created=at, subject=subject
        )
        item.events.append(event)
        self.move(item, at)
        return self._community.register(event)

    def close(self, item: Item, actor: Actor, at: int) -> Event:
        item.closed = at
        return self.event(item, "ClosedEvent", actor, at)

    def reopen(self, item: Item, actor: Actor, at: int) -> Event:
        item.closed = None
        return self.event(item, "ReopenedEvent", actor, at)

    def merge(self, pull: PullRequest, actor: Actor, at: int) -> tuple[Event, Event]:
        """GitHub writes down both: that it was merged, and that it was closed."""
        pull.merged = at
        return self.event(pull, "MergedEvent", actor, at), self.close(pull, actor, at)

    def label(self, item: Item, label: Label, actor: Actor, at: int) -> Event | None:
        """Discussions have no timeline to write it into."""
        item.labels.append(label)
        self.move(item, at)
        return None if isinstance(item, Discussion) else self.event(item, "LabeledEvent", actor, at, label)

    def review(
        self,
        pull: PullRequest,
        author: Actor,
        at: int,
        *,
        state: str = "COMMENTED",
        body: str | None = None,
        threads: int = 0,
    ) -> Review:
        """A review, with as many conversations begun at lines of code."""
        pending = state == "PENDING"
        review = Review(
            id=self._community.new_id(),
            author=author,
            created=at,
            body=body,
            item=pull,
            state=state,
            submitted=None if pending else at,
        )
        pull.reviews.append(self._community.register(review))
        for _ in range(threads):
            self._remark(self._thread(pull, at), review, at, body=None)
        if not pending:
            self.move(pull, at)
        return review

    def dismiss(self, review: Review, actor: Actor, at: int) -> Event:
        """The review itself says that it is dismissed, and the timeline that it was."""
        review.state = "DISMISSED"
        return self.event(review.item, "ReviewDismissedEvent", actor, at, review)

    def transfer(self, issue: Issue, target: Repository, actor: Actor, at: int) -> Issue:
        """In the other repository it has another id and number, and so has all that is below it."""
        moved = self.issue(target, issue.author, issue.created, title=issue.title, body=self._community.body(issue))
        moved.closed = issue.closed
        for comment in issue.comments:
            self.comment(moved, comment.author, comment.created, body=self._community.body(comment))
        for event in issue.events:
            self.event(moved, event.typename, event.actor, event.created, event.subject)
        self.event(moved, "TransferredEvent", actor, at, issue.repository)
        self.forget(issue)
        return moved

    def convert(self, issue: Issue, category: Category, actor: Actor, at: int) -> Discussion:
        """A discussion takes its place: the issue stays, closed, and tells so."""
        body = self._community.body(issue)
        made = self.discussion(category, issue.author, issue.created, title=issue.title, body=body)
        for comment in issue.comments:
            self.say(made, comment.author, comment.created, body=self._community.body(comment))
        self.move(made, at)
        issue.converted, issue.closed = made, at
        self.event(issue, "ConvertedToDiscussionEvent", actor, at, made)
        return made

    def forget(self, item: Item) -> None:
        """It is there no more, and leads nowhere."""
        del item.repository.items[item.number]
        self._community.forget(item)

    def answer(self, thread: Thread, author: Actor, at: int, *, body: str | None = None) -> ReviewComment:
        """An answer at a line of code is a review of its own, with nothing but that comment in it."""
        review = self.review(thread.item, author, at, body="")
        return self._remark(thread, review, at, body=body)

    def say(
        self,
        discussion: Discussion,
        author: Actor,
        at: int,
        *,
        body: str | None = None,
        parent: DiscussionComment | None = None,
    ) -> DiscussionComment:
        comment = DiscussionComment(
            id=self._community.new_id(), author=author, created=at, body=body, item=discussion, parent=parent
        )
        (discussion.talk if parent is None else parent.replies).append(comment)
        self.move(discussion, at)
        return self._community.register(comment)

    def choose(self, comment: DiscussionComment, at: int) -> None:
        """Marks the answer."""
        comment.item.answer = comment
        self.move(comment.item, at)

    def labels(self, repository: Repository, names: Sequence[str]) -> None:
        for name in names:
            label = Label(id=self._community.new_id(), name=name, repository=repository, created=repository.created)
            repository.labels.append(self._community.register(label))

    def categories(self, repository: Repository) -> None:
        for name, emoji, answerable in (("Q&A", ":pray:", True), ("Ideas", ":bulb:", False)):
            category = Category(
                id=self._community.new_id(),
                name=name,
                emoji=emoji,
                answerable=answerable,
                repository=repository,
                created=repository.created,
            )
            repository.categories.append(self._community.register(category))

    def move(self, item: Item, at: int) -> None:
        """The item says that something about it is new."""
        item.updated = max(item.updated, at)
        item.moved = self._community.tick

    def _number(self, repository: Repository) -> int:
        repository.last_number += 1
        return repository.last_number

    def _placed(self, item: AnyItem) -> AnyItem:
        item.repository.items[item.number] = item
        return self._community.register(item)

    def _thread(self, pull: PullRequest, at: int) -> Thread:
        thread = Thread(id=self._community.new_id(), item=pull, created=at)
        pull.threads.append(thread)
        return self._community.register(thread)

    def _remark(self, thread: Thread, review: Review, at: int, *, body: str | None) -> ReviewComment:
        comment = ReviewComment(
            id=self._community.new_id(),
            author=review.author,
            created=at,
            body=body,
            item=thread.item,
            thread=thread,
            review=review,
        )
        thread.comments.append(comment)
        return self._community.register(comment)
