"""Carries changes out."""

from typing import Any

from crowd_pipelines.sandbox.platform import ChangeRefused, NothingFits
from crowd_pipelines.sandbox.twitter import changes as ch
from crowd_pipelines.sandbox.twitter import text
from crowd_pipelines.sandbox.twitter.api import XApi
from crowd_pipelines.sandbox.twitter.choice import Choice
from crowd_pipelines.sandbox.twitter.community import Community
from crowd_pipelines.sandbox.twitter.founding import written
from crowd_pipelines.sandbox.twitter.model import Person, Post, State, Vanished

Touched = dict[str, Any]
_STATES = {"suspend_user": State.SUSPENDED, "delete_user": State.DELETED, "reinstate_user": State.ACTIVE}


class Happenings:
    """Changes a community and its provider; tells what was touched, posts by their first ids."""

    def __init__(self, community: Community, api: XApi) -> None:
        self._community = community
        self._choice = Choice(community)
        self._api = api
        self._tick = 0

    def make(self, change: ch.AnyChange) -> Touched:
        """Raises ChangeRefused."""
        self._community.now += change.after
        self._tick += 1
        touched = self._posts(change) or self._people(change) or self._lists(change) or self._provider(change)
        return {"do": change.do, "posts": [], "users": [], **touched}

    def _posts(self, change: ch.AnyChange) -> Touched:
        match change:
            case ch.Mention():
                return self._published(change, tag=change.tag, names=True)
            case ch.Tagged(retweet=True):
                return self._retweeted(change)
            case ch.Tagged():
                tag = change.tag or self._community.dice.choice(self._community.hashtags)
                return self._published(change, tag=tag, names=False)
            case ch.EditPost():
                return self._edited(change)
            case ch.DeletePost():
                return self._deleted(self._choice.post(change.post))
            case _:
                return {}

    def _people(self, change: ch.AnyChange) -> Touched:
        match change:
            case ch.Follow():
                return self._followed(change)
            case ch.Unfollow():
                return self._unfollowed(self._choice.follower(change.user))
            case ch.RenameUser():
                return self._renamed(change)
            case ch.SuspendUser() | ch.DeleteUser() | ch.ReinstateUser():
                return self._become(self._choice.person(change.user), _STATES[change.do])
            case ch.GainFollowers():
                person = self._choice.person(change.user)
                person.followers = max(0, person.followers + change.followers)
                return {"users": [person.id]}
            case _:
                return {}

    def _lists(self, change: ch.AnyChange) -> Touched:
        """What X shows of what is: not always all."""
        match change:
            case ch.Overlook():
                self._community.overlooked[change.user] = change.times
            case ch.Withhold():
                self._community.withheld.update(one for one in (change.user, change.post) if one is not None)
            case ch.Miscount():
                self._community.miscount = change.by
            case ch.Shorten():
                self._community.shown_followers = change.to
            case ch.ExpireCursors():
                self._community.cursors_expired += 1
        return {}

    def _provider(self, change: ch.AnyChange) -> Touched:
        match change:
            case ch.ExpireTokens():
                self._api.signin.expire()
            case ch.RevokeToken():
                self._api.signin.revoke()
            case ch.PublicClient():
                self._api.signin.public = True
            case ch.Limit():
                self._api.windows.limit(change.endpoint, requests=change.requests, seconds=change.seconds)
            case ch.UsageCap():
                self._api.capped = change.spent if change.reached else None
            case ch.Forbid():
                self._api.forbidden[change.endpoint] = change.reason
            case ch.Allow():
                self._api.forbidden.pop(change.endpoint, None)
        return {}

    def _published(self, change: ch.Mention | ch.Tagged, *, tag: str | None, names: bool) -> Touched:
        tags = (tag,) if tag else ()
        posts: list[Post] = []
        for number in range(change.count):
            author = self._choice.author(change.author)
            said = change.text or text.sentence(text.number_of(self._community.seed, self._tick, number))
            body = written(self._community, said, names=names, tags=tags)
            article = change.article if isinstance(change, ch.Mention) else ""
            post = Post(author=author.id, versions=[], names_account=names, tags=tags, article=article)
            posts.append(self._community.publish(post, body))
        return {"posts": [post.first_id for post in posts], "users": [post.author for post in posts]}

    def _retweeted(self, change: ch.Tagged) -> Touched:
        original = next(iter(self._community.search(self._community.hashtags[0], retweets=False)), None)
        if original is None:
            raise NothingFits("there is nothing to retweet")
        author = self._choice.author(change.author)
        again = Post(author=author.id, versions=[], tags=original.tags, retweet_of=original.first_id)
        self._community.publish(again, f"RT @x: {original.current.text}")
        return {"posts": [again.first_id], "users": [author.id]}

    def _edited(self, change: ch.EditPost) -> Touched:
        if change.post is None:
            touched = self._published(ch.Mention(do="mention"), tag=self._community.hashtags[0], names=True)
            post = self._choice.editable(touched["posts"][0])
            self._community.now += 300
        else:
            post = self._choice.editable(change.post)
        said = change.text or f"edited {self._tick}"
        self._community.edit(post, written(self._community, said, names=post.names_account, tags=post.tags))
        return {"posts": [post.first_id], "users": [post.author]}

    def _deleted(self, post: Post) -> Touched:
        kinds = []
        if post in self._community.reachable_mentions():
            kinds.append("mention")
        if post in self._community.reachable_tagged():
            kinds.append("hashtag")
        post.deleted = True
        self._vanish(str(post.first_id), *kinds, why="deleted")
        return {"posts": [post.first_id], "users": [post.author]}

    def _followed(self, change: ch.Follow) -> Touched:
        given = [self._choice.person(change.user)] if change.user is not None else []
        people = given or [self._choice.newcomer() for _ in range(change.count)]
        for person in people:
            self._community.follow(person.id)
        return {"users": [person.id for person in people]}

    def _unfollowed(self, person: Person) -> Touched:
        self._community.follows.pop(person.id)
        self._vanish(f"{self._community.account}:{person.id}", "follow", why="unfollowed")
        return {"users": [person.id]}

    def _renamed(self, change: ch.RenameUser) -> Touched:
        person = self._choice.person(change.user)
        wanted = change.username or f"was_{self._tick}_{person.id % 1000}"
        if self._community.person_named(wanted) not in (None, person):
            raise ChangeRefused(f"the name {wanted!r} is taken")
        person.names.append(person.username)
        person.username = wanted
        person.name = person.name if change.name is None else change.name
        return {"users": [person.id]}

    def _become(self, person: Person, state: State) -> Touched:
        person.state = state
        if not person.shown and person.id in self._community.follows:
            self._vanish(f"{self._community.account}:{person.id}", "follow", why=state)
        return {"users": [person.id]}

    def _vanish(self, source_id: str, *kinds: str, why: str) -> None:
        self._community.vanished += [Vanished(type=kind, source_id=source_id, why=why) for kind in kinds]
