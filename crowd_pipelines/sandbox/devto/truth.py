"""What a database should hold after reading every article of the owners, as JSON-able records.

`activity`: type, source_id, source_parent_id and source_parent_type (the next above that can be read), thread (the
article's id), timestamp, title, body_html (raw; articles are listed without), description, url, member (user id),
article_url, article_title, and `outdated`: values that a reader may still hold who trusted the change detector, because
the API gave no sign of their change (of the parent: `type:id`).
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
        "article_title": article.title,
        "outdated": {},
    }


def _comment(community: Community, article: Article, comment: Comment) -> Record:
    author = community.people[comment.author]
    parent = _next_above(community, article, comment, community.tick)
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
        "article_title": article.title,
        "outdated": _outdated(community, article, comment),
    }


def _above(community: Community, article: Article, comment: Comment) -> Iterator[Comment]:
    comments = community.comments(article)
    while comment.parent is not None and comment.parent in comments:
        comment = comments[comment.parent]
        yield comment


def _next_above(community: Community, article: Article, comment: Comment, tick: int) -> Comment | None:
    """The next comment above that could be read at that time, None where there was none."""
    above = _above(community, article, comment)
    return next((one for one in above if one.state_at(tick) is CommentState.LIVE), None)


def _parents_since(community: Community, article: Article, comment: Comment) -> list[str]:
    """What the comment answered at any time since its article last gave a sign."""
    changes = {tick for one in _above(community, article, comment) for tick, _ in one.states}
    ticks = [article.signalled, *sorted(tick for tick in changes if tick > article.signalled)]
    parents = (_next_above(community, article, comment, tick) for tick in ticks)
    named = [f"comment:{parent.code}" if parent else f"article:{article.id}" for parent in parents]
    return [parent for parent in named if parent != named[-1]]


def _comment_url(username: str, comment: Comment) -> str:
    return f"{bodies.SITE}/{username}/comment/{comment.code}"


def _outdated(community: Community, article: Article, comment: Comment) -> dict[str, list[str]]:
    author = community.people[comment.author]
    silent = {
        "body_html": [body for tick, body in comment.edits if tick > article.signalled],
        "url": [_comment_url(name, comment) for tick, name in author.renames if tick > article.signalled],
        "parent": _parents_since(community, article, comment),
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
