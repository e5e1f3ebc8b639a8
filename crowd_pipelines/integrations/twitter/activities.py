"""What X's payloads mean: activities and members. Pure: the same payload twice gives equal records."""

import html
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from crowd_pipelines.apis.x.payloads import Media, Page, Post, User, posted_at
from crowd_pipelines.model.records import (
    Activity,
    ActivityType,
    AttributeType,
    Member,
    MemberAttribute,
    TimestampSource,
)

PLATFORM = "twitter"
SITE = "https://twitter.com"

FOLLOW = ActivityType(name="follow", score=2, is_contribution=False)
MENTION = ActivityType(name="mention", score=6, is_contribution=True)
HASHTAG = ActivityType(name="hashtag", score=6, is_contribution=True)

MEMBER_ATTRIBUTES = (
    MemberAttribute(name="url", label="Profile", type=AttributeType.URL),
    MemberAttribute(name="avatarUrl", label="Picture", type=AttributeType.URL),
    MemberAttribute(name="bio", label="Bio"),
    MemberAttribute(name="location", label="Location"),
    MemberAttribute(name="websiteUrl", label="Website", type=AttributeType.URL),
)

_LONGEST_EDITING = timedelta(hours=2)
"""A post may be edited for an hour; an id and a moment further apart do not belong together."""


def follow_activity(user: User, *, followed: str, seen_at: datetime) -> Activity:
    """Return that somebody follows the account. X does not tell since when, only in which order."""
    return Activity(
        platform=PLATFORM,
        type=FOLLOW,
        source_id=f"{followed}:{user.id}",
        thread=followed,
        timestamp=seen_at,
        timestamp_source=TimestampSource.OBSERVED,
        member=user_member(user),
        url=address_of(user.username),
    )


def mention_activity(post: Post, page: Page) -> Activity:
    """Return a post that names the account."""
    return _post_activity(post, page, MENTION, {})


def hashtag_activity(post: Post, page: Page, *, tags: Sequence[str], asked: str) -> Activity:
    """Return a post with a hashtag.

    A post that has several of the settings' tags is found by each search, and is the same activity each time.
    """
    own = _tags_of(post)
    tag = next((tag for tag in tags if tag.casefold() in own), asked)
    return _post_activity(post, page, HASHTAG, {"hashtag": tag})


def address_of(username: str) -> str:
    """Return where an account is found, which changes with its name."""
    return f"{SITE}/{username}"


def user_member(user: User) -> Member:
    """Return the member that an account stands for; of one without a name, no other name is made one."""
    return Member(
        platform=PLATFORM,
        source_id=user.id,
        username=user.username,
        display_name=user.name or None,
        attributes={
            "url": address_of(user.username),
            "avatarUrl": user.profile_image_url or None,
            "bio": user.description or None,
            "location": user.location or None,
            "websiteUrl": user.url or None,
        },
        reach=user.public_metrics.followers_count if user.public_metrics else None,
    )


def _author(post: Post, users: Mapping[str, User]) -> Member:
    """Return the author; of one that X does not show (suspended, deleted, protected) the id is all there is."""
    user = users.get(post.author_id)
    return user_member(user) if user else Member(platform=PLATFORM, source_id=post.author_id, username=post.author_id)


def _post_activity(post: Post, page: Page, kind: ActivityType, attributes: Mapping[str, Any]) -> Activity:
    text = post.long_text.text if post.long_text and post.long_text.text else post.text
    return Activity(
        platform=PLATFORM,
        type=kind,
        source_id=post.first_id,
        thread=post.conversation_id,
        timestamp=_first_made(post),
        member=_author(post, page.users),
        # X escapes &, < and > once, whatever was written.
        body=None if text is None else html.unescape(text),
        url=f"{SITE}/i/status/{post.id}",
        attributes={"attachments": _attachments(post, page.media), "entities": _entities(post), **attributes},
    )


def _first_made(post: Post) -> datetime:
    """Return when the first version was made: each edit has a moment of its own, soon after."""
    if post.first_id == post.id:
        return post.created_at
    first = posted_at(post.first_id).replace(microsecond=0)
    return first if timedelta() <= post.created_at - first <= _LONGEST_EDITING else post.created_at


def _entities(post: Post) -> dict[str, Any]:
    long = post.long_text.entities if post.long_text else None
    return long or post.entities or {}


def _tags_of(post: Post) -> set[str]:
    tags = _entities(post).get("hashtags")
    named = [tag.get("tag") for tag in tags if isinstance(tag, dict)] if isinstance(tags, list) else []
    return {tag.casefold() for tag in named if isinstance(tag, str)}


def _attachments(post: Post, media: Mapping[str, Media]) -> list[dict[str, Any]]:
    """Return pictures, films and polls; what X did not include has at least its key."""
    if post.attachments is None:
        return []
    shown = [_attachment(key, media.get(key)) for key in post.attachments.media_keys or ()]
    return shown + [{"type": "poll", "id": poll_id} for poll_id in post.attachments.poll_ids or ()]


def _attachment(key: str, media: Media | None) -> dict[str, Any]:
    if media is None:
        return {"mediaKey": key}
    return {"mediaKey": key, "type": media.type, "url": media.url or media.preview_image_url}
