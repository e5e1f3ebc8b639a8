"""What the contract tests have to know of DEV."""

from crowd_pipelines.integrations.devto.streams import ArticlesStream, ArticleStream, CommentsStream, ProfileStream
from crowd_pipelines.model.streams import Stream
from crowd_pipelines.sandbox.client import Truth

KINDS = ("article", "articles", "comments", "profile")
RARE = frozenset({"article"})
UNAUTHORIZED = '{"error": "unauthorized", "status": 401}'
ABSENT = {
    "test_a_subject_that_is_gone_is_skipped": "only Forem's own words say that something is gone: see test_refusals",
}


def streams(truth: Truth) -> list[Stream]:
    """One stream of every kind that leads to something."""
    article = next(a for a in truth.activities if a["source_id"] == str(truth.cases["many_roots"]))
    person = next(member for member in truth.members if member["profile"])
    return [
        ArticleStream(article_id=int(article["source_id"])),
        ArticlesStream(owner="organization", username=truth.settings["organizations"][0]),
        CommentsStream(
            article_id=int(article["source_id"]),
            title=article["title"],
            url=article["url"],
            last_comment_at=None,
            comments_count=0,
        ),
        ProfileStream(user_id=int(person["source_id"]), site="https://dev.to"),
    ]
