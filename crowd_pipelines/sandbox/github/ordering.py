"""Orders of how the server is to answer."""

from typing import Any

from crowd_pipelines.sandbox.github import changes as ch
from crowd_pipelines.sandbox.github.api import GitHubApi
from crowd_pipelines.sandbox.github.moods import (
    Addresses,
    ClosedStars,
    Contradiction,
    Forbidden,
    Heavy,
    Moods,
    Refusal,
)
from crowd_pipelines.sandbox.github.tokens import Token
from crowd_pipelines.sandbox.platform import ChangeRefused

Touched = dict[str, Any]


class Ordering:
    """Carries orders out."""

    def __init__(self, api: GitHubApi) -> None:
        self._api = api

    def make(self, order: ch.AnyOrder) -> Touched:  # noqa: C901  one branch for each kind of order
        """Raises ChangeRefused."""
        moods = self._api.moods
        match order:
            case ch.Heavy():
                moods.heavy.append(Heavy(above=order.above, answer=order.answer, times=order.count))
            case ch.SecondaryLimit():
                moods.refusals.append(
                    Refusal(
                        status=order.status,
                        retry_after=order.retry_after,
                        times=order.count,
                        old_wording=order.old_wording,
                        installation=order.installation,
                    )
                )
            case ch.Limit():
                self._limit(order)
            case ch.Spend():
                self._spend(order)
            case ch.RevokeToken():
                for token in self._tokens(order.token):
                    token.revoked = True
            case ch.ExpireTokens():
                return {"expired": self._api.tokens.expire()}
            case ch.App():
                return self._api.tokens.app()
            case ch.Forbid():
                moods.forbidden.append(self._forbidden(order))
            case ch.Scopes():
                moods.missing_scopes, moods.partial_scopes = dict(order.fields), order.partial
            case ch.CloseStars() | ch.AllowAddresses() | ch.HideInLists() | ch.Contradict():
                self._withhold(order)
            case ch.Calm():
                self._api.moods = Moods()
        return {}

    def _withhold(self, order: ch.CloseStars | ch.AllowAddresses | ch.HideInLists | ch.Contradict) -> None:
        moods = self._api.moods
        match order:
            case ch.CloseStars():
                moods.closed_stars.append(ClosedStars(repository=self._named(order.repository), way=order.way))
            case ch.AllowAddresses():
                moods.addresses.append(Addresses(status=order.status, after=order.after, times=order.count))
            case ch.HideInLists():
                moods.hidden.add(self._named(order.repository) or 0)
            case ch.Contradict():
                moods.contradictions.append(Contradiction(field=order.field, way=order.way, times=order.count))

    def _limit(self, order: ch.Limit) -> None:
        for budget in self._api.tokens.budgets():
            budget.limit = budget.limit if order.points is None else order.points
            budget.used = min(budget.used, budget.limit)
            if order.window is not None:
                budget.window, budget.resets = order.window, 0.0
        self._api.pace.points = order.per_minute
        self._api.pace.window = order.window or self._api.pace.window

    def _spend(self, order: ch.Spend) -> None:
        for token in self._tokens(order.token):
            budget = token.budget if order.resource == "graphql" else token.core
            budget.refresh()
            budget.used = max(0, budget.limit - order.remaining)

    def _tokens(self, wanted: str | int | None) -> list[Token]:
        found = self._api.tokens.named(wanted)
        if not found:
            raise ChangeRefused("there is no such token")
        return found

    def _forbidden(self, order: ch.Forbid) -> Forbidden:
        return Forbidden(field=order.field, repository=self._named(order.repository), saml=order.saml)

    def _named(self, full_name: str | None) -> int | None:
        """The id of a repository, None where none is told."""
        repository = self._api.community.repository(full_name) if full_name else None
        if full_name and repository is None:
            raise ChangeRefused(f"there is no repository {full_name!r}")
        return repository.id if repository else None
