"""The reads of the X API v2 that are simulated: followers, mentions, recent search, accounts by id."""

import re
import zlib
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from crowd_pipelines.sandbox.messages import Response, json_response
from crowd_pipelines.sandbox.twitter import bodies
from crowd_pipelines.sandbox.twitter.community import SEARCH_WINDOW, Community
from crowd_pipelines.sandbox.twitter.model import Post, moment_of
from crowd_pipelines.sandbox.twitter.parameters import Question, parsed_moment
from crowd_pipelines.sandbox.twitter.refusals import invalid

DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
# What of the query language is simulated: one hashtag, with or without retweets.
_QUERY = re.compile(r"#([^\s#()\"]+)( -is:retweet)?")
Item = TypeVar("Item")


class Endpoints:
    """Answers questions whose parameters were checked."""

    def __init__(self, community: Community, *, page_size_max: int) -> None:
        self._community = community
        self._page_size_max = page_size_max

    def answer(self, question: Question, subject: str) -> Response:
        match question.endpoint:
            case "followers":
                return self._followers(question, subject)
            case "mentions":
                return self._mentions(question, subject)
            case "search":
                return self._search(question)
            case _:
                return self._users(question)

    def _followers(self, question: Question, subject: str) -> Response:
        if missing := self._missing(subject):
            return json_response({"errors": [missing]})
        community = self._community
        whole = community.followers()[: community.shown_followers]
        page, token = self._page(question, whole, key=lambda item: item[0], base=32, width=16)
        people = [person for _, person in page if not community.overlooks(person.id)]
        fields = question.lists.get("user.fields", ())
        data = [bodies.user(person, fields) for person in people if person.id not in community.withheld]
        lost = [bodies.withheld(person, "user") for person in people if person.id in community.withheld]
        body = _envelope(data, {"result_count": len(data), **token})
        return json_response({**body, **({"errors": lost} if lost else {})})

    def _mentions(self, question: Question, subject: str) -> Response:
        if missing := self._missing(subject):
            return json_response({"errors": [missing]})
        return self._posts(question, self._community.mentions())

    def _search(self, question: Question) -> Response:
        query = _QUERY.fullmatch(question.values["query"])
        if query is None:
            said = question.values["query"]
            raise invalid({"query": (said, f"no such query is simulated: {said}")})
        self._check_window(question)
        return self._posts(question, self._community.search(query[1], retweets=query[2] is None))

    def _users(self, question: Question) -> Response:
        people = {one: self._community.people.get(int(one)) for one in question.lists["ids"]}
        self._community.people[self._community.account].followers = self._community.followers_count()
        fields = question.lists.get("user.fields", ())
        found = [bodies.user(person, fields) for person in people.values() if person and person.shown]
        lost = [bodies.missing(p, one, "ids") for one, p in people.items() if p is None or not p.shown]
        return json_response({**({"data": found} if found else {}), **({"errors": lost} if lost else {})})

    def _missing(self, subject: str) -> dict[str, Any] | None:
        """Only the account that the community is about has lists."""
        if int(subject) == self._community.account:
            return None
        return bodies.missing(None, subject, "id")

    def _check_window(self, question: Question) -> None:
        """What lies before the last seven days cannot be named as a beginning, and what lies ahead neither."""
        oldest, now = self._community.now - SEARCH_WINDOW, self._community.now
        since = question.values.get("since_id")
        if since and moment_of(int(since)) < oldest:
            message = f"'since_id' must be a tweet id created after [{bodies.iso(oldest)}]."
            raise invalid({"since_id": (since, message)}, violation=False)
        start = question.values.get("start_time")
        moment = parsed_moment(start) if start else None
        if start and moment is not None and moment < oldest:
            message = f"'start_time' must be on or after {bodies.iso(oldest)}."
            raise invalid({"start_time": (start, message)}, violation=False)
        if start and moment is not None and moment > now - 10:
            raise invalid({"start_time": (start, "'start_time' must be a minimum of 10 seconds prior to now.")})

    def _posts(self, question: Question, posts: Sequence[Post]) -> Response:
        fitting = [post for post in posts if _between(post, question)]
        page, token = self._page(question, fitting, key=lambda post: post.current.id, base=36, width=1)
        withheld = [post for post in page if post.first_id in self._community.withheld]
        page = [post for post in page if post not in withheld]
        data = [bodies.post(self._community, post, question.lists.get("tweet.fields", ())) for post in page]
        meta: dict[str, Any] = {"result_count": len(data), **token}
        if page:
            meta |= {"newest_id": str(page[0].current.id), "oldest_id": str(page[-1].current.id)}
        body = _envelope(data, meta)
        if included := bodies.includes(self._community, page, question.lists):
            body["includes"] = included
        lost = [bodies.withheld(post, "tweet") for post in withheld]
        if "author_id" in question.lists.get("expansions", ()):
            lost += bodies.missing_authors(self._community, page)
        if lost:
            body["errors"] = lost
        return json_response(body)

    def _page(
        self, question: Question, items: Sequence[Item], *, key: Callable[[Item], int], base: int, width: int
    ) -> tuple[Sequence[Item], dict[str, str]]:
        """The items after the cursor, by falling key, and the cursor of what follows."""
        before = None if question.cursor is None else self._place(question, base)
        rest = items if before is None else [item for item in items if key(item) < before]
        page = rest[: min(question.size, self._page_size_max)]
        if len(page) == len(rest):
            return page, {}
        token = _digits(key(page[-1]), base) + _digits(self._seal(question), base).rjust(8, "0")
        return page, {"next_token": (token.upper() if base == 32 else token).rjust(width, "0")}

    def _place(self, question: Question, base: int) -> int:
        """Where a cursor points; one that was made for another question is refused, and one that has ended."""
        cursor = (question.cursor or "").lower()
        place, seal = cursor[:-8] or "0", cursor[-8:]
        try:
            if int(seal, base) == self._seal(question):
                return int(place, base)
        except ValueError:
            pass
        name = "next_token" if "next_token" in question.values else "pagination_token"
        told = {name: (cursor, f"'{name}' is not one that this request led to")}
        raise invalid(told, violation=not self._community.cursors_expired)

    def _seal(self, question: Question) -> int:
        return zlib.crc32(f"{question.fingerprint}{self._community.cursors_expired or ''}".encode())


def _digits(number: int, base: int) -> str:
    text = ""
    while number:
        number, digit = divmod(number, base)
        text = DIGITS[digit] + text
    return text or "0"


def _between(post: Post, question: Question) -> bool:
    """An id takes precedence over a time."""
    since, until = question.values.get("since_id"), question.values.get("until_id")
    start, end = question.values.get("start_time"), question.values.get("end_time")
    after = post.current.id > int(since) if since else post.current.made >= (parsed_moment(start or "") or 0)
    before = post.current.id < int(until) if until else post.current.made < (parsed_moment(end or "") or 2**40)
    return after and before


def _envelope(data: list[dict[str, Any]], meta: dict[str, Any]) -> dict[str, Any]:
    """Nothing found is no empty list, it is no list."""
    return {**({"data": data} if data else {}), "meta": meta}
