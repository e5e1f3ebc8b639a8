"""Reads who follows an account on X, who names it, and who uses its hashtags."""

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, field_validator

from crowd_pipelines.apis.x.api import API_URL, LONGEST_QUERY, RATE_LIMITS, XApi
from crowd_pipelines.apis.x.payloads import ID_PATTERN
from crowd_pipelines.apis.x.refusals import REFUSALS
from crowd_pipelines.apis.x.tokens import APP_CREDENTIALS, XCredentials
from crowd_pipelines.framework.integration import Connector, Integration, Patch, Place, RunContext, RunSummary
from crowd_pipelines.http.errors import Gone
from crowd_pipelines.http.pacing import RateLimit
from crowd_pipelines.integrations.twitter import activities as records
from crowd_pipelines.integrations.twitter import followers, posts
from crowd_pipelines.integrations.twitter.streams import (
    FIRST_LOOK,
    FollowersStream,
    HashtagMark,
    HashtagStream,
    MentionsStream,
    PostsMark,
)
from crowd_pipelines.model.streams import Stream, StreamResult

Run = RunContext["TwitterSettings", XApi]
AnyStream = FollowersStream | MentionsStream | HashtagStream


class TwitterSettings(BaseModel):
    """The account, by its number, and hashtags whose posts belong to the community."""

    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)

    user_id: str = Field(pattern=ID_PATTERN)
    hashtags: tuple[str, ...] = ()

    @field_validator("hashtags")
    @classmethod
    def _tags(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        tags: dict[str, str] = {}
        for tag in (text.strip().lstrip("#") for text in given):
            if not _is_tag(tag):
                raise ValueError(
                    f"{tag!r} is no hashtag: give letters, digits and _ with a letter among them, without #"
                )
            if len(posts.query_for(tag)) > LONGEST_QUERY:
                raise ValueError(f"the hashtag {tag[:20]}... is too long: X searches for {LONGEST_QUERY} characters")
            tags.setdefault(tag.casefold(), tag)
        return tuple(tags.values())


class TwitterIntegration(Integration[TwitterSettings, XCredentials, XApi]):
    """X, formerly Twitter."""

    platform = records.PLATFORM
    title = "X (Twitter)"
    description = "Followers of an account on X, posts that name it, posts with its hashtags, and whose they are."
    api_url = API_URL
    settings_type = TwitterSettings
    credentials_type = XCredentials
    app_credentials: ClassVar[tuple[str, ...]] = APP_CREDENTIALS
    stream_types = (FollowersStream, MentionsStream, HashtagStream)
    activity_types = (records.FOLLOW, records.MENTION, records.HASHTAG)
    member_attributes = records.MEMBER_ATTRIBUTES
    ticks_between_checks = 30
    limit_reset_frequency = timedelta(days=30)
    onboarding_limit_factor = 0.7
    rate_limits: ClassVar[Mapping[str, RateLimit]] = RATE_LIMITS
    max_concurrency = 4
    refusals = REFUSALS

    def connect(self, connector: Connector, credentials: XCredentials) -> XApi:
        """Return a client that renews the access token when it ends."""
        return XApi.connected(connector, credentials)

    def check_credentials(self, api: XApi, settings: TwitterSettings) -> None:
        """Look the account up, by which X sees the token and we see that the account exists."""
        page = api.users([settings.user_id])
        if not page.records:
            said = page.problems[0].text if page.problems else "X does not know it"
            raise Gone(f"there is no account {settings.user_id}: {said} Check user_id, which is a number and no name.")

    def get_streams(self, run: Run) -> Sequence[Stream]:
        """Return the first page of followers, of mentions, and of each hashtag."""
        user_id, tags = run.settings.user_id, run.settings.hashtags
        if run.onboarding:
            tagged = [HashtagStream(tag=tag) for tag in tags]
            return [FollowersStream(user_id=user_id), MentionsStream(user_id=user_id), *tagged]
        mentions = MentionsStream(user_id=user_id)
        known = run.read_watermarks([mentions.subject, *(HashtagStream(tag=tag).subject for tag in tags)])
        since_id = PostsMark.model_validate(known.get(mentions.subject, {})).newest_id
        return [
            FollowersStream(user_id=user_id, size=FIRST_LOOK, look=True),
            mentions.model_copy(update={"since_id": since_id}),
            *(_mark(known, tag).opening(tag, now=run.started_at) for tag in tags),
        ]

    def process_stream(self, stream: AnyStream, run: Run) -> StreamResult:
        """Fetch a page of followers or posts."""
        match stream:
            case FollowersStream():
                return followers.read(stream, run)
            case MentionsStream():
                return posts.read_mentions(stream, run)
            case HashtagStream():
                return posts.read_hashtag(stream, run, tags=run.settings.hashtags)

    def place_of(self, stream: AnyStream) -> Place:
        """Return the list that a stream reads. What is owed goes on where it stopped: X bills what it shows again."""
        return Place(key=stream.subject, label=stream.model_copy(update={"page": 1}).label, stream=stream)

    def postprocess(self, run: Run, summary: RunSummary) -> Patch:
        """Tell what nobody read in time."""
        return Patch(notices=tuple(_notices(run)))


def _notices(run: Run) -> Iterator[str]:
    tagged = [HashtagStream(tag=tag) for tag in run.settings.hashtags]
    known = run.read_watermarks([stream.subject for stream in tagged])
    for stream in tagged:
        if gap := _mark(known, stream.tag).gap:
            yield (
                f"Posts with #{stream.tag} between {gap[0]:%Y-%m-%d %H:%M} and {gap[1]:%Y-%m-%d %H:%M} UTC were not "
                "read: X's search goes back seven days, and no check came in time."
            )


def _mark(known: Mapping[str, Mapping[str, Any]], tag: str) -> HashtagMark:
    return HashtagMark.model_validate(known.get(HashtagStream(tag=tag).subject, {}))


def _is_tag(text: str) -> bool:
    """Whether X takes a text for a hashtag: letters of any script with their marks, digits, and not digits alone."""
    kinds = {"_" if letter == "_" else unicodedata.category(letter)[0] for letter in text}
    return "L" in kinds and kinds <= {"L", "M", "N", "_"}
