"""DEV: the articles of users and organizations, their comments, and who wrote them.

A check asks for the lists of articles, whose `last_comment_at` and `comments_count` tell what changed, and then only
for the comments of changed articles. Profiles are looked up once per day and person.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, field_validator, model_validator

from crowd_pipelines.framework.integration import BudgetScope, Connector, Integration, RunContext
from crowd_pipelines.framework.reading import usable
from crowd_pipelines.http.errors import Gone
from crowd_pipelines.http.outcomes import Outcome, Response
from crowd_pipelines.http.pacing import RateLimit
from crowd_pipelines.http.transport import Headers
from crowd_pipelines.integrations.devto import activities as records
from crowd_pipelines.integrations.devto.api import Article, Comment, CommentNode, DevtoApi, OwnerKind, Profile
from crowd_pipelines.integrations.devto.streams import (
    PATIENCE_WITH_STALE_TREES,
    ArticlesStream,
    CommentsMark,
    CommentsStream,
    ListMark,
    ProfileStream,
)
from crowd_pipelines.model.records import Activity
from crowd_pipelines.model.secrets import Secret
from crowd_pipelines.model.streams import (
    Json,
    Operation,
    RejectedRecord,
    RetractActivities,
    RetractMissing,
    Stream,
    StreamResult,
    UpsertActivities,
    UpsertMembers,
)

Run = RunContext["DevtoSettings", DevtoApi]


class DevtoSettings(BaseModel):
    """Whose articles belong to the community: names, or addresses of profiles."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    organizations: tuple[str, ...] = ()
    users: tuple[str, ...] = ()

    @field_validator("organizations", "users")
    @classmethod
    def _names(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        names = [name.strip().rstrip("/").rsplit("/", 1)[-1].lstrip("@") for name in given]
        if not all(names):
            raise ValueError("a name is empty; give names such as ben, without @")
        return tuple(dict.fromkeys(names))

    @model_validator(mode="after")
    def _someone(self) -> "DevtoSettings":
        if not self.organizations and not self.users:
            raise ValueError('name at least one of them, as in {"organizations": ["forem"], "users": ["ben"]}')
        return self

    @property
    def owners(self) -> tuple[tuple[OwnerKind, str], ...]:
        """Every list of articles to be read."""
        organizations: list[tuple[OwnerKind, str]] = [("organization", name) for name in self.organizations]
        return (*organizations, *(("user", name) for name in self.users))


class DevtoCredentials(BaseModel):
    """An API key is optional: everything we read is public."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    api_key: Secret | None = None


class DevtoIntegration(Integration[DevtoSettings, DevtoCredentials, DevtoApi]):
    """DEV and every other Forem."""

    platform = records.PLATFORM
    title = "DEV"
    description = "Articles of users and organizations on DEV (or another Forem), their comments, and who wrote them."
    api_url = "https://dev.to/api"
    settings_type = DevtoSettings
    credentials_type = DevtoCredentials
    stream_types = (ArticlesStream, CommentsStream, ProfileStream)
    activity_types = (records.ARTICLE, records.COMMENT)
    member_attributes = records.MEMBER_ATTRIBUTES
    ticks_between_checks = 20
    # Forem's throttle: 3 GET requests per second and client address, whoever asks.
    rate_limits: ClassVar[Mapping[str, RateLimit]] = {"default": RateLimit(requests=3, seconds=1)}
    budget_scope = BudgetScope.HOST
    max_concurrency = 4

    def connect(self, connector: Connector, credentials: DevtoCredentials) -> DevtoApi:
        """Return a client, with the API key if there is one."""
        key = credentials.api_key
        headers: Headers = {"Accept": "application/vnd.forem.api-v1+json", **({"api-key": key} if key else {})}
        return DevtoApi(connector.http(headers=headers, secrets=(key,) if key else (), judge=_judge), has_key=bool(key))

    def check_credentials(self, api: DevtoApi, settings: DevtoSettings) -> None:
        """See that the key works, if there is one, and that every owner exists: a wrong name would look empty."""
        if api.has_key:
            api.me()
        for kind, name in settings.owners:
            try:
                api.owner_exists(kind, name)
            except Gone:
                raise Gone(f"there is no {kind} named {name!r} on this site; check the name in the settings") from None

    def get_streams(self, run: Run) -> Sequence[ArticlesStream]:
        """Return the first page of every owner's articles."""
        return [ArticlesStream(owner=kind, username=name) for kind, name in run.settings.owners]

    def process_stream(self, stream: Stream, run: Run) -> StreamResult:
        """Fetch a page of articles, an article's comments, or a profile."""
        match stream:
            case ArticlesStream():
                return _articles(stream, run)
            case CommentsStream():
                return _comments(stream, run)
            case ProfileStream():
                return _profile(stream, run)
            case _:
                raise LookupError(f"DEV has no stream of kind {stream.kind!r}")


def _judge(response: Response) -> Outcome | None:
    """The network in front of the site refuses without JSON, which says nothing about what was asked for."""
    return Outcome.RETRY if response.status == 403 and not isinstance(response.json, dict) else None


def _articles(stream: ArticlesStream, run: Run) -> StreamResult:
    raw = run.api.articles(stream.owner, stream.username, stream.page)
    rejected: list[RejectedRecord] = []
    articles = list(usable(Article, raw, rejected))
    known = run.read_watermarks([stream.subject, *map(_seen, articles), *map(_read, articles)])
    mark = ListMark.model_validate(known.get(stream.subject, {}))
    # Nothing is known to be unchanged in an onboarding: it mends whatever is missing.
    changed = [a for a in articles if run.onboarding or known.get(_seen(a)) != _digest(a)]
    site = _site(articles[0].url) if articles else ""
    activities = tuple(records.article_activity(a, a.user, site) for a in changed if a.user)
    commented = [_comments_stream(a, known.get(_read(a)), onboarding=run.onboarding) for a in articles]
    last = articles[-1].id if articles else None
    # A site that shows the same page again has no other.
    repeated = last is not None and last == stream.previous
    goes_on = raw and not repeated and (run.onboarding or mark.may_go_on(last))
    return StreamResult(
        operations=(UpsertActivities(activities=activities),),
        last_record=last,
        last_record_timestamp=articles[-1].published_at if articles else None,
        new_streams=(*_profiles(activities, site), *(found for found in commented if found)),
        next_page=stream.model_copy(update={"page": stream.page + 1, "previous": last}) if goes_on else None,
        watermarks={
            stream.subject: (mark if raw else mark.ended(stream)).model_dump(),
            **{_seen(article): _digest(article) for article in changed},
        },
        rejected=tuple(rejected),
    )


def _comments_stream(article: Article, known: Json | None, *, onboarding: bool) -> CommentsStream | None:
    """Return the stream of an article's comments, if there is something to be read."""
    mark = CommentsMark.model_validate(known) if known else None
    if mark is None and article.comments_count == 0:
        return None
    if mark and mark.agrees(article) and not onboarding:
        return None
    return CommentsStream(
        article_id=article.id,
        title=article.title,
        url=article.url,
        last_comment_at=article.last_comment_at,
        comments_count=article.comments_count,
        stale=mark.stale if mark and mark.comments_count == article.comments_count else 0,
    )


def _comments(stream: CommentsStream, run: Run) -> StreamResult:
    rejected: list[RejectedRecord] = []
    try:
        nodes, activities = _tree(stream, run, rejected)
    except Gone as gone:
        # Unpublished since the list was read, or never to be had: asked again when the list shows a change.
        return StreamResult(skipped=str(gone), watermarks=_mark(stream, stale=0))
    stale = stream.stale + 1 if stream.outdated(nodes) else 0
    return StreamResult(
        operations=(UpsertActivities(activities=activities), _retracted(stream, nodes, stale=stale)),
        last_record=activities[-1].source_id if activities else None,
        last_record_timestamp=activities[-1].timestamp if activities else None,
        new_streams=tuple(_profiles(activities, _site(stream.url))),
        watermarks=_mark(stream, stale=stale),
        rejected=tuple(rejected),
    )


def _tree(
    stream: CommentsStream, run: Run, rejected: list[RejectedRecord]
) -> tuple[list[CommentNode], tuple[Activity, ...]]:
    """Return every place in the tree, and the comments that can be used."""
    article, site = (stream.article_id, stream.title, stream.url), _site(stream.url)
    nodes: list[CommentNode] = []
    activities: list[Activity] = []
    for node, raw in run.api.comments(stream.article_id):
        nodes.append(node)
        activities.extend(
            records.comment_activity(comment, parent=node.parent, article=article, site=site)
            for comment in ([] if node.withheld else usable(Comment, [_alone(raw)], rejected))
        )
    return nodes, tuple(activities)


def _mark(stream: CommentsStream, *, stale: int) -> Mapping[str, Json]:
    mark = CommentsMark(last_comment_at=stream.last_comment_at, comments_count=stream.comments_count, stale=stale)
    return {f"comments:{stream.article_id}": mark.model_dump()}


def _retracted(stream: CommentsStream, nodes: Sequence[CommentNode], *, stale: int) -> Operation:
    """Return what the tree no longer shows; an answer that seems old is believed only in what it says outright."""
    # Any of those that are known may be the one that does not say which it is.
    nameless = any(node.id_code is None for node in nodes)
    if nameless or 0 < stale < PATIENCE_WITH_STALE_TREES:
        withheld = tuple(node.id_code for node in nodes if node.withheld and node.id_code)
        return RetractActivities(type=records.COMMENT, source_ids=withheld)
    present = frozenset(node.id_code for node in nodes if not node.withheld and node.id_code)
    return RetractMissing(type=records.COMMENT, thread=str(stream.article_id), present=present)


def _profile(stream: ProfileStream, run: Run) -> StreamResult:
    rejected: list[RejectedRecord] = []
    profiles = usable(Profile, [run.api.profile(stream.user_id)], rejected)
    members = tuple(records.profile_member(profile, stream.site) for profile in profiles)
    return StreamResult(operations=(UpsertMembers(members=members),), rejected=tuple(rejected))


def _profiles(activities: Iterable[Activity], site: str) -> Iterable[ProfileStream]:
    """Return a lookup for every author that has an id."""
    ids = dict.fromkeys(a.member.source_id for a in activities if a.member.source_id)
    return [ProfileStream(user_id=int(user_id), site=site) for user_id in ids]


def _alone(item: Any) -> Any:
    """Return a record without the answers to it."""
    return {key: value for key, value in item.items() if key != "children"} if isinstance(item, dict) else item


def _digest(article: Article) -> Json:
    """Return a watermark that changes when what we store of an article does."""
    stored = article.model_dump(mode="json", exclude={"comments_count", "last_comment_at"})
    text = json.dumps(stored, sort_keys=True)
    return {"digest": hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]}


def _seen(article: Article) -> str:
    return f"article:{article.id}"


def _read(article: Article) -> str:
    return f"comments:{article.id}"


def _site(url: str) -> str:
    """Return the address of the Forem on which an article stands."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
