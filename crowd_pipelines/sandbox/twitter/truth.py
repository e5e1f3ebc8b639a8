"""What a database should hold after reading everything in reach, as JSON-able records.

`activity`: type, source_id, thread, timestamp (None for a follow: X does not tell), timestamp_source, body, url,
member (user id), hashtag, attachments (keys and polls), `readable`: whether the API lists it now, and `outdated`:
values that a reader may still hold since no answer gave a sign of their change.
`member`: source_id, username, formerly, display_name, shown (is the account there to be seen), bio, location, website,
reach.
`vanished`: type, source_id, why, `signalled`: never, but that a list read whole no longer has it.
"""

import html
from collections.abc import Iterator
from typing import Any

from crowd_pipelines.sandbox.twitter import bodies
from crowd_pipelines.sandbox.twitter.community import Community
from crowd_pipelines.sandbox.twitter.model import Person, Post

SITE = "https://twitter.com"
Record = dict[str, Any]


def records(community: Community) -> Iterator[Record]:
    yield _about(community)
    members: dict[int, None] = {}
    live: set[tuple[str, str]] = set()
    for activity in _activities(community):
        members[int(activity["member"])] = None
        live.add((activity["type"], activity["source_id"]))
        yield activity
    yield from (_member(community.people[member]) for member in members)
    gone = {(one.type, one.source_id): one.why for one in community.vanished}
    for (kind, source_id), why in gone.items():
        if (kind, source_id) not in live:
            yield {"record": "vanished", "type": kind, "source_id": source_id, "why": why, "signalled": False}


def _about(community: Community) -> Record:
    searches = {tag: len(community.search(tag, retweets=False)) for tag in community.hashtags}
    return {
        "record": "about",
        "settings": {"user_id": str(community.account), "hashtags": list(community.hashtags)},
        "coverage": {
            "followers": len(community.followers()),
            "mentions": len(community.mentions()),
            "hashtags": searches,
        },
        "cases": community.cases,
        "now": bodies.iso(community.now),
    }


def _activities(community: Community) -> Iterator[Record]:
    yield from (_follow(community, person) for _, person in community.followers())
    listed = {post.first_id for post in community.mentions()}
    for post in community.reachable_mentions():
        yield _post(post, "mention", readable=post.first_id in listed)
    found = {post.first_id for tag in community.hashtags for post in community.search(tag, retweets=False)}
    for post in community.reachable_tagged():
        ours = [tag for tag in community.hashtags if tag in post.tags]
        yield {**_post(post, "hashtag", readable=post.first_id in found), "hashtag": ours[0]}


def _follow(community: Community, person: Person) -> Record:
    account = str(community.account)
    former = [f"{SITE}/{name}" for name in person.names]
    return {
        **_activity("follow", f"{account}:{person.id}", person.id),
        "thread": account,
        "timestamp_source": "observed",
        "url": f"{SITE}/{person.username}",
        "outdated": {"url": former} if former else {},
    }


def _post(post: Post, kind: str, *, readable: bool) -> Record:
    media = [{"mediaKey": key} for key in post.media] + ([{"poll": str(post.poll)}] if post.poll else [])
    return {
        **_activity(kind, str(post.first_id), post.author),
        "thread": str(post.reply_to or post.first_id),
        "timestamp": bodies.iso(post.versions[0].made),
        "body": html.unescape(post.rest or post.current.text),
        "url": f"{SITE}/i/status/{post.current.id}",
        "attachments": media,
        "readable": readable,
    }


def _activity(kind: str, source_id: str, member: int) -> Record:
    return {
        "record": "activity",
        "type": kind,
        "source_id": source_id,
        "source_parent_id": None,
        "source_parent_type": None,
        "thread": None,
        "timestamp": None,
        "timestamp_source": "provider",
        "title": None,
        "body": None,
        "url": None,
        "channel": None,
        "channel_id": None,
        "member": str(member),
        "hashtag": None,
        "attachments": [],
        "readable": True,
        "outdated": {},
    }


def _member(person: Person) -> Record:
    return {
        "record": "member",
        "source_id": str(person.id),
        "username": person.username,
        "formerly": person.names,
        "display_name": person.name,
        "shown": person.shown,
        "bio": person.description or None,
        "location": person.location,
        "website": person.url or None,
        "reach": person.followers,
    }
