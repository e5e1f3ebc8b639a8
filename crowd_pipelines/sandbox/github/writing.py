"""People star, fork, open, comment, review and decide."""

from crowd_pipelines.sandbox.github import changes as ch
from crowd_pipelines.sandbox.github import text
from crowd_pipelines.sandbox.github.model import (
    Account,
    Discussion,
    DiscussionComment,
    Issue,
    Item,
    Label,
    PullRequest,
    Repository,
    Thread,
)
from crowd_pipelines.sandbox.github.stage import Stage, Touched, touched
from crowd_pipelines.sandbox.platform import ChangeRefused, NothingFits

TRIES = 400


class Writing:
    """Changes by which there is more than before."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def star(self, change: ch.Star) -> Touched:
        repository = self._stage.choice.repository(change.repository)
        account = self._who_has_not_starred(repository, change.user)
        self._stage.deeds.star(repository, account, self._stage.now, torn=change.torn)
        return touched(repository, users=_users(account))

    def _who_has_not_starred(self, repository: Repository, who: ch.Who) -> Account | None:
        has = {star.account for star in repository.stars}
        for _ in range(TRIES if who is None else 1):
            account = self._stage.somebody(who)
            if account is None or account not in has:
                return account
        if who is None:
            return self._stage.somebody("new")
        raise ChangeRefused(f"user {who} has starred {repository.full_name} already")

    def unstar(self, change: ch.Unstar) -> Touched:
        told = [self._stage.choice.repository(change.repository)] if change.repository else None
        stars = [
            (repository, star)
            for repository in told or self._stage.community.covered()
            for star in repository.stars
            if star.account and change.user in (None, star.account.id)
        ]
        if not stars:
            raise ChangeRefused("there is no such star")
        repository, star = self._stage.choice.dice.choice(stars)
        self._stage.lose(repository, "unstarred", lambda: repository.stars.remove(star))
        repository.updated = self._stage.now
        return touched(repository, users=_users(star.account), noticeable=False)

    def fork(self, change: ch.Fork) -> Touched:
        repository = self._stage.choice.repository(change.repository)
        owner = self._stage.somebody(change.user)
        if owner is None:
            raise ChangeRefused("a ghost owns nothing")
        return touched(self._stage.deeds.fork(repository, owner, self._stage.now), users=_users(owner))

    def open(self, change: ch.Open) -> Touched:
        repository = self._stage.choice.repository(change.repository)
        author, now, deeds = self._stage.somebody(change.author), self._stage.now, self._stage.deeds
        seed = self._stage.community.seed
        title = text.title(seed, repository.last_number + repository.id) if change.title is None else change.title
        item: Item
        match change.do:
            case "open_issue":
                item = deeds.issue(repository, author, now, title=title, body=change.body)
            case "open_pull_request":
                item = deeds.pull_request(repository, author, now, title=title, body=change.body)
            case "start_discussion":
                category = self._stage.choice.dice.choice(repository.categories)
                item = deeds.discussion(category, author, now, title=title, body=change.body)
        return touched(item, users=_users(author), noticeable=item.enabled)

    def comment(self, change: ch.Comment) -> Touched:
        place = self._stage.choice.place(change.on)
        author, now, deeds = self._stage.somebody(change.author), self._stage.now, self._stage.deeds
        match place:
            case Thread():
                return touched(deeds.answer(place, author, now, body=change.body), users=_users(author))
            case Discussion():
                return touched(deeds.say(place, author, now, body=change.body), users=_users(author))
            case DiscussionComment():
                parent = place.parent or place  # an answer to a reply stands beside it
                said = deeds.say(place.item, author, now, body=change.body, parent=parent)
                return touched(said, users=_users(author))
            case Issue() | PullRequest():
                return touched(deeds.comment(place, author, now, body=change.body), users=_users(author))

    def review(self, change: ch.Review) -> Touched:
        pull = self._stage.choice.item(change.pull_request, PullRequest)
        author = self._stage.somebody(change.author)
        review = self._stage.deeds.review(
            pull, author, self._stage.now, state=change.state, body=change.body, threads=change.threads
        )
        return touched(review, users=_users(author), noticeable=review.submitted is not None)

    def act(self, change: ch.Act) -> Touched:
        item = self._acted_on(change)
        actor, now, deeds = self._stage.somebody(change.actor), self._stage.now, self._stage.deeds
        match change.do, item:
            case "merge", PullRequest():
                deeds.merge(item, actor, now)
            case "close", _:
                deeds.close(item, actor, now)
            case "reopen", _:
                deeds.reopen(item, actor, now)
            case "label", _:
                deeds.label(item, self._label(item), actor, now)
            case "assign", Issue() | PullRequest():
                deeds.event(item, "AssignedEvent", actor, now, self._stage.choice.person(change.user))
            case "request_review", PullRequest():
                team = self._stage.community.teams[0] if change.team else None
                asked = team or self._stage.choice.person(change.user)
                deeds.event(item, "ReviewRequestedEvent", actor, now, asked)
            case _:
                raise ChangeRefused(f"{change.do} does not go with {item.typename}")
        return touched(item, users=_users(actor))

    def _acted_on(self, change: ch.Act) -> Item:
        if change.item is not None:
            return self._stage.choice.node(change.item, Item)
        kind: type[Item] = PullRequest if change.do in ("merge", "request_review", "assign") else Item
        for _ in range(TRIES):
            item = self._stage.choice.item(None, kind)
            if _fits(change.do, item):
                return item
        raise NothingFits(f"nothing was found to {change.do}")

    def _label(self, item: Item) -> Label:
        left = [label for label in item.repository.labels if label not in item.labels]
        if not left:
            raise NothingFits("it has all labels")
        return self._stage.choice.dice.choice(left)

    def mark_answer(self, change: ch.MarkAnswer) -> Touched:
        if change.comment is not None:
            comment = self._stage.choice.node(change.comment, DiscussionComment)
        else:
            comment = self._better_answer()
        self._stage.deeds.choose(comment, self._stage.now)
        return touched(comment)

    def _better_answer(self) -> DiscussionComment:
        """Any comment that is not the answer yet; whoever asked may change their mind."""
        found = [
            comment
            for item in self._stage.choice.items()
            if isinstance(item, Discussion) and item.category.answerable
            for comment in item.talk
            if comment.writer and comment is not item.answer
        ]
        if not found:
            raise NothingFits("nothing could be an answer")
        return self._stage.choice.dice.choice(found)


def _fits(deed: str, item: Item) -> bool:
    """Whether one would do this to it."""
    if isinstance(item, Discussion) or (isinstance(item, PullRequest) and item.merged):
        return False
    match deed:
        case "merge" | "close":
            return item.closed is None
        case "reopen":
            return item.closed is not None
        case "label":
            return len(item.labels) < len(item.repository.labels)
    return True


def _users(account: Account | None) -> list[int]:
    return [account.id] if account else []
