"""The JSON bodies, with the keys that Forem's views write."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from crowd_pipelines.sandbox.devto.community import Community
from crowd_pipelines.sandbox.devto.model import Article, Comment, CommentState, Organization, Person

SITE = "https://dev.to"
PLACEHOLDERS = {
    CommentState.DELETED: "<p>[deleted]</p>",
    CommentState.HIDDEN: "<p>[hidden by post author]</p>",
}


def iso(moment: int) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def human_date(moment: int) -> str:
    """As in "Dec 7, 2015"; DEV does not pad the day with a zero."""
    day = datetime.fromtimestamp(moment, UTC)
    return f"{day:%b} {day.day}, {day.year}"


def article(community: Community, item: Article) -> dict[str, Any]:
    author = community.people[item.author]
    path = f"/{item.organization or author.username}/{item.slug}"
    body = {
        "type_of": "article",
        "id": item.id,
        "title": item.title,
        "description": item.description,
        "readable_publish_date": human_date(item.published).split(",")[0],
        "slug": item.slug,
        "path": path,
        "url": SITE + path,
        "comments_count": item.comments_count,
        "public_reactions_count": item.id % 50,
        "collection_id": None,
        "published_timestamp": iso(item.crossposted or item.published),
        "positive_reactions_count": item.id % 50,
        "cover_image": None if item.id % 2 else _image("cover", item.id),
        "social_image": _image("social", item.id),
        "canonical_url": SITE + path,
        "created_at": iso(item.created),
        "edited_at": None if item.edited is None else iso(item.edited),
        "crossposted_at": None if item.crossposted is None else iso(item.crossposted),
        "published_at": iso(item.published),
        "last_comment_at": iso(item.last_comment),
        "reading_time_minutes": 1 + item.id % 9,
        "tag_list": item.tags,
        "tags": ", ".join(item.tags),
        "user": shared_user(author),
    }
    if item.organization:
        body["organization"] = _shared_organization(community.organizations[item.organization])
    return body


def single_article(community: Community, item: Article) -> dict[str, Any]:
    """As by itself: with the text, and with `tags` and `tag_list` the other way round than in lists."""
    listed = article(community, item)
    text = {"body_html": f"<p>{item.description}</p>\n\n", "body_markdown": f"{item.description}\n"}
    return {**listed, "tag_list": listed["tags"], "tags": listed["tag_list"], **text}


def shared_user(person: Person) -> dict[str, Any]:
    return {
        "name": person.name,
        "username": person.username,
        "twitter_username": person.twitter,
        "github_username": person.github,
        "user_id": person.id,
        "website_url": person.website,
        "profile_image": _image("user", person.id),
        "profile_image_90": _image("user90", person.id),
    }


def user(person: Person) -> dict[str, Any]:
    return {
        "type_of": "user",
        "id": person.id,
        "username": person.username,
        "name": person.name,
        "twitter_username": person.twitter,
        "github_username": person.github,
        "summary": person.summary,
        "location": person.location,
        "website_url": person.website,
        "joined_at": human_date(person.joined),
        "profile_image": _image("user", person.id),
    }


def organization(item: Organization) -> dict[str, Any]:
    return {
        "type_of": "organization",
        "id": item.id,
        "username": item.username,
        "name": item.name,
        "summary": "Builds what animals need.",
        "twitter_username": item.username,
        "github_username": item.username,
        "url": "https://example.com",
        "location": None,
        "tech_stack": None,
        "tag_line": None,
        "story": None,
        "joined_at": iso(item.joined),
        "profile_image": _image("organization", item.id),
    }


def trees(community: Community, comments: Iterable[Comment]) -> list[dict[str, Any]]:
    """The comments as threads, in the order given; one whose parent is not among them is a root."""
    bodies: dict[int, dict[str, Any]] = {}
    roots: list[dict[str, Any]] = []
    for comment in comments:
        body = bodies[comment.number] = _comment(community, comment)
        parent = bodies.get(comment.parent) if comment.parent is not None else None
        (parent["children"] if parent else roots).append(body)
    return roots


def _comment(community: Community, comment: Comment) -> dict[str, Any]:
    live = comment.state is CommentState.LIVE
    return {
        "type_of": "comment",
        "id_code": comment.code,
        "created_at": iso(comment.created),
        "body_html": community.body(comment) if live else PLACEHOLDERS[comment.state],
        "user": shared_user(community.people[comment.author]) if live else {},
        "children": [],
    }


def _shared_organization(item: Organization) -> dict[str, Any]:
    return {
        "name": item.name,
        "username": item.username,
        "slug": item.username,
        "profile_image": _image("organization", item.id),
        "profile_image_90": _image("organization90", item.id),
    }


def _image(kind: str, number: int) -> str:
    return f"{SITE}/uploads/{kind}/{number}.png"
