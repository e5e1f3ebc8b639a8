"""Comments come, change and go."""

from crowd_pipelines.sandbox.devto import changes as ch
from crowd_pipelines.sandbox.devto import text
from crowd_pipelines.sandbox.devto.model import Article, Comment, CommentState, Person
from crowd_pipelines.sandbox.devto.stage import Stage, Touched, signal
from crowd_pipelines.sandbox.platform import ChangeRefused


class CommentChanges:
    """Changes of comments."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def add(self, change: ch.AddComment) -> Touched:
        article, parent = self._place(change)
        author = self._author(change.author)
        before = signal(article)
        comment = self._stage.community.append(
            article,
            number=self._stage.number(),
            author=author.id,
            parent=parent.number if parent else None,
            body=change.body,
        )
        return self._stage.touched(article, comment, before)

    def _place(self, change: ch.AddComment) -> tuple[Article, Comment | None]:
        choice = self._stage.choice
        if change.parent is not None:
            return choice.placed(change.parent)
        if change.article is not None or choice.dice.random() < 0.4:
            return choice.article(change.article), None
        return choice.comment(None)

    def _author(self, wanted: ch.Author) -> Person:
        if wanted == "new":
            return self._newcomer()
        return self._stage.choice.commenter() if wanted is None else self._stage.choice.person(wanted)

    def _newcomer(self) -> Person:
        community = self._stage.community
        place = len(community.people)
        newcomer = Person(
            id=max(community.people) + 1,
            username=text.username(place),
            name=text.person_name(place),
            joined=community.now,
        )
        community.people[newcomer.id] = newcomer
        return newcomer

    def delete(self, article: Article, comment: Comment, *, why: str = "deleted") -> Touched:
        before = signal(article)
        comments = self._stage.community.comments(article)
        if any(other.parent == comment.number for other in comments.values()):
            comment.becomes(CommentState.DELETED, self._stage.community.tick)
        else:
            del comments[comment.number]
        self._stage.vanish(article, why=why, comments=[comment])
        return self._stage.touched(article, comment, before)

    def hide(self, change: ch.HideComment) -> Touched:
        article, comment = self._stage.choice.comment(change.comment)
        comment.becomes(CommentState.HIDDEN, self._stage.community.tick)
        self._stage.vanish(article, why="hidden", comments=[comment])
        return self._stage.touched(article, comment, signal(article))

    def show(self, change: ch.ShowComment) -> Touched:
        article, comment = self._stage.choice.placed(change.comment)
        if comment.state is not CommentState.HIDDEN:
            raise ChangeRefused(f"comment {change.comment!r} is {comment.state}, not hidden")
        comment.becomes(CommentState.LIVE, self._stage.community.tick)
        self._stage.reappear("comment", [comment.code])
        return self._stage.touched(article, comment, signal(article))

    def edit(self, change: ch.EditComment) -> Touched:
        article, comment = self._stage.choice.comment(change.comment)
        before = self._stage.community.body(comment)
        comment.edits.append((self._stage.community.tick, before))
        comment.body = f"{before}<p>Edit: fixed</p>" if change.body is None else change.body
        return self._stage.touched(article, comment, signal(article))
