"""What a change is about: as it was told, or chosen by chance (the same chance for the same seed and changes)."""

from crowd_pipelines.sandbox.platform import ChangeRefused, NothingFits
from crowd_pipelines.sandbox.twitter import text
from crowd_pipelines.sandbox.twitter.changes import Author
from crowd_pipelines.sandbox.twitter.community import EDITABLE_FOR, Community
from crowd_pipelines.sandbox.twitter.model import Person, Post

TRIES = 400


class Choice:
    """Finds accounts and posts of a community."""

    def __init__(self, community: Community) -> None:
        self._community = community
        self._dice = community.dice

    def author(self, wanted: Author) -> Person:
        if wanted == "new":
            return self.newcomer()
        return self.person(wanted)

    def person(self, wanted: int | None) -> Person:
        """Who was told; by chance anyone who is shown, but the account itself."""
        if wanted is not None:
            return self._known(wanted)
        return self._anyone(list(self._community.people.values()))

    def follower(self, wanted: int | None) -> Person:
        if wanted is None:
            return self._anyone([person for _, person in self._community.followers()])
        if wanted not in self._community.follows:
            raise ChangeRefused(f"{wanted} does not follow the account")
        return self._known(wanted)

    def post(self, wanted: int | None) -> Post:
        """One that can be read, by any of its ids."""
        if wanted is None:
            reachable = [*self._community.reachable_mentions(), *self._community.reachable_tagged()]
            return self._dice.choice(reachable)
        found = (post for post in self._community.posts.values() if wanted in [v.id for v in post.versions])
        post = next((post for post in found if not post.deleted), None)
        if post is None:
            raise ChangeRefused(f"there is no post {wanted}")
        return post

    def editable(self, wanted: int) -> Post:
        post = self.post(wanted)
        if self._community.now - post.versions[0].made > EDITABLE_FOR:
            raise ChangeRefused(f"post {wanted} is older than an hour")
        return post

    def newcomer(self) -> Person:
        number = len(self._community.people)
        return self._community.add_person(
            Person(
                id=self._community.new_person_id(),
                username=f"new_{number}",
                name=text.person_name(number),
                joined=self._community.now - 86_400,
                followers=number % 40,
                location=text.PLACES[number % len(text.PLACES)],
            )
        )

    def _known(self, wanted: int) -> Person:
        person = self._community.people.get(wanted)
        if person is None:
            raise ChangeRefused(f"there is no account {wanted}")
        return person

    def _anyone(self, people: list[Person]) -> Person:
        for _ in range(TRIES):
            person = self._dice.choice(people)
            if person.shown and person.id != self._community.account:
                return person
        raise NothingFits("no fitting account was found")
