"""DEV: the articles of users and organizations, their comments, and who wrote them.

A check asks for the lists of articles, whose `last_comment_at` and `comments_count` tell what changed, and then only
for the comments of changed articles. Profiles are looked up once per day and person.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from crowd_pipelines.framework.integration import BudgetScope, Connector, Integration, Place
from crowd_pipelines.http.pacing import RateLimit
from crowd_pipelines.http.transport import Headers
from crowd_pipelines.integrations.devto import activities as records
from crowd_pipelines.integrations.devto.api import DevtoApi
from crowd_pipelines.integrations.devto.articles import read_article, read_articles
from crowd_pipelines.integrations.devto.comments import read_comments
from crowd_pipelines.integrations.devto.people import read_profile
from crowd_pipelines.integrations.devto.refusals import REFUSALS
from crowd_pipelines.integrations.devto.settings import DevtoCredentials, DevtoSettings, Run
from crowd_pipelines.integrations.devto.streams import ArticlesStream, ArticleStream, CommentsStream, ProfileStream
from crowd_pipelines.model.streams import Stream, StreamResult

DevtoStream = ArticlesStream | ArticleStream | CommentsStream | ProfileStream


class DevtoIntegration(Integration[DevtoSettings, DevtoCredentials, DevtoApi]):
    """DEV and every other Forem."""

    platform = records.PLATFORM
    title = "DEV"
    description = "Articles of users and organizations on DEV (or another Forem), their comments, and who wrote them."
    api_url = "https://dev.to/api"
    settings_type = DevtoSettings
    credentials_type = DevtoCredentials
    stream_types = (ArticlesStream, ArticleStream, CommentsStream, ProfileStream)
    activity_types = (records.ARTICLE, records.COMMENT)
    member_attributes = records.MEMBER_ATTRIBUTES
    ticks_between_checks = 20
    # Forem's throttle: 3 GET requests per second and client address, whoever asks.
    rate_limits: ClassVar[Mapping[str, RateLimit]] = {"default": RateLimit(requests=3, seconds=1)}
    budget_scope = BudgetScope.HOST
    max_concurrency = 4
    refusals = REFUSALS

    def connect(self, connector: Connector, credentials: DevtoCredentials) -> DevtoApi:
        """Return a client, with the API key if there is one."""
        key = credentials.api_key
        headers: Headers = {"Accept": "application/vnd.forem.api-v1+json", **({"api-key": key} if key else {})}
        http = connector.http(headers=headers, secrets=(key,) if key else (), refusals=REFUSALS)
        return DevtoApi(http, has_key=bool(key))

    def check_credentials(self, api: DevtoApi, settings: DevtoSettings) -> None:
        """See that the key works, if there is one, and that every owner exists: a wrong name would look empty."""
        if api.has_key:
            api.me()
        for owner in settings.owners:
            api.has_articles(owner)

    def get_streams(self, run: Run) -> Sequence[ArticlesStream]:
        """Return the first page of every owner's articles."""
        return [ArticlesStream(owner=kind, username=name) for kind, name in run.settings.owners]

    def process_stream(self, stream: Stream, run: Run) -> StreamResult:
        """Fetch a page of articles, one article, an article's comments, or a profile."""
        match stream:
            case ArticlesStream():
                return read_articles(stream, run)
            case ArticleStream():
                return read_article(stream, run)
            case CommentsStream():
                return read_comments(stream, run)
            case ProfileStream():
                return read_profile(stream, run)
            case _:
                raise LookupError(f"DEV has no stream of kind {stream.kind!r}")

    def place_of(self, stream: DevtoStream) -> Place | None:
        """Return the owner's list that a stream is of."""
        root = stream.root
        return Place(key=root.subject, label=root.label, stream=root) if root else None

    def confirm_place(self, stream: DevtoStream, run: Run) -> None:
        """See that the owner is still there."""
        if root := stream.root:
            run.api.confirm(root.list_owner)
