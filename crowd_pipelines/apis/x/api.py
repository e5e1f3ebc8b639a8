"""Requests to X with one account's tokens."""

from collections.abc import Mapping, Sequence
from datetime import MAXYEAR, UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Protocol, Self

from pydantic import SecretStr

from crowd_pipelines.apis.x.payloads import Page, problem_of
from crowd_pipelines.apis.x.refusals import REFUSALS, InvalidParameters, is_capped, judge
from crowd_pipelines.apis.x.tokens import Exchange, Tokens, XCredentials
from crowd_pipelines.http.client import HttpClient
from crowd_pipelines.http.errors import CredentialsRejected, Gone, NotPermitted, Refused, UnexpectedPayload
from crowd_pipelines.http.outcomes import Response
from crowd_pipelines.http.pacing import RateLimit
from crowd_pipelines.model import clock
from crowd_pipelines.model.secrets import Secret

API_URL = "https://api.x.com"
LARGEST_PAGE_OF_USERS = 1000
LARGEST_PAGE_OF_POSTS = 100
LARGEST_LOOKUP = 100
LONGEST_QUERY = 512

# What the documentation says per user and 15 minutes; older plans have less. The headers of each answer tell what is
# left, and the end of a window is learned from them.
RATE_LIMITS: Mapping[str, RateLimit] = {
    "followers": RateLimit(requests=300, seconds=900, burst=100),
    "mentions": RateLimit(requests=300, seconds=900, burst=100),
    "search": RateLimit(requests=300, seconds=900, burst=100),
    "users": RateLimit(requests=900, seconds=900, burst=300),
}
_ACCOUNT = "account"

_USER_FIELDS = "id,name,username,description,location,url,profile_image_url,public_metrics"
_POST_FIELDS = (
    "id,text,author_id,created_at,conversation_id,entities,attachments,edit_history_tweet_ids,note_tweet,article"
)
_POSTS = {
    "tweet.fields": _POST_FIELDS,
    "expansions": "author_id,attachments.media_keys",
    "user.fields": _USER_FIELDS,
    "media.fields": "media_key,type,url,preview_image_url",
}

Params = Mapping[str, str | int | None]


class Connector(Protocol):
    """What makes a client and changes the stored tokens."""

    def http(self, *, secrets: Sequence[SecretStr] = (), **options: Any) -> HttpClient:
        """Return a client for X's address."""
        ...

    def renew(self, exchange: Exchange) -> Mapping[str, Any]:
        """Change the stored credentials while nobody else can; returns those that are valid now."""
        ...


class XApi:
    """The endpoints that are read. Every method answers one page and raises a ProviderError.

    Raises InvalidParameters with the names of what X cannot take, as a page token that has ended.
    """

    def __init__(self, http: HttpClient, tokens: Tokens) -> None:
        self._http = http
        self._tokens = tokens

    @classmethod
    def connected(cls, connector: Connector, credentials: XCredentials) -> Self:
        """Return the API as the holder of these credentials sees it. Makes no request."""
        http = connector.http(
            secrets=credentials.secrets, judge=judge, refusals=REFUSALS, overall=_ACCOUNT, is_overall=is_capped
        )
        return cls(http, Tokens(credentials, http=http, renew=connector.renew))

    def followers(self, user_id: str, *, size: int, token: str | None) -> Page:
        """Return accounts that follow, the newest follow first."""
        params = {"max_results": size, "pagination_token": token, "user.fields": _USER_FIELDS}
        return self._listed(f"/2/users/{user_id}/followers", params, bucket="followers")

    def mentions(self, user_id: str, *, since_id: str | None, until_id: str | None, token: str | None) -> Page:
        """Return posts that name the account, newest first; X hands out the 800 newest."""
        params = {
            "since_id": since_id,
            "until_id": until_id,
            "pagination_token": token,
            "max_results": LARGEST_PAGE_OF_POSTS,
            **_POSTS,
        }
        return self._listed(f"/2/users/{user_id}/mentions", params, bucket="mentions")

    def search(
        self, query: str, *, since_id: str | None, until_id: str | None, start_time: datetime | None, token: str | None
    ) -> Page:
        """Return posts of the last seven days that fit, newest first."""
        params = {
            "query": query,
            "since_id": since_id,
            "until_id": until_id,
            "start_time": start_time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if start_time else None,
            "next_token": token,
            "max_results": LARGEST_PAGE_OF_POSTS,
            **_POSTS,
        }
        return self._listed("/2/tweets/search/recent", params, bucket="search")

    def users(self, ids: Sequence[str]) -> Page:
        """Return these accounts, up to a hundred; those that are not to be had are among the problems.

        Raises InvalidParameters for all of them when one of the ids is none.
        """
        response = self._ask("/2/users", {"ids": ",".join(ids), "user.fields": _USER_FIELDS}, bucket="users")
        return Page.of(_body(response), told_at=_moment(response), listed=False)

    def followers_count(self, user_id: str) -> int | None:
        """Return how many follow an account, by X's own count; None where these credentials are not told."""
        try:
            account = self.users([user_id]).accounts.get(user_id)
        except (Gone, NotPermitted):
            return None
        return account.public_metrics.followers_count if account and account.public_metrics else None

    def _listed(self, path: str, params: Params, *, bucket: str) -> Page:
        response = self._ask(path, params, bucket=bucket)
        body = _body(response)
        page = Page.of(body, told_at=_moment(response))
        if body.get("data") is None and body.get("meta") is None:
            said = page.problems[0].text if page.problems else "it gives none"
            raise Refused(f"X does not show {path}, for a reason that it does not document: {said}")
        return page

    def _ask(self, path: str, params: Params, *, bucket: str) -> Response:
        token = self._tokens.current()
        try:
            return self._get(path, params, bucket=bucket, token=token)
        except CredentialsRejected:
            fresh = self._tokens.instead_of(token)
            if fresh is None:
                raise
        return self._get(path, params, bucket=bucket, token=fresh)

    def _get(self, path: str, params: Params, *, bucket: str, token: Secret) -> Response:
        response = self._http.get(path, params, bucket=bucket, headers={"Authorization": token.after("Bearer ")})
        if response.status == HTTPStatus.BAD_REQUEST:
            problem = problem_of(response.json)
            named = ", ".join(sorted(problem.parameters))
            raise InvalidParameters(
                f"X cannot take {named} of {path}: {problem.text}",
                names=problem.parameters,
                evidence=str(response.json),
            )
        return response


def _body(response: Response) -> dict[str, Any]:
    body = response.json
    if not isinstance(body, dict) or not body.keys() & {"data", "errors", "meta"}:
        raise Refused("Something else came than X's envelope, as a proxy may send it. It will be tried again.")
    if not isinstance(body.get("data"), list | None):
        raise UnexpectedPayload("X answered with data that are no list", evidence=str(body))
    return body


def _moment(response: Response) -> datetime:
    """X decides what is seven days old, so its clock is the one that counts."""
    try:
        told = parsedate_to_datetime(response.headers["date"]).astimezone(UTC)
    except (KeyError, ValueError, OverflowError):
        return clock.now()
    return told if told.year < MAXYEAR else clock.now()
