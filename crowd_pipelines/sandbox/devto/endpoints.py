"""The reads of Forem's API v1: articles, comments, people, organizations."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from crowd_pipelines.sandbox.devto import bodies
from crowd_pipelines.sandbox.devto.community import Community
from crowd_pipelines.sandbox.devto.model import CODE_BASE, Article, Comment, Person
from crowd_pipelines.sandbox.devto.refusals import not_found, unauthorized, unprocessable
from crowd_pipelines.sandbox.messages import Request, Response, json_response

ARTICLES_PER_PAGE = 30
ALL_PER_PAGE = 1000
ROOTS_PER_PAGE = 50
Item = TypeVar("Item")


class Endpoints:
    """Answers requests whose parameters were checked; methods get the request and the variable part of its path."""

    def __init__(self, community: Community, *, page_size_max: int) -> None:
        self._community = community
        self._page_size_max = page_size_max

    def articles(self, request: Request, _: str) -> Response:
        """An unknown name gives nothing, not an error; an organization's name is a name, too."""
        state, name = request.query.get("state"), request.query.get("username")
        if state not in (None, "all"):
            raise unprocessable(f"state={state} is not simulated")
        default = ALL_PER_PAGE if state else ARTICLES_PER_PAGE
        if name is None:
            return self._listed(request, self._community.published(), default)
        kind = "users" if self._community.person_named(name) else "organizations"
        return self._listed(request, self._community.by_owner(kind, name), default)

    def article(self, _: Request, wanted: str) -> Response:
        article = self._community.articles.get(int(wanted))
        if article is None or not article.listed:
            raise not_found()
        return json_response(bodies.single_article(self._community, article))

    def organization_articles(self, request: Request, name: str) -> Response:
        if name not in self._community.organizations:
            raise not_found()
        articles = self._community.by_owner("organizations", name)
        return self._listed(request, articles, ARTICLES_PER_PAGE)

    def organization(self, _: Request, name: str) -> Response:
        known = self._community.organizations.values()
        item = next((item for item in known if name in (item.username, str(item.id))), None)
        if item is None:
            raise not_found()
        return json_response(bodies.organization(item))

    def comments(self, request: Request, _: str) -> Response:
        """The whole tree, unless a page is asked for: then the threads of that page."""
        wanted = request.query.get("a_id", "")
        if not (wanted.isascii() and wanted.isdigit()):
            raise not_found(f"a_id={wanted!r} is not an article's id")
        article = self._readable(self._community.articles.get(int(wanted)))
        threads = bodies.trees(self._community, self._community.comments(article).values())
        if "page" in request.query:
            return json_response(self._page(request.query, threads, ROOTS_PER_PAGE))
        return json_response(threads)

    def comment(self, _: Request, code: str) -> Response:
        found = self._community.find(int(code, CODE_BASE))
        if found is None:
            raise not_found()
        comments = self._community.comments(self._readable(found[0])).values()
        return json_response(bodies.trees(self._community, _subtree(comments, found[1]))[0])

    def me(self, request: Request, _: str) -> Response:
        if "api-key" not in request.headers:
            raise unauthorized()
        return json_response(bodies.user(next(iter(self._community.people.values()))))

    def by_username(self, request: Request, _: str) -> Response:
        return _profile(self._community.person_named(request.query.get("url", "")))

    def user(self, _: Request, wanted: str) -> Response:
        known = wanted.isascii() and wanted.isdigit()
        return _profile(self._community.people.get(int(wanted)) if known else None)

    def _listed(self, request: Request, articles: Sequence[Article], default: int) -> Response:
        page = self._page(request.query, articles, default)
        return json_response([bodies.article(self._community, article) for article in page])

    def _page(self, query: Mapping[str, str], items: Sequence[Item], default: int) -> Sequence[Item]:
        size = min(int(query.get("per_page", default)), self._page_size_max)
        start = (int(query.get("page", 1)) - 1) * size
        return items[start : start + size]

    def _readable(self, article: Article | None) -> Article:
        if article is None or not (article.listed and article.readable):
            raise not_found()
        return article


def _profile(person: Person | None) -> Response:
    if person is None or not person.has_profile:
        raise not_found()
    return json_response(bodies.user(person))


def _subtree(comments: Iterable[Comment], root: Comment) -> list[Comment]:
    kept = {root.number: root}
    for comment in comments:
        if comment.parent in kept:
            kept[comment.number] = comment
    return list(kept.values())
