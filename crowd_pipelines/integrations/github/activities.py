"""What GitHub's payloads mean: activities and members. Pure: the same payload twice gives equal records.

Only people act. What bots, organizations, imported and deleted accounts do gives no activity.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from crowd_pipelines.integrations.github.payloads import (
    Assignment,
    Comment,
    Deed,
    DiscussionComment,
    Fork,
    Item,
    Opening,
    Person,
    Place,
    Review,
    ReviewRequest,
    Star,
)
from crowd_pipelines.model.records import Activity, ActivityType, AttributeType, Member, MemberAttribute

PLATFORM = "github"

STAR = ActivityType(name="star", score=2, is_contribution=False)
FORK = ActivityType(name="fork", score=4, is_contribution=False)
ISSUE_OPENED = ActivityType(name="issues-opened", score=8, is_contribution=True)
ISSUE_CLOSED = ActivityType(name="issues-closed", score=6, is_contribution=True)
ISSUE_COMMENT = ActivityType(name="issue-comment", score=6, is_contribution=True)
PULL_OPENED = ActivityType(name="pull_request-opened", score=10, is_contribution=True)
PULL_CLOSED = ActivityType(name="pull_request-closed", score=8, is_contribution=True)
PULL_MERGED = ActivityType(name="pull_request-merged", score=6, is_contribution=True)
PULL_ASSIGNED = ActivityType(name="pull_request-assigned", score=2, is_contribution=False)
REVIEW_REQUESTED = ActivityType(name="pull_request-review-requested", score=2, is_contribution=False)
PULL_REVIEWED = ActivityType(name="pull_request-reviewed", score=8, is_contribution=True)
PULL_COMMENT = ActivityType(name="pull_request-comment", score=6, is_contribution=True)
THREAD_COMMENT = ActivityType(name="pull_request-review-thread-comment", score=6, is_contribution=True)
DISCUSSION_STARTED = ActivityType(name="discussion-started", score=8, is_contribution=True)
DISCUSSION_COMMENT = ActivityType(name="discussion-comment", score=6, is_contribution=True)
ANSWER = ActivityType(name=DISCUSSION_COMMENT.name, score=8, is_contribution=True)
"""A comment that was accepted as the answer: the same type, worth more."""

ACTIVITY_TYPES = (
    STAR,
    FORK,
    ISSUE_OPENED,
    ISSUE_CLOSED,
    ISSUE_COMMENT,
    PULL_OPENED,
    PULL_CLOSED,
    PULL_MERGED,
    PULL_ASSIGNED,
    REVIEW_REQUESTED,
    PULL_REVIEWED,
    PULL_COMMENT,
    THREAD_COMMENT,
    DISCUSSION_STARTED,
    DISCUSSION_COMMENT,
)

MEMBER_ATTRIBUTES = (
    MemberAttribute(name="isHireable", label="Open to work", type=AttributeType.BOOLEAN),
    MemberAttribute(name="url", label="Profile", type=AttributeType.URL),
    MemberAttribute(name="bio", label="Bio"),
    MemberAttribute(name="location", label="Location"),
    MemberAttribute(name="avatarUrl", label="Picture", type=AttributeType.URL),
    MemberAttribute(name="websiteUrl", label="Website", type=AttributeType.URL),
    MemberAttribute(name="company", label="Company"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """An issue, a pull request or a discussion: what everything below it needs to know of it."""

    place: Place
    id: str
    opened: ActivityType
    url: str | None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    """What it is like now: on the activity that began it, and on no other, which would keep the former state."""

    origin: str | None = None
    """Who began it and when, which it keeps wherever it moves; None where nobody is known to have."""

    title: str | None = None

    def activity(
        self,
        kind: ActivityType,
        source_id: str,
        timestamp: datetime,
        person: Person,
        *,
        parent: tuple[ActivityType, str] | None = None,
        **details: Any,
    ) -> Activity:
        """Return something that a person did here, in answer to the conversation itself if to nothing else."""
        parent_type, parent_id = parent or (self.opened, self.id)
        return _activity(
            self.place,
            kind,
            source_id,
            timestamp,
            person,
            thread=self.id,
            source_parent_id=parent_id,
            source_parent_type=parent_type.name,
            **details,
        )


def _activity(
    place: Place, kind: ActivityType, source_id: str, timestamp: datetime, person: Person, **details: Any
) -> Activity:
    return Activity(
        platform=PLATFORM,
        type=kind,
        source_id=source_id,
        timestamp=timestamp,
        member=member(person),
        channel=place.url,
        channel_id=place.id,
        **details,
    )


def member(person: Person) -> Member:
    """Return a member as GitHub shows them; a company is what they wrote themselves."""
    return Member(
        platform=PLATFORM,
        source_id=person.source_id,
        username=person.login,
        display_name=person.name if person.name and person.name.strip() else None,
        emails=(person.email,) if person.email else (),
        reach=person.followers.total_count if person.followers else None,
        attributes={
            "isHireable": person.is_hireable,
            "url": person.url or None,
            "bio": person.bio or None,
            "location": person.location or None,
            "avatarUrl": person.avatar_url or None,
            "websiteUrl": person.website_url or None,
            "company": person.company or None,
        },
    )


def star(place: Place, given: Star) -> Iterator[Activity]:
    """Yield a star. Its id holds both whose and of what it is, so that neither a rename nor another star matters."""
    if given.node:
        source_id = f"{place.id}:{given.node.key}"
        yield _activity(place, STAR, source_id, given.starred_at, given.node, thread=place.id)


def fork(place: Place, made: Fork) -> Iterator[Activity]:
    """Yield a fork by a person."""
    if made.owner:
        yield _activity(place, FORK, made.id, made.created_at, made.owner, thread=place.id)


def issue(place: Place, item: Item) -> Conversation:
    """Return an issue as a conversation."""
    return _conversation(place, item, ISSUE_OPENED, _state(item))


def pull_request(place: Place, item: Item) -> Conversation:
    """Return a pull request as a conversation."""
    attributes = {
        **_state(item),
        "additions": item.additions,
        "deletions": item.deletions,
        "changedFiles": item.changed_files,
        "authorAssociation": item.author_association,
    }
    return _conversation(place, item, PULL_OPENED, attributes)


def discussion(place: Place, item: Item) -> Conversation:
    """Return a discussion as a conversation."""
    category = item.category.model_dump(by_alias=True) if item.category else None
    return _conversation(place, item, DISCUSSION_STARTED, {"category": category})


def _conversation(place: Place, item: Item, opened: ActivityType, attributes: Mapping[str, Any]) -> Conversation:
    origin = f"{item.created_at} {item.author.key}" if item.created_at and item.author else None
    return Conversation(
        place=place, id=item.id, opened=opened, url=item.url, attributes=attributes, origin=origin, title=item.title
    )


def _state(item: Item) -> dict[str, Any]:
    labels = (item.labels.nodes if item.labels else None) or ()
    return {
        "state": (item.state or "").lower(),
        "labels": sorted(label.name for label in labels if label and label.name),
    }


def opening(here: Conversation, opened: Opening) -> Iterator[Activity]:
    """Yield how a conversation began."""
    if opened.author:
        yield _activity(
            here.place,
            here.opened,
            opened.id,
            opened.created_at,
            opened.author,
            thread=opened.id,
            title=opened.title,
            body=opened.body_text,
            url=opened.url,
            attributes=here.attributes,
        )


def comment(here: Conversation, written: Comment) -> Iterator[Activity]:
    """Yield a comment on an issue or a pull request."""
    if written.author:
        kind = ISSUE_COMMENT if here.opened is ISSUE_OPENED else PULL_COMMENT
        yield here.activity(
            kind, written.id, written.created_at, written.author, body=written.body_text, url=written.url
        )


def thread_comment(here: Conversation, written: Comment) -> Iterator[Activity]:
    """Yield a comment at a line of code, unless it is a draft."""
    if written.author and written.state != "PENDING":
        yield here.activity(
            THREAD_COMMENT, written.id, written.created_at, written.author, body=written.body_text, url=written.url
        )


def discussion_comment(here: Conversation, written: DiscussionComment, *, above: str | None) -> Iterator[Activity]:
    """Yield a comment on a discussion, or a reply to the comment with the id `above`; a deleted one says nothing."""
    if written.author and not written.deleted_at:
        yield here.activity(
            ANSWER if written.is_answer else DISCUSSION_COMMENT,
            written.id,
            written.created_at,
            written.author,
            parent=(DISCUSSION_COMMENT, above) if above else None,
            body=written.body_text,
            url=written.url,
            attributes={"isAnswer": bool(written.is_answer)},
        )


def closing(here: Conversation, done: Deed) -> Iterator[Activity]:
    """Yield the closing of an issue or a pull request; it may be closed again and again."""
    if done.actor:
        yield _deed(here, ISSUE_CLOSED if here.opened is ISSUE_OPENED else PULL_CLOSED, done.id, done, done.actor)


def merging(here: Conversation, done: Deed) -> Iterator[Activity]:
    """Yield the merging of a pull request, which GitHub tells beside its closing."""
    if done.actor:
        yield _deed(here, PULL_MERGED, done.id, done, done.actor)


def assignment(here: Conversation, done: Assignment) -> Iterator[Activity]:
    """Yield that somebody, or something that is no person, was assigned to a pull request."""
    if done.actor:
        yield _deed(here, PULL_ASSIGNED, done.id, done, done.actor, **_subject(done.assignee))


def review_request(here: Conversation, done: ReviewRequest) -> Iterator[Activity]:
    """Yield that somebody was asked for a review, or a team: one deed, whoever belongs to the team."""
    if done.actor:
        team = {"objectTeam": done.team.model_dump(include={"name", "slug"})} if done.team else {}
        yield _deed(here, REVIEW_REQUESTED, done.id, done, done.actor, **_subject(done.person), **team)


def review(here: Conversation, given: Review) -> Iterator[Activity]:
    """Yield a review; one that was not submitted is a draft."""
    if given.author and given.submitted_at:
        yield here.activity(
            PULL_REVIEWED,
            given.id,
            given.submitted_at,
            given.author,
            body=given.body,
            url=given.url,
            attributes={"reviewState": (given.state or "").lower()},
        )


def _subject(person: Person | None) -> dict[str, Any]:
    named = {"sourceId": person.source_id, "username": person.login} if person else None
    return {"objectMember": named}


def _deed(here: Conversation, kind: ActivityType, source_id: str, done: Deed, actor: Person, **told: Any) -> Activity:
    return here.activity(kind, source_id, done.created_at, actor, url=here.url, attributes=told)
