"""What DEV's payloads mean: activities and members. Pure: the same payload twice gives equal records."""

from contextlib import suppress
from datetime import datetime
from typing import Any

from crowd_pipelines.integrations.devto.api import Article, Comment, OrganizationPayload, Person, Profile
from crowd_pipelines.model.records import (
    Activity,
    ActivityType,
    AttributeType,
    Member,
    MemberAttribute,
    Organization,
)
from crowd_pipelines.model.text import clean_html

PLATFORM = "devto"

ARTICLE = ActivityType(name="article", score=10, is_contribution=True)
COMMENT = ActivityType(name="comment", score=6, is_contribution=True)

MEMBER_ATTRIBUTES = (
    MemberAttribute(name="url", label="Profile", type=AttributeType.URL),
    MemberAttribute(name="bio", label="Bio"),
    MemberAttribute(name="location", label="Location"),
    MemberAttribute(name="avatarUrl", label="Picture", type=AttributeType.URL),
    MemberAttribute(name="websiteUrl", label="Website", type=AttributeType.URL),
    MemberAttribute(name="githubUsername", label="GitHub name"),
    MemberAttribute(name="twitterUsername", label="X/Twitter name"),
    MemberAttribute(name="platformJoinedAt", label="Joined the platform", type=AttributeType.MOMENT),
)


def article_activity(article: Article, author: Person, site: str) -> Activity:
    """Return the publication of an article by its author."""
    return Activity(
        platform=PLATFORM,
        type=ARTICLE,
        source_id=str(article.id),
        thread=str(article.id),
        timestamp=article.published_at,
        member=person_member(author, site, article.organization),
        title=article.title,
        body=article.description,
        url=article.url,
        attributes={"tags": list(article.tag_list or ())},
    )


def comment_activity(comment: Comment, *, parent: str | None, article: tuple[int, str, str], site: str) -> Activity:
    """Return a comment; without a comment above it, it answers the article (id, title, URL)."""
    article_id, title, url = article
    return Activity(
        platform=PLATFORM,
        type=COMMENT,
        source_id=comment.id_code,
        source_parent_id=parent or str(article_id),
        source_parent_type=COMMENT.name if parent else ARTICLE.name,
        thread=str(article_id),
        timestamp=comment.created_at,
        member=person_member(comment.user, site),
        body=clean_html(comment.body_html or ""),
        url=f"{site}/{comment.user.username}/comment/{comment.id_code}",
        attributes={
            "thread": parent is not None,
            "userUrl": f"{site}/{comment.user.username}",
            "articleUrl": url,
            "articleTitle": title,
        },
    )


def person_member(person: Person, site: str, organization: OrganizationPayload | None = None) -> Member:
    """Return a member as an article or a comment shows them; bio and place only the profile tells."""
    return Member(
        platform=PLATFORM,
        source_id=None if person.user_id is None else str(person.user_id),
        username=person.username,
        display_name=_named(person.name),
        attributes=_shown(person, site),
        organizations=(_organization(organization, site),) if organization else (),
    )


def profile_member(profile: Profile, site: str) -> Member:
    """Return a member as their profile shows them."""
    joined = _joined(profile.joined_at)
    return Member(
        platform=PLATFORM,
        source_id=str(profile.id),
        username=profile.username,
        display_name=_named(profile.name),
        attributes={
            **_shown(profile, site),
            "bio": profile.summary or None,
            "location": profile.location or None,
            **({"platformJoinedAt": joined} if joined else {}),
        },
    )


def _shown(person: Person | Profile, site: str) -> dict[str, Any]:
    return {
        "url": f"{site}/{person.username}",
        "avatarUrl": person.profile_image or None,
        "websiteUrl": person.website_url or None,
        "githubUsername": person.github_username or None,
        "twitterUsername": person.twitter_username or None,
    }


def _named(name: str | None) -> str | None:
    """Return a display name, None where there is nothing to be read."""
    return name if name and name.strip() else None


def _joined(text: str | None) -> str | None:
    with suppress(ValueError, TypeError):
        return datetime.strptime(text or "", "%b %d, %Y").date().isoformat()  # noqa: DTZ007  a date, no moment
    return None


def _organization(organization: OrganizationPayload, site: str) -> Organization:
    return Organization(
        source_id=organization.username,
        name=organization.name,
        url=f"{site}/{organization.username}",
        image_url=organization.profile_image,
    )
