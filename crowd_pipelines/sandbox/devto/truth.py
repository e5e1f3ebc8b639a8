"""What a database should hold after reading every article of the owners, as JSON-able records.

`activity`: type, source_id, source_parent_id, source_parent_type, thread (the article's id), timestamp, title,
body_html (raw; articles are listed without), description, url, member (user id), article_url, and `outdated`: values
that a reader may still hold who trusted the change detector, because the API gave no sign of their change.
`member`: source_id, username, formerly, display_name, profile (does /users/{id} answer), location, summary, joined_at.
`vanished`: type, source_id, why, and `signalled`: whether the article's list entry has shown a change since.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from crowd_pipelines.sandbox.devto import bodies
from crowd_pipelines.sandbox.devto.community import Community
from crowd_pipelines.sandbox.devto.model import Article, Comment, CommentState, Person, Vanished

Record = dict[str, Any]


def records(community: Community) -> Iterator[Record]:
    covered = community.covered()
    authors: dict[int, None] = {}
    yield _about(community)
    for article in covered.values():
        authors[article.author] = None
        yield _article(community, article)
        for comment in _live(community, article):
            authors[comment.author] = None
            yield _comment(community, article, comment)
    yield from (_member(community.people[author]) for author in authors)
    yield from (_vanished(community, gone) for gone in community.vanished)


def _about(community: Community) -> Record:
    coverage = {
        kind: {name: [article.id for article in community.by_owner(kind, name)] for name in names}
        for kind, names in community.owners.items()
    }
    return {
        "record": "about",
        "settings": community.owners,
        "coverage": coverage,
        "cases": community.cases,
        "now": bodies.iso(community.now),
    }


def _live(community: Community, article: Article) -> Iterable[Comment]:
    if not article.readable:
        return ()
    comments = community.comments(article).values()
    return (comment for comment in comments if comment.state is CommentState.LIVE)


def _article(community: Community, article: Article) -> Record:
    listed = bodies.article(community, article)
    return {
        "record": "activity",
        "type": "article",
        "source_id": str(article.id),
        "source_parent_id": None,
        "source_parent_type": None,
        "thread": str(article.id),
        "timestamp": listed["published_at"],
        "title": article.title,
        "body_html": None,
        "description": article.description,
        "url": listed["url"],
        "member": str(article.author),
        "article_url": listed["url"],
        "outdated": {},
    }


def _comment(community: Community, article: Article, comment: Comment) -> Record:
    author = community.people[comment.author]
    parent = community.comments(article).get(comment.parent) if comment.parent is not None else None
    return {
        "record": "activity",
        "type": "comment",
        "source_id": comment.code,
        "source_parent_id": parent.code if parent else str(article.id),
        "source_parent_type": "comment" if parent else "article",
        "thread": str(article.id),
        "timestamp": bodies.iso(comment.created),
        "title": None,
        "body_html": community.body(comment),
        "description": None,
        "url": _comment_url(author.username, comment),
        "member": str(author.id),
        "article_url": bodies.article(community, article)["url"],
        "outdated": _outdated(article, comment, author),
    }


def _comment_url(username: str, comment: Comment) -> str:
    return f"{bodies.SITE}/{username}/comment/{comment.code}"


def _outdated(article: Article, comment: Comment, author: Person) -> dict[str, list[str]]:
    silent = {
        "body_html": [body for tick, body in comment.edits if tick > article.signalled],
        "url": [_comment_url(name, comment) for tick, name in author.renames if tick > article.signalled],
    }
    return {field: values for field, values in silent.items() if values}


def _member(person: Person) -> Record:
    told = person.has_profile
    return {
        "record": "member",
        "source_id": str(person.id),
        "username": person.username,
        "formerly": [name for _, name in person.renames],
        "display_name": person.name,
        "profile": told,
        "location": person.location if told else None,
        "summary": person.summary if told else None,
        "joined_at": datetime.fromtimestamp(person.joined, UTC).date().isoformat() if told else None,
    }


def _vanished(community: Community, gone: Vanished) -> Record:
    article = community.articles[gone.article]
    return {
        "record": "vanished",
        "type": gone.type,
        "source_id": gone.source_id,
        "why": gone.why,
        "signalled": not article.listed or article.signalled >= gone.tick,
    }
