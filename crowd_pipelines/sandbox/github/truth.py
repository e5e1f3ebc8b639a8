"""What a database should hold after reading everything that is connected, as JSON-able records.

`activity`: type, source_id, source_parent_id, source_parent_type (the parent's type of activity; the parent may itself
be none, as when a bot opened the issue), thread (node id of the issue, pull request or discussion; of the repository
for stars and forks), timestamp, title, body (the text without markup; of reviews as it was written), url, channel (the
repository's address), channel_id (its node id), member (a user's number), timestamp_source, attributes, and `outdated`:
values that a reader may still hold, because nothing that one reads to find news has moved with their change.
`member`: source_id, username, formerly, display_name, and what the profile says.
`vanished`: type, source_id, why, signalled (whether the time of the issue, pull request or discussion has moved since).

All ids are node ids of the new form; attributes have GitHub's spelling. Being assigned or asked for a review is an
activity of whoever did it, with the other's number in `attributes.objectMember` (null where that is no user); a team's
review request is one activity, whoever belongs to the team. What an issue or a pull request is like is told of the
activity that began it.
"""

from collections.abc import Iterator
from typing import Any

from crowd_pipelines.sandbox.github import text, things
from crowd_pipelines.sandbox.github.community import SITE, Community
from crowd_pipelines.sandbox.github.coverage import extent
from crowd_pipelines.sandbox.github.deeds import Subject
from crowd_pipelines.sandbox.github.exchange import iso
from crowd_pipelines.sandbox.github.ids import node_id
from crowd_pipelines.sandbox.github.model import (
    Account,
    Discussion,
    DiscussionComment,
    Event,
    Issue,
    Item,
    PullRequest,
    Remark,
    Repository,
    Review,
    Vanished,
)

Record = dict[str, Any]
OPENED = {"Issue": "issues-opened", "PullRequest": "pull_request-opened", "Discussion": "discussion-started"}
COMMENTED = {"Issue": "issue-comment", "PullRequest": "pull_request-comment"}
DONE = {
    ("Issue", "ClosedEvent"): "issues-closed",
    ("PullRequest", "ClosedEvent"): "pull_request-closed",
    ("PullRequest", "MergedEvent"): "pull_request-merged",
    ("PullRequest", "AssignedEvent"): "pull_request-assigned",
    ("PullRequest", "ReviewRequestedEvent"): "pull_request-review-requested",
}


def records(community: Community) -> Iterator[Record]:
    yield _about(community)
    members: dict[int, Account] = {}
    present: set[tuple[str, str]] = set()
    for repository in community.covered():
        for account, activity in Told(community, repository).activities():
            members[account.id] = account
            present.add((activity["type"], activity["source_id"]))
            yield activity
    yield from map(_member, members.values())
    gone = {(one.type, one.source_id): one for one in community.vanished}
    yield from (_vanished(one) for key, one in gone.items() if key not in present)


Written = tuple[Account, Record]


class Told:
    """The activities of a repository, each with whose it is; what bots and ghosts did is none."""

    def __init__(self, community: Community, repository: Repository) -> None:
        self._community = community
        self._repository = repository
        self._channel_id = node_id(repository)

    def activities(self) -> Iterator[Written]:
        yield from self.stars_and_forks()
        for item in self._repository.items.values():
            if item.enabled:
                yield from self.of_item(item)

    def of_item(self, item: Item) -> Iterator[Written]:
        if isinstance(item, Issue) and item.converted:
            return
        yield from self._post(item, OPENED[item.typename], parent=None, title=item.title)
        match item:
            case Issue() | PullRequest():
                for comment in item.comments:
                    yield from self._post(comment, COMMENTED[item.typename], parent=item)
                for event in item.events:
                    yield from self._event(item, event)
                if isinstance(item, PullRequest):
                    yield from self._reviews(item)
            case Discussion():
                for said in item.talk:
                    yield from self._said(said, item)
                    for reply in said.replies:
                        yield from self._said(reply, said)

    def stars_and_forks(self) -> Iterator[Written]:
        for star in self._repository.stars:
            if star.account and star.account.person and not star.torn:
                source_id = f"{self._channel_id}:{star.account.id}"
                yield self._activity(star.account, "star", source_id, star.at)
        for fork in self._repository.forks:
            if fork.owner.person:
                yield self._activity(fork.owner, "fork", node_id(fork), fork.created)

    def _said(self, comment: DiscussionComment, parent: Discussion | DiscussionComment) -> Iterator[Written]:
        attributes = {"isAnswer": comment.item.answer is comment}
        yield from self._post(comment, "discussion-comment", parent=parent, attributes=attributes)

    def _reviews(self, pull: PullRequest) -> Iterator[Written]:
        for review in pull.reviews:
            if review.submitted is not None:
                at = review.submitted
                yield from self._post(review, "pull_request-reviewed", parent=pull, at=at, attributes=_state(review))
        for thread in pull.threads:
            for comment in thread.comments:
                if comment.review.submitted is not None:
                    yield from self._post(comment, "pull_request-review-thread-comment", parent=pull)

    def _event(self, item: Item, event: Event) -> Iterator[Written]:
        kind = DONE.get((item.typename, event.typename))
        if kind is None or event.doer is None or not event.doer.person:
            return
        yield self._activity(
            event.doer,
            kind,
            node_id(event),
            event.created,
            parent=item,
            thread=item,
            url=things.url(item),
            attributes=_named(event.subject) if event.subject_matters else None,
            outdated=_unnamed(event.subject),
        )

    def _post(
        self,
        post: Item | Remark,
        kind: str,
        *,
        parent: Item | DiscussionComment | None,
        title: str | None = None,
        at: int | None = None,
        attributes: Record | None = None,
    ) -> Iterator[Written]:
        if post.writer is None or not post.writer.person:
            return
        item = post if isinstance(post, Item) else post.item
        written = self._community.body(post)
        yield self._activity(
            post.writer,
            kind,
            node_id(post),
            at or post.created,
            parent=parent,
            thread=item,
            title=title,
            body=written if isinstance(post, Review) else text.plain(written),
            url=things.url(post),
            attributes=_of_item(post) if isinstance(post, Item) else attributes,
            outdated=_outdated(post, item),
        )

    def _activity(
        self,
        account: Account,
        kind: str,
        source_id: str,
        at: int,
        *,
        parent: Item | DiscussionComment | None = None,
        thread: Item | None = None,
        title: str | None = None,
        body: str | None = None,
        url: str | None = None,
        attributes: Record | None = None,
        outdated: Record | None = None,
    ) -> Written:
        repository = self._repository
        former = [f"{SITE}/{name}" for _, name in repository.renames]
        aged = {"channel": former} if former else {}
        if former and url:
            path = url.removeprefix(f"{SITE}/{repository.full_name}")
            aged["url"] = [name + path for name in former]
        record = {
            "record": "activity",
            "type": kind,
            "source_id": source_id,
            "source_parent_id": node_id(parent) if parent else None,
            "source_parent_type": _type(parent) if parent else None,
            "thread": node_id(thread or repository),
            "timestamp": iso(at),
            "title": title,
            "body": body,
            "url": url,
            "channel": f"{SITE}/{repository.full_name}",
            "channel_id": self._channel_id,
            "member": str(account.id),
            "timestamp_source": "provider",
            "attributes": attributes or {},
            "outdated": {**aged, **(outdated or {})},
        }
        return account, record


def _outdated(post: Item | Remark, item: Item) -> Record:
    bodies = [body for tick, body in post.silent_edits if tick > item.moved]
    titles = [title for tick, title in post.silent_titles if tick > item.moved] if isinstance(post, Item) else []
    told = {"body": [body if isinstance(post, Review) else text.plain(body) for body in bodies], "title": titles}
    return {field: values for field, values in told.items() if values}


def _named(subject: Subject) -> Record:
    """Whom an event is about."""
    known = isinstance(subject, Account) and subject.person
    return {"objectMember": str(subject.id) if known and subject else None}


def _unnamed(subject: Subject) -> Record:
    """Whom it was about before they were deleted, which moves nothing."""
    gone = isinstance(subject, Account) and subject.typename == "User" and subject.gone
    return {"objectMember": [str(subject.id)]} if gone and subject else {}


def _type(parent: Item | DiscussionComment) -> str:
    return "discussion-comment" if isinstance(parent, DiscussionComment) else OPENED[parent.typename]


def _of_item(item: Item) -> Record:
    match item:
        case PullRequest():
            return {
                "state": "merged" if item.merged else "closed" if item.closed else "open",
                "additions": item.additions,
                "deletions": item.deletions,
                "changedFiles": item.changed_files,
                "authorAssociation": things.association(item.writer),
                "labels": [label.name for label in item.labels],
            }
        case Issue():
            return {"state": "closed" if item.closed else "open", "labels": [label.name for label in item.labels]}
        case Discussion():
            category = item.category
            return {"category": {"id": node_id(category), "name": category.name, "slug": category.slug,
                                 "emoji": category.emoji,
                    "description": None, "isAnswerable": category.answerable}}  # fmt: skip
    raise TypeError(item)


def _state(review: Review) -> Record:
    return {"reviewState": review.state.lower()}


def _about(community: Community) -> Record:
    return {
        "record": "about",
        "settings": community.connected,
        "coverage": {one.full_name: extent(one) for one in community.covered()},
        "cases": community.cases,
        "now": iso(community.now),
    }


def _member(account: Account) -> Record:
    return {
        "record": "member",
        "source_id": str(account.id),
        "username": account.login,
        "formerly": [login for _, login in account.renames],
        "display_name": account.name,
        "email": account.email or None,
        "bio": account.bio,
        "company": account.company,
        "location": account.location,
        "website": account.website,
        "twitter": account.twitter,
        "is_hireable": account.hireable,
        "url": f"{SITE}/{account.login}",
        "avatar_url": f"https://avatars.githubusercontent.com/u/{account.id}?v=4",
        "reach": account.followers,
    }


def _vanished(gone: Vanished) -> Record:
    return {
        "record": "vanished",
        "type": gone.type,
        "source_id": gone.source_id,
        "why": gone.why,
        "signalled": gone.signalled,
    }
