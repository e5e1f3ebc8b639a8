"""The fields of users, bots, mannequins, organizations and teams."""

from typing import Any

from graphql import GraphQLResolveInfo

from crowd_pipelines.sandbox.github import connections
from crowd_pipelines.sandbox.github.community import SITE
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
from crowd_pipelines.sandbox.github.model import Account, Team
from crowd_pipelines.sandbox.github.moods import SAML, Failed


def _avatar(account: Account, _: GraphQLResolveInfo, size: int | None = None) -> str:
    return f"https://avatars.githubusercontent.com/u/{account.id}?v=4" + (f"&s={size}" if size else "")


def _path(account: Account) -> str:
    return f"/apps/{account.login}" if account.typename == "Bot" else f"/{account.login}"


def _counted(account: Account, _: GraphQLResolveInfo, **_arguments: Any) -> connections.Page:
    """How many follow; who they are is not simulated, and the schema has no way to ask for it."""
    return connections.nobody(account.followers)


def _repositories(account: Account, info: GraphQLResolveInfo, **arguments: Any) -> connections.Page:
    """Forks are listed with the rest, as they are there; nobody has any but their own."""
    affiliations = arguments.get("ownerAffiliations") or ["OWNER"]
    owned = community_of(info).of_owner(account) if "OWNER" in affiliations else []
    if arguments.get("isFork") is not None:
        owned = [one for one in owned if (one.parent is not None) is arguments["isFork"]]
    if arguments.get("isArchived"):
        owned = []
    hidden = info.context.moods.hidden
    return connections.page(
        info,
        owned,
        arguments,
        within=account.id,
        key=repository_order(arguments),
        node=lambda one: Failed("FORBIDDEN", SAML) if one.id in hidden else one,
    )


def repository_order(arguments: dict[str, Any]) -> connections.Key:
    """What repositories are sorted by; pushes are not simulated, so that their order is that of the founding."""
    match (arguments.get("orderBy") or {}).get("field"):
        case "NAME":
            return lambda one: (one.name.lower(), one.id)
        case "STARGAZERS":
            return lambda one: (len(one.stars), one.id)
    return connections.created


def _members(team: Team, info: GraphQLResolveInfo, **arguments: Any) -> connections.Page:
    people = [person for person in team.members if not person.gone]
    return connections.page(info, people, arguments, within=team.id)


ACTOR: Fields = {
    "id": identity,
    "databaseId": database_id,
    "login": attribute("login"),
    "avatarUrl": _avatar,
    "url": of(lambda account: SITE + _path(account)),
    "resourcePath": of(_path),
    "createdAt": time("created"),
    "updatedAt": time("created"),
}
USER: Fields = {
    **ACTOR,
    "name": attribute("name"),
    "email": attribute("email"),
    "bio": attribute("bio"),
    "company": attribute("company"),
    "location": attribute("location"),
    "websiteUrl": attribute("website"),
    "twitterUsername": attribute("twitter"),
    "isHireable": attribute("hireable"),
    "isSiteAdmin": always(False),
    "isEmployee": always(False),
    "pronouns": always(None),
    "followers": _counted,
    "following": _counted,
    "repositories": _repositories,
}
ORGANIZATION: Fields = {
    **ACTOR,
    "name": attribute("name"),
    "email": of(lambda account: account.email or None),
    "description": attribute("bio"),
    "location": attribute("location"),
    "websiteUrl": attribute("website"),
    "twitterUsername": attribute("twitter"),
    "isVerified": always(False),
    "repositories": _repositories,
}
MANNEQUIN: Fields = {**ACTOR, "email": always(None)}
TEAM: Fields = {
    "id": identity,
    "databaseId": database_id,
    "name": attribute("name"),
    "slug": attribute("slug"),
    "combinedSlug": of(lambda team: f"{team.organization.login}/{team.slug}"),
    "description": always(None),
    "organization": attribute("organization"),
    "members": _members,
    "createdAt": time("created"),
    "url": of(lambda team: f"{SITE}/orgs/{team.organization.login}/teams/{team.slug}"),
}
