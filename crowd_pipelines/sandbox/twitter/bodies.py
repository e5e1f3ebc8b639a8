"""The JSON bodies, with the fields that were asked for and no others."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from crowd_pipelines.sandbox.twitter.community import EDITABLE_FOR, Community
from crowd_pipelines.sandbox.twitter.model import Person, Post, State

USER_DEFAULTS = frozenset({"id", "name", "username"})
POST_DEFAULTS = frozenset({"id", "text", "edit_history_tweet_ids"})
MEDIA_DEFAULTS = frozenset({"media_key", "type"})
NOT_FOUND = "https://api.twitter.com/2/problems/resource-not-found"

Body = dict[str, Any]


def iso(moment: int) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def user(person: Person, fields: Iterable[str]) -> Body:
    """X leaves out an empty location."""
    whole: Body = {
        "id": str(person.id),
        "name": person.name,
        "username": person.username,
        "created_at": iso(person.joined),
        "description": person.description,
        "url": person.url,
        "verified": person.followers > 10_000,
        "protected": False,
        "profile_image_url": f"https://pbs.twimg.com/profile_images/{person.id}/x_normal.jpg",
        "public_metrics": {
            "followers_count": person.followers,
            "following_count": person.id % 500,
            "tweet_count": person.id % 9_000,
            "listed_count": person.followers // 90,
        },
    }
    if person.location:
        whole["location"] = person.location
    return _chosen(whole, USER_DEFAULTS | set(fields))


def post(community: Community, item: Post, fields: Iterable[str]) -> Body:
    version = item.current
    whole: Body = {
        "id": str(version.id),
        "text": version.text,
        "edit_history_tweet_ids": [str(one.id) for one in item.versions],
        "author_id": str(item.author),
        "created_at": iso(version.made),
        "conversation_id": str(item.reply_to or item.first_id),
        "lang": "en",
        "edit_controls": {
            "edits_remaining": 6 - len(item.versions),
            "is_edit_eligible": community.now - item.versions[0].made < EDITABLE_FOR,
            "editable_until": iso(item.versions[0].made + EDITABLE_FOR),
        },
        "public_metrics": dict.fromkeys(
            ("retweet_count", "reply_count", "like_count", "quote_count", "bookmark_count", "impression_count"), 0
        ),
        **_optional(community, item),
    }
    return _chosen(whole, POST_DEFAULTS | set(fields))


def media(key: str, fields: Iterable[str]) -> Body:
    """Keys tell the kind: 3 is a picture, 7 a film, which has a preview only."""
    film = key.startswith("7_")
    address = f"https://pbs.twimg.com/media/{key}.jpg"
    whole = {"media_key": key, "type": "video" if film else "photo", "height": 800, "width": 600}
    return _chosen({**whole, ("preview_image_url" if film else "url"): address}, MEDIA_DEFAULTS | set(fields))


def includes(community: Community, posts: Sequence[Post], asked: Mapping[str, Sequence[str]]) -> Body:
    """Authors and media of the posts, as far as they are there; a kind of which there is nothing is left out."""
    expansions, found = asked.get("expansions", ()), dict[str, list[Body]]()
    if "author_id" in expansions:
        authors = (community.people[author] for author in dict.fromkeys(item.author for item in posts))
        found["users"] = [user(author, asked.get("user.fields", ())) for author in authors if author.shown]
    if "attachments.media_keys" in expansions:
        keys = dict.fromkeys(key for item in posts if not item.lost_media for key in item.media)
        found["media"] = [media(key, asked.get("media.fields", ())) for key in keys]
    return {kind: items for kind, items in found.items() if items}


def missing_authors(community: Community, posts: Sequence[Post]) -> list[Body]:
    authors = dict.fromkeys(item.author for item in posts)
    return [missing(community.people.get(a), str(a), "author_id") for a in authors if not community.people[a].shown]


def missing(person: Person | None, value: str, parameter: str) -> Body:
    """Why an account that was asked for is not there."""
    suspended = person is not None and person.state is State.SUSPENDED
    return {
        "value": value,
        "detail": f"User has been suspended: [{value}]."
        if suspended
        else f"Could not find user with {parameter}: [{value}].",
        "title": "Forbidden" if suspended else "Not Found Error",
        "resource_type": "user",
        "parameter": parameter,
        "resource_id": value,
        "type": NOT_FOUND,
    }


def withheld(item: Person | Post, kind: str) -> Body:
    """Why a record of a list is not on its page."""
    value = str(item.id if isinstance(item, Person) else item.current.id)
    return {
        "value": value,
        "detail": f"Sorry, you are not authorized to see the {kind} with id: [{value}].",
        "title": "Authorization Error",
        "section": "data",
        "resource_type": kind,
        "parameter": "id",
        "resource_id": value,
        "type": NOT_FOUND.replace("resource-not-found", "not-authorized-for-resource"),
    }


def _optional(community: Community, item: Post) -> Body:
    found: Body = {}
    if entities := _entities(community, item.current.text):
        found["entities"] = entities
    if item.rest:
        found["note_tweet"] = {"text": item.rest, "entities": _entities(community, item.rest)}
    if item.article:
        found["article"] = {"title": item.article}
    if item.reply_to:
        found["in_reply_to_user_id"] = str(community.account)
    if item.reply_to or item.retweet_of:
        kind = "retweeted" if item.retweet_of else "replied_to"
        found["referenced_tweets"] = [{"type": kind, "id": str(item.retweet_of or item.reply_to)}]
    if item.media:
        found["attachments"] = {"media_keys": list(item.media)}
    if item.poll:
        found["attachments"] = {"poll_ids": [str(item.poll)]}
    return found


def _entities(community: Community, text: str) -> Body:
    """Offsets count code points."""
    found: Body = {}
    if tags := [{"start": m.start(), "end": m.end(), "tag": m[1]} for m in re.finditer(r"#(\w+)", text)]:
        found["hashtags"] = tags
    account = community.people[community.account]
    names = re.finditer(rf"@({re.escape(account.username)})\b", text)
    if mentions := [
        {"start": m.start(), "end": m.end(), "username": account.username, "id": str(account.id)} for m in names
    ]:
        found["mentions"] = mentions
    if urls := [{"start": m.start(), "end": m.end(), "url": m[0]} for m in re.finditer(r"https://t\.co/\w+", text)]:
        found["urls"] = urls
    return found


def _chosen(whole: Body, fields: Iterable[str]) -> Body:
    return {name: value for name, value in whole.items() if name in set(fields)}
