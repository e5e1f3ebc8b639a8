"""The REST paths that an App needs, and the one that tells the limits."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from crowd_pipelines.sandbox.github.community import SITE, Community
from crowd_pipelines.sandbox.github.exchange import iso
from crowd_pipelines.sandbox.github.ids import node_id
from crowd_pipelines.sandbox.github.limits import Budget
from crowd_pipelines.sandbox.github.model import Repository
from crowd_pipelines.sandbox.github.tokens import TokenRefused, Tokens
from crowd_pipelines.sandbox.messages import Request, Response, json_response

DOCS = "https://docs.github.com/rest"


class Rest:
    """Answers what is not GraphQL."""

    def __init__(self, community: Community, tokens: Tokens) -> None:
        self._community = community
        self._tokens = tokens
        self._routes: tuple[tuple[str, str, frozenset[str], Callable[[Request, str], Response]], ...] = (
            ("POST", r"app/installations/(\d+)/access_tokens", frozenset(), self._access_token),
            ("GET", r"(installation/repositories)", frozenset({"per_page", "page"}), self._repositories),
            ("GET", r"(rate_limit)", frozenset(), self._rate_limit),
        )

    def answer(self, request: Request) -> Response:
        path = "/".join(request.segments[1:])
        for method, pattern, allowed, endpoint in self._routes:
            match = re.fullmatch(pattern, path)
            if match and method == request.method:
                strange = sorted(set(request.query) - allowed)
                response = endpoint(request, match[1])
                return replace(response, violation=f"unknown parameters: {strange}") if strange else response
        return _message(404, "Not Found", violation=f"{request.method} {request.path} is not simulated")

    def _access_token(self, request: Request, installation: str) -> Response:
        scheme, _, assertion = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return _message(401, "A JSON web token could not be decoded")
        try:
            token = self._tokens.for_installation(assertion.strip(), installation)
        except TokenRefused as refused:
            return _message(refused.status, str(refused))
        granted = {
            "token": token.text,
            "expires_at": iso(int(token.expires or 0)),
            "permissions": {"issues": "read", "metadata": "read", "pull_requests": "read", "discussions": "read"},
            "repository_selection": "selected",
        }
        return json_response(granted, status=201)

    def _repositories(self, request: Request, _: str) -> Response:
        token = self._tokens.of(request)
        if token is None:
            return _message(401, "Bad credentials")
        if token.owner is not None:
            return _message(403, "You must authenticate with an installation access token in order to list "
                            "repositories for an installation.", violation="a personal token")  # fmt: skip
        budget = token.core
        budget.refresh()
        if budget.remaining <= 0:
            return replace(
                _message(403, f"API rate limit exceeded for {token.account}."), headers=budget.headers("core")
            )
        try:
            size, number = (_number(request, name, usual) for name, usual in (("per_page", 30), ("page", 1)))
        except ValueError as error:
            return _message(422, str(error), violation=str(error))
        budget.spend(1)
        covered = self._community.covered()
        start = (number - 1) * size
        body = {
            "total_count": len(covered),
            "repository_selection": "selected",
            "repositories": [_repository(one) for one in covered[start : start + size]],
        }
        headers = budget.headers("core")
        if start + size < len(covered):
            headers["Link"] = f'<https://api.github.com/installation/repositories?page={number + 1}>; rel="next"'
        return replace(json_response(body), headers=headers)

    def _rate_limit(self, request: Request, _: str) -> Response:
        """Costs nothing."""
        token = self._tokens.of(request)
        if token is None:
            return _message(401, "Bad credentials")
        for budget in (token.budget, token.core):
            budget.refresh()
        core = _told(token.core)
        return json_response({"resources": {"core": core, "graphql": _told(token.budget)}, "rate": core})


def _number(request: Request, name: str, usual: int) -> int:
    written = request.query.get(name, str(usual))
    if not re.fullmatch(r"[1-9]\d{0,5}", written) or (name == "per_page" and int(written) > 100):
        raise ValueError(f"{name}={written!r} is out of range")
    return int(written)


def _told(budget: Budget) -> dict[str, Any]:
    return {
        "limit": budget.limit,
        "remaining": budget.remaining,
        "used": budget.used,
        "reset": int(budget.resets) + 1,
    }


def _repository(repository: Repository) -> dict[str, Any]:
    owner = repository.owner
    return {
        "id": repository.id,
        "node_id": node_id(repository),
        "name": repository.name,
        "full_name": repository.full_name,
        "private": False,
        "owner": {"login": owner.login, "id": owner.id, "node_id": node_id(owner), "type": owner.typename},
        "html_url": f"{SITE}/{repository.full_name}",
        "fork": repository.parent is not None,
        "archived": False,
        "disabled": False,
        "has_issues": repository.issues_enabled,
        "has_discussions": repository.discussions_enabled,
        "created_at": iso(repository.created),
        "updated_at": iso(repository.created),
        "stargazers_count": len(repository.stars),
        "forks_count": len(repository.forks),
    }


def _message(status: int, message: str, *, violation: str | None = None) -> Response:
    body = {"message": message, "documentation_url": DOCS, "status": str(status)}
    return json_response(body, status=status, violation=violation)
