"""Articles come, change and go."""

from crowd_pipelines.sandbox.devto import changes as ch
from crowd_pipelines.sandbox.devto import text
from crowd_pipelines.sandbox.devto.model import Article, CommentState, Person
from crowd_pipelines.sandbox.devto.stage import Stage, Touched
from crowd_pipelines.sandbox.platform import ChangeRefused


class ArticleChanges:
    """Changes of articles."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def publish(self, change: ch.PublishArticle) -> Touched:
        self._check(change.organization)
        article = self._written(change, self._author(change.owner))
        self._stage.community.add_article(article)
        return {"articles": [article.id], "users": [article.author], "noticeable": True}

    def _check(self, organization: str | None) -> None:
        known = self._stage.community.organizations
        if organization is not None and organization not in known:
            raise ChangeRefused(f"there is no organization {organization!r}; there are: {', '.join(known)}")

    def _author(self, name: str | None) -> Person:
        community = self._stage.community
        owner = name or self._stage.choice.dice.choice(community.owners["users"])
        author = community.person_named(owner)
        if author is None:
            raise ChangeRefused(f"there is no user named {owner!r}")
        return author

    def _written(self, change: ch.PublishArticle, author: Person) -> Article:
        community = self._stage.community
        article_id = max(community.articles) + 1 + self._stage.choice.dice.randrange(20)
        heading = text.title(community.seed, article_id) if change.title is None else change.title
        return Article(
            id=article_id,
            author=author.id,
            organization=change.organization,
            title=heading,
            description=text.description(community.seed, article_id),
            slug=text.slug(heading, article_id),
            created=community.now,
            published=community.now,
            tags=["discuss"],
            last_comment=community.now,
            first_number=self._stage.number(),
            comments={},
        )

    def edit(self, change: ch.EditArticle) -> Touched:
        article = self._stage.choice.article(change.article)
        article.title = f"{article.title} (updated)" if change.title is None else change.title
        article.edited = self._stage.community.now
        return {"articles": [article.id], "noticeable": True}

    def unpublish(self, article: Article, *, why: str = "unpublished") -> Touched:
        comments = self._stage.community.comments(article).values() if article.readable else ()
        live = [comment for comment in comments if comment.state is CommentState.LIVE]
        self._stage.vanish(article, why=why, comments=live, itself=True)
        article.listed = False
        return {"articles": [article.id], "noticeable": True}

    def republish(self, change: ch.RepublishArticle) -> Touched:
        article = self._stage.community.articles.get(change.article)
        if article is None or article.listed:
            raise ChangeRefused(f"article {change.article} was not unpublished")
        article.listed = True
        self._stage.reappear("article", [str(article.id)])
        self._stage.reappear("comment", [comment.code for comment in self._stage.community.comments(article).values()])
        return {"articles": [article.id], "noticeable": True}

    def move(self, change: ch.MoveArticle) -> Touched:
        self._check(change.organization)
        article = self._stage.choice.article(change.article)
        article.organization = change.organization
        return {"articles": [article.id], "noticeable": True}
