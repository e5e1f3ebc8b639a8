"""The state of the simulated X around one account: who follows it, who names it, who uses its hashtags."""

import random
from collections.abc import Iterable, Iterator
from typing import Any

from crowd_pipelines.sandbox.twitter.model import Person, Post, Vanished, Version, snowflake

DAY = 86_400
SEARCH_WINDOW = 7 * DAY
MENTIONS_SHOWN = 800
EDITABLE_FOR = 3_600


class Community:
    """All that is, and its clock (`now`).

    `follows` are follower ids in the order in which they came. Of mentions and hashtags what was out of reach when the
    community was founded is no part of the truth: `mentions_from` and `search_from` are the first ids that are.
    """

    def __init__(self, *, seed: int, now: int) -> None:
        self.seed = seed
        self.now = now
        self.account = 0
        self.hashtags: list[str] = []
        self.people: dict[int, Person] = {}
        self.follows: dict[int, int] = {}
        self.posts: dict[int, Post] = {}
        self.cases: dict[str, Any] = {}
        self.miscount = 0
        self.shown_followers: int | None = None
        self.overlooked: dict[int, int] = {}
        self.withheld: set[int] = set()
        self.cursors_expired = 0
        self.vanished: list[Vanished] = []
        self.mentions_from = 0
        self.search_from = 0
        self.dice = random.Random(f"{seed}/changes")
        self._follow_number = 0
        self._next_person = 10**18 + 7
        self._made: dict[int, int] = {}

    def add_person(self, person: Person) -> Person:
        self.people[person.id] = person
        return person

    def new_person_id(self) -> int:
        self._next_person += 11
        return self._next_person

    def follow(self, person: int) -> None:
        """Who comes back stands among the newest."""
        self._follow_number += 1
        self.follows.pop(person, None)
        self.follows[person] = self._follow_number

    def new_id(self, moment: int) -> int:
        number = self._made[moment] = self._made.get(moment, -1) + 1
        return snowflake(moment, number)

    def publish(self, post: Post, text: str, *, at: int | None = None) -> Post:
        moment = self.now if at is None else at
        post.versions.append(Version(id=self.new_id(moment), text=text, made=moment))
        self.posts[post.first_id] = post
        return post

    def edit(self, post: Post, text: str) -> None:
        post.versions.append(Version(id=self.new_id(self.now), text=text, made=self.now))

    def person_named(self, username: str) -> Person | None:
        wanted = username.lower()
        return next((person for person in self.people.values() if person.username.lower() == wanted), None)

    def followers(self) -> list[tuple[int, Person]]:
        """Those that are shown with the number of their follow, the newest first."""
        return [
            (number, self.people[person])
            for person, number in reversed(self.follows.items())
            if self.people[person].shown
        ]

    def followers_count(self) -> int:
        """What X counts, which need not be what it lists."""
        return max(0, len(self.followers()) + self.miscount)

    def overlooks(self, person: int) -> bool:
        """Whether a page that should show a follower does not, this time."""
        left = self.overlooked.get(person, 0)
        self.overlooked[person] = max(0, left - 1)
        return left > 0

    def mentions(self) -> list[Post]:
        """The newest, newest version first."""
        return _newest(post for post in self._standing() if post.names_account)[:MENTIONS_SHOWN]

    def search(self, tag: str, *, retweets: bool) -> list[Post]:
        """The posts of the last seven days with this tag, the newest version first."""
        wanted, since = tag.casefold(), snowflake(self.now - SEARCH_WINDOW)
        found = (
            post
            for post in self._standing()
            if post.current.id >= since and wanted in map(str.casefold, post.tags)
            if retweets or post.retweet_of is None
        )
        return _newest(found)

    def reachable_mentions(self) -> Iterator[Post]:
        return (post for post in self._standing() if post.names_account and post.current.id >= self.mentions_from)

    def reachable_tagged(self) -> Iterator[Post]:
        ours = {tag.casefold() for tag in self.hashtags}
        return (
            post
            for post in self._standing()
            if post.retweet_of is None and post.current.id >= self.search_from
            if ours & {tag.casefold() for tag in post.tags}
        )

    def _standing(self) -> Iterator[Post]:
        return (post for post in self.posts.values() if not post.deleted)


def _newest(posts: Iterable[Post]) -> list[Post]:
    return sorted(posts, key=lambda post: -post.current.id)
