"""What was written is edited and deleted; people and repositories change their names, and go."""

from collections.abc import Callable

from crowd_pipelines.sandbox.github import changes as ch
from crowd_pipelines.sandbox.github.community import Community
from crowd_pipelines.sandbox.github.model import (
    Account,
    Comment,
    Discussion,
    DiscussionComment,
    Issue,
    Item,
    PullRequest,
    Remark,
    Repository,
    Review,
    ReviewComment,
)
from crowd_pipelines.sandbox.github.stage import Stage, Touched, touched
from crowd_pipelines.sandbox.platform import ChangeRefused


class Revising:
    """Changes of what is there."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def edit(self, change: ch.Edit) -> Touched:
        post = self._post(change.node)
        item = post if isinstance(post, Item) else post.item
        tick, now, before = self._stage.community.tick, self._stage.now, self._stage.community.body(post)
        if change.title is not None:
            if not isinstance(post, Item):
                raise ChangeRefused("only issues, pull requests and discussions have a title")
            post.silent_titles.append((tick, post.title))
            post.title = change.title
        if change.title is None or change.body is not None:
            post.silent_edits.append((tick, before))
            post.body = f"{before}\n\nEdit: fixed." if change.body is None else change.body
        if not change.silent:
            post.edited = post.updated = now
            self._stage.deeds.move(item, now)
        return touched(post, noticeable=not change.silent)

    def delete(self, change: ch.Delete) -> Touched:
        post = self._post(change.node)
        item = post if isinstance(post, Item) else post.item
        self._stage.lose(item.repository, "deleted", self._removal(post), of=item)
        return touched(post, noticeable=False)

    def _post(self, node_id: str | None) -> Item | Remark:
        """What was told, or any comment by chance."""
        if node_id is None:
            return self._stage.choice.remark(None)
        post: Item | Remark = self._stage.choice.node(node_id, Item | Remark)  # type: ignore[arg-type]
        return post

    def _removal(self, post: Item | Remark) -> Callable[[], None]:
        match post:
            case Issue() | Discussion():
                return lambda: self._remove_item(post)
            case PullRequest() | Review():
                raise ChangeRefused(f"GitHub lets nobody delete a {post.typename}")
            case DiscussionComment() if post.replies:
                return lambda: setattr(post, "deleted", self._stage.now)
            case Comment() | ReviewComment() | DiscussionComment():
                return lambda: self._remove_comment(post)
        raise ChangeRefused(f"{type(post).__name__} cannot be deleted")

    def _remove_item(self, item: Item) -> None:
        self._stage.deeds.forget(item)

    def dismiss(self, change: ch.Dismiss) -> Touched:
        """A review by id, or any by chance."""
        if change.review is None:
            pulls = [one for one in self._stage.choice.items() if isinstance(one, PullRequest) and one.reviews]
            review = self._stage.choice.dice.choice(self._stage.choice.dice.choice(pulls).reviews)
        else:
            review = self._stage.choice.node(change.review, Review)
        self._stage.deeds.dismiss(review, self._stage.somebody(change.actor), self._stage.now)
        return touched(review)

    def transfer_issue(self, change: ch.TransferIssue) -> Touched:
        issue, target = self._issue(change.item), self._stage.choice.repository(change.repository)
        made: list[Item] = []
        actor, now = self._stage.somebody(None), self._stage.now

        def move() -> None:
            made.append(self._stage.deeds.transfer(issue, target, actor, now))

        self._stage.lose(issue.repository, "transferred", move, of=issue)
        return touched(*made)

    def convert_issue(self, change: ch.ConvertIssue) -> Touched:
        issue = self._issue(change.item)
        made: list[Item] = []
        actor, now = self._stage.somebody(None), self._stage.now

        def convert() -> None:
            made.append(self._stage.deeds.convert(issue, issue.repository.categories[0], actor, now))
            if not change.stays:
                self._stage.deeds.forget(issue)

        self._stage.lose(issue.repository, "converted", convert, of=issue)
        return touched(*made)

    def _issue(self, node_id: str | None) -> Issue:
        return self._stage.choice.item(node_id, Issue)

    def _remove_comment(self, comment: Comment | ReviewComment | DiscussionComment) -> None:
        siblings: list[Comment] | list[ReviewComment] | list[DiscussionComment]
        match comment:
            case Comment():
                siblings = comment.item.comments
            case ReviewComment():
                siblings = comment.thread.comments
            case DiscussionComment():
                siblings = comment.parent.replies if comment.parent else comment.item.talk
                if comment.item.answer is comment:
                    comment.item.answer = None
        siblings.remove(comment)  # type: ignore[arg-type]
        self._stage.community.forget(comment)
        if isinstance(comment, ReviewComment) and not comment.thread.comments:
            comment.item.threads.remove(comment.thread)
            self._stage.community.forget(comment.thread)

    def rename_user(self, change: ch.RenameUser) -> Touched:
        account = self._stage.choice.person(change.user, modest=True)
        tick, community = self._stage.community.tick, self._stage.community
        wanted = change.login or f"{account.login}-{tick}"
        if community.account(wanted) not in (None, account):
            raise ChangeRefused(f"the login {wanted!r} is taken")
        account.renames.append((tick, account.login))
        account.login = wanted
        return touched(account, users=[account.id], noticeable=False)

    def delete_user(self, change: ch.DeleteUser) -> Touched:
        account = self._stage.choice.person(change.user, modest=True)
        covered = self._stage.community.covered()
        others = [one for one in self._stage.community.repositories if one not in covered]
        for repository in others:
            _leave(repository, account)
        self._lose_all(covered, account)
        return touched(account, users=[account.id], noticeable=False)

    def _lose_all(self, repositories: list[Repository], account: Account) -> None:
        """Each repository is looked at before and after: what they wrote anywhere is a ghost's from now on."""
        for repository in repositories:

            def go(repository: Repository = repository) -> None:
                repository.updated = self._stage.now
                _leave(repository, account)
                account.gone = True

            account.gone = False
            self._stage.lose(repository, "user_deleted", go)
        account.gone = True


class Housekeeping:
    """Changes of repositories."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    @property
    def _community(self) -> Community:
        return self._stage.community

    def rename(self, change: ch.RenameRepository) -> Touched:
        repository = self._stage.choice.repository(change.repository)
        name = change.name or f"{repository.name}-{self._community.tick}"
        self._check_free(f"{repository.owner.login}/{name}")
        repository.renames.append((self._community.tick, repository.full_name))
        repository.name = name
        repository.updated = self._stage.now
        return touched(repository, noticeable=False)

    def transfer(self, change: ch.TransferRepository) -> Touched:
        repository = self._stage.choice.repository(change.repository)
        owner = self._community.account(change.owner, "Organization") or self._community.account(change.owner)
        if owner is None:
            raise ChangeRefused(f"there is no account {change.owner!r}")
        self._check_free(f"{owner.login}/{repository.name}")

        def move() -> None:
            repository.renames.append((self._community.tick, repository.full_name))
            repository.owner = owner

        self._stage.lose(repository, "transferred", move)
        return touched(repository, noticeable=False)

    def hide(self, change: ch.HideRepository) -> Touched:
        repository = self._stage.choice.repository(change.repository)
        why = {"delete_repository": "deleted", "make_private": "private"}.get(change.do)
        self._stage.lose(repository, why or "public", lambda: setattr(repository, "hidden", why))
        return touched(repository, noticeable=False)

    def switch(self, change: ch.Feature) -> Touched:
        repository = self._stage.choice.repository(change.repository)
        field, on = f"{change.feature}_enabled", change.do == "enable"
        self._stage.lose(repository, f"{change.feature}_disabled", lambda: setattr(repository, field, on))
        return touched(repository, noticeable=False)

    def found(self, change: ch.NewRepository) -> Touched:
        login = change.owner or self._community.connected["organizations"][0]
        owner = self._community.account(login, "Organization") or self._community.account(login)
        if owner is None:
            raise ChangeRefused(f"there is no account {login!r}")
        name = change.name or f"new-{self._community.tick}"
        self._check_free(f"{login}/{name}")
        repository = Repository(
            id=max(one.id for one in self._community.repositories) + 11,
            owner=owner,
            name=name,
            created=self._stage.now,
        )
        self._community.repositories.append(self._community.register(repository))
        self._fill(repository)
        return touched(repository)

    def _fill(self, repository: Repository) -> None:
        deeds, now, who = self._stage.deeds, self._stage.now, self._stage.choice.somebody
        deeds.labels(repository, ("bug", "enhancement"))
        deeds.categories(repository)
        deeds.star(repository, who(None), now)
        issue = deeds.issue(repository, who(None), now, title="The first issue")
        deeds.comment(issue, who(None), now)
        deeds.pull_request(repository, who(None), now, title="The first change")
        deeds.discussion(repository.categories[0], who(None), now, title="Welcome")

    def _check_free(self, full_name: str) -> None:
        if any(one.full_name.lower() == full_name.lower() for one in self._community.repositories):
            raise ChangeRefused(f"the name {full_name!r} is taken")


def _leave(repository: Repository, account: Account) -> None:
    repository.stars = [star for star in repository.stars if star.account is not account]
    repository.forks = [fork for fork in repository.forks if fork.owner is not account]
