"""The fields where queries begin, and those of repositories."""

from operator import itemgetter
from typing import Any

from graphql import GraphQLResolveInfo

from crowd_pipelines.sandbox.github import accounts, connections, things
from crowd_pipelines.sandbox.github.community import SITE, repository_of
from crowd_pipelines.sandbox.github.exchange import iso
from crowd_pipelines.sandbox.github.fields import (
    Fields,
    always,
    attribute,
    community_of,
    database_id,
    identity,
    of,
    time,
)
from crowd_pipelines.sandbox.github.model import Account, Anything, Item, Repository, Star
from crowd_pipelines.sandbox.github.moods import NOT_FOR_INTEGRATIONS, Failed, stars_refused

MOST_IDS = 100


def not_found(what: str) -> Failed:
    return Failed("NOT_FOUND", f"Could not resolve to {what}.")


def _repository(_: None, info: GraphQLResolveInfo, owner: str, name: str, **options: Any) -> Repository:
    found = community_of(info).repository(f"{owner}/{name}")
    redirected = found is not None and found.full_name.lower() != f"{owner}/{name}".lower()
    if found is None or (redirected and options.get("followRenames") is False):
        raise not_found(f"a Repository with the name '{owner}/{name}'")
    info.context.moods.check("Query.repository", found.id)
    return found


def _account(typename: str, article: str) -> Any:
    def resolver(_: None, info: GraphQLResolveInfo, login: str) -> Account:
        found = community_of(info).account(login, typename)
        if found is None:
            raise not_found(f"{article} {typename} with the login of '{login}'")
        return found

    return resolver


def _owner(_: None, info: GraphQLResolveInfo, login: str) -> Account | None:
    """Null without a word where there is none, unlike `user` and `organization`."""
    community = community_of(info)
    return community.account(login, "Organization") or community.account(login)


def _viewer(_: None, info: GraphQLResolveInfo) -> Account:
    viewer: Account | None = info.context.viewer
    if viewer is None:
        raise Failed("FORBIDDEN", NOT_FOR_INTEGRATIONS)
    return viewer


def _node(_: None, info: GraphQLResolveInfo, **wanted: str) -> Anything:
    found = _seen(info, wanted["id"])
    if isinstance(found, Failed):
        raise found
    return found


def _seen(info: GraphQLResolveInfo, wanted: str) -> Anything | Failed:
    """What an id names, or the error that stands for it."""
    found = community_of(info).node(wanted)
    if found is None:
        return not_found(f"a node with the global id of '{wanted}'")
    repository = repository_of(found)
    try:
        info.context.moods.check("Query.repository", repository.id if repository else 0)
    except Failed as failed:
        return failed
    return found


def _nodes(_: None, info: GraphQLResolveInfo, ids: list[str]) -> list[Any]:
    """What is not there is null in its place, with an error that says so."""
    if len(ids) > MOST_IDS:
        raise Failed("ARGUMENT_LIMIT", f"You may not provide more than {MOST_IDS} node ids; you provided {len(ids)}.")
    return [_seen(info, wanted) for wanted in ids]


def _stargazers(repository: Repository, info: GraphQLResolveInfo, **arguments: Any) -> connections.Page | None:
    way = info.context.moods.stars_of(repository.id)
    if way in ("empty", "nothing"):
        return connections.nobody(len(repository.stars) if way == "empty" else 0)
    if way:
        info.context.closed_stars.add(way)
        raise stars_refused(way)
    return connections.page(
        info, repository.stars, arguments, within=repository.id, key=_starred, node=lambda star: star.account
    )


def _starred(star: Star) -> tuple[int, int]:
    return star.at, star.id


def _forks(repository: Repository, info: GraphQLResolveInfo, **arguments: Any) -> connections.Page:
    order = accounts.repository_order(arguments)
    return connections.page(info, repository.forks, arguments, within=repository.id, key=order)


def _items(typename: str) -> Any:
    """A connection over the items of a type. Their default order is the oldest first, of discussions the newest."""

    def resolver(repository: Repository, info: GraphQLResolveInfo, **arguments: Any) -> connections.Page:
        found = [item for item in repository.items.values() if item.typename == typename and item.enabled]
        found = [item for item in found if _fits(item, arguments)]
        field = (arguments.get("orderBy") or {}).get("field")
        key = (
            connections.updated if field == "UPDATED_AT" else _commented if field == "COMMENTS" else connections.created
        )
        return connections.page(info, found, arguments, within=repository.id, key=key)

    return resolver


def _commented(item: Item) -> tuple[int, int]:
    return len(item.comments), item.id


def _fits(item: Item, arguments: dict[str, Any]) -> bool:
    conditions = {**arguments, **(arguments.get("filterBy") or {})}
    since, states, labels = (conditions.get(name) for name in ("since", "states", "labels"))
    state = "MERGED" if getattr(item, "merged", None) else "CLOSED" if item.closed else "OPEN"
    return (
        (since is None or item.updated >= things.moment(since))
        and (not states or state in states)
        and (not labels or any(label.name in labels for label in item.labels))
    )


def _item(typename: str, article: str) -> Any:
    def resolver(repository: Repository, _: GraphQLResolveInfo, number: int) -> Item:
        found = repository.items.get(number)
        if found is None or found.typename != typename or not found.enabled:
            raise not_found(f"{article} {typename} with the number of {number}")
        return found

    return resolver


def _path(repository: Repository) -> str:
    return f"/{repository.full_name}"


def _pushed(_: Repository, info: GraphQLResolveInfo) -> str | None:
    return iso(community_of(info).now)


def _rate(_: None, info: GraphQLResolveInfo, **_arguments: Any) -> dict[str, Any]:
    told: dict[str, Any] = info.context.rate
    return told


QUERY: Fields = {
    "repository": _repository,
    "organization": _account("Organization", "an"),
    "user": _account("User", "a"),
    "repositoryOwner": _owner,
    "viewer": _viewer,
    "node": _node,
    "nodes": _nodes,
    "rateLimit": _rate,
}
RATE_LIMIT: Fields = {
    name: of(itemgetter(name)) for name in ("limit", "cost", "remaining", "used", "resetAt", "nodeCount")
}
REPOSITORY: Fields = {
    "id": identity,
    "databaseId": database_id,
    "name": attribute("name"),
    "nameWithOwner": attribute("full_name"),
    "owner": attribute("owner"),
    "url": of(lambda repository: SITE + _path(repository)),
    "resourcePath": of(_path),
    "description": always(None),
    "homepageUrl": always(None),
    "createdAt": time("created"),
    "updatedAt": of(lambda repository: iso(max(repository.created, repository.updated))),
    "pushedAt": _pushed,
    "visibility": always("PUBLIC"),
    "isPrivate": always(False),
    "isFork": of(lambda repository: repository.parent is not None),
    "isArchived": always(False),
    "isDisabled": always(False),
    "isLocked": always(False),
    "isEmpty": always(False),
    "parent": attribute("parent"),
    "hasIssuesEnabled": attribute("issues_enabled"),
    "hasDiscussionsEnabled": attribute("discussions_enabled"),
    "stargazerCount": of(lambda repository: len(repository.stars)),
    "forkCount": of(lambda repository: len(repository.forks)),
    "stargazers": _stargazers,
    "forks": _forks,
    "issues": _items("Issue"),
    "pullRequests": _items("PullRequest"),
    "discussions": _items("Discussion"),
    "issue": _item("Issue", "an"),
    "pullRequest": _item("PullRequest", "a"),
    "discussion": _item("Discussion", "a"),
}
LABEL: Fields = {
    "id": identity,
    "name": attribute("name"),
    "color": always("ededed"),
    "description": always(None),
    "createdAt": time("created"),
}
CATEGORY: Fields = {
    "id": identity,
    "name": attribute("name"),
    "slug": attribute("slug"),
    "emoji": attribute("emoji"),
    "emojiHTML": of(lambda category: f"<div>{category.emoji}</div>"),
    "isAnswerable": attribute("answerable"),
    "description": always(None),
    "createdAt": time("created"),
    "repository": attribute("repository"),
}
FIELDS: dict[str, Fields] = {
    "Query": QUERY,
    "RateLimit": RATE_LIMIT,
    "Repository": REPOSITORY,
    "Label": LABEL,
    "DiscussionCategory": CATEGORY,
    "User": accounts.USER,
    "Bot": accounts.ACTOR,
    "Mannequin": accounts.MANNEQUIN,
    "Organization": accounts.ORGANIZATION,
    "Team": accounts.TEAM,
    "Issue": things.ISSUE,
    "PullRequest": things.PULL_REQUEST,
    "Discussion": things.DISCUSSION,
    "IssueComment": things.ISSUE_COMMENT,
    "PullRequestReview": things.REVIEW,
    "PullRequestReviewThread": things.THREAD,
    "PullRequestReviewComment": things.REVIEW_COMMENT,
    "DiscussionComment": things.DISCUSSION_COMMENT,
    **things.EVENTS,
}
