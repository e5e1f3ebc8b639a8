"""What each endpoint may be asked, as the published description says."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from crowd_pipelines.sandbox.messages import Request
from crowd_pipelines.sandbox.twitter.refusals import invalid


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


USER_FIELDS = _names(
    """
    affiliation confirmed_email connection_status created_at description entities id is_identity_verified location
    most_recent_tweet_id name parody pinned_tweet_id profile_banner_url profile_image_url protected public_metrics
    receives_your_dm subscription subscription_type url username verified verified_followers_count verified_type
    withheld
    """
)
POST_FIELDS = _names(
    """
    article attachments author_id card_uri community_id context_annotations conversation_id created_at
    display_text_range edit_controls edit_history_tweet_ids entities geo id in_reply_to_user_id lang
    matched_media_notes media_metadata non_public_metrics note_request_suggestions note_tweet organic_metrics
    paid_partnership possibly_sensitive promoted_metrics public_metrics referenced_tweets reply_settings scopes source
    suggested_source_links suggested_source_links_with_counts text withheld
    """
)
MEDIA_FIELDS = _names(
    """
    alt_text duration_ms height media_key non_public_metrics organic_metrics preview_image_url promoted_metrics
    public_metrics type url variants width
    """
)
POLL_FIELDS = frozenset(["duration_minutes", "end_datetime", "id", "options", "voting_status"])
PLACE_FIELDS = frozenset(
    ["contained_within", "country", "country_code", "full_name", "geo", "id", "name", "place_type"]
)
POST_EXPANSIONS = _names(
    """
    article.cover_media article.media_entities attachments.media_keys attachments.media_source_tweet
    attachments.poll_ids author_id edit_history_tweet_ids entities.mentions.username geo.place_id in_reply_to_user_id
    entities.note.mentions.username referenced_tweets.id referenced_tweets.id.attachments.media_keys
    referenced_tweets.id.author_id
    """
)
USER_EXPANSIONS = frozenset(["affiliation.user_id", "most_recent_tweet_id", "pinned_tweet_id"])

Check = Callable[[str], str | None]


def _numbers(least: int, most: int) -> Check:
    def check(value: str) -> str | None:
        fits = re.fullmatch(r"\d{1,9}", value) and least <= int(value) <= most
        return None if fits else f"[{value}] is not between {least} and {most}"

    return check


def _some_of(known: frozenset[str]) -> Check:
    def check(value: str) -> str | None:
        wrong = [part for part in value.split(",") if part not in known]
        return f"[{','.join(wrong)}] is not one of [{','.join(sorted(known))}]" if wrong else None

    return check


def _matching(pattern: str) -> Check:
    return lambda value: None if re.fullmatch(pattern, value) else f"[{value}] does not match ^{pattern}$"


def _ids(value: str) -> str | None:
    ids = value.split(",")
    if len(ids) > 100:
        return f"size must be between 1 and 100, and is {len(ids)}"
    wrong = [one for one in ids if not re.fullmatch(r"[0-9]{1,19}", one)]
    return f"[{wrong[0]}] does not match ^[0-9]{{1,19}}$" if wrong else None


def _moment(value: str) -> str | None:
    return None if parsed_moment(value) is not None else f"[{value}] is not of the form YYYY-MM-DDTHH:mm:ssZ"


def _query(value: str) -> str | None:
    return None if 0 < len(value) <= 512 else f"the query has {len(value)} characters, and 512 are allowed"


_POST_PARAMETERS: Mapping[str, Check] = {
    "tweet.fields": _some_of(POST_FIELDS),
    "user.fields": _some_of(USER_FIELDS),
    "media.fields": _some_of(MEDIA_FIELDS),
    "poll.fields": _some_of(POLL_FIELDS),
    "place.fields": _some_of(PLACE_FIELDS),
    "expansions": _some_of(POST_EXPANSIONS),
    "since_id": _matching("[0-9]{1,19}"),
    "until_id": _matching("[0-9]{1,19}"),
    "start_time": _moment,
    "end_time": _moment,
}
_USER_PARAMETERS: Mapping[str, Check] = {
    "user.fields": _some_of(USER_FIELDS),
    "tweet.fields": _some_of(POST_FIELDS),
    "expansions": _some_of(USER_EXPANSIONS),
}
_ENDPOINTS: Mapping[str, Mapping[str, Check]] = {
    "followers": {
        **_USER_PARAMETERS,
        "max_results": _numbers(1, 1000),
        "pagination_token": _matching("[0-9A-V]{16,}"),
    },
    "mentions": {**_POST_PARAMETERS, "max_results": _numbers(5, 100), "pagination_token": _matching("[0-9a-z]+")},
    "search": {
        **_POST_PARAMETERS,
        "query": _query,
        "max_results": _numbers(10, 100),
        "next_token": _matching("[0-9a-z]+"),
        "pagination_token": _matching("[0-9a-z]+"),
        "sort_order": _matching("recency|relevancy"),
    },
    "users": {**_USER_PARAMETERS, "ids": _ids},
}
_REQUIRED = {"search": "query", "users": "ids"}
_CURSORS = ("next_token", "pagination_token")
_SIZES = {"followers": 100, "mentions": 100, "search": 10, "users": 100}


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A request whose parameters are in order."""

    endpoint: str
    size: int
    cursor: str | None
    values: Mapping[str, str]
    lists: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """Everything but where in the list: a cursor belongs to one question."""
        kept = (name for name in sorted(self.values) if name not in (*_CURSORS, "max_results"))
        return "&".join(f"{name}={self.values[name]}" for name in kept)


def checked(endpoint: str, request: Request) -> Question:
    """Raises Refused for what the description does not allow."""
    errors = dict(_errors(endpoint, request))
    if errors:
        raise invalid(errors)
    values = request.query
    cursor = next((values[name] for name in _CURSORS if name in values), None)
    listed = (name for name in values if name.endswith(".fields") or name in ("expansions", "ids"))
    return Question(
        endpoint=endpoint,
        size=int(values.get("max_results", _SIZES[endpoint])),
        cursor=cursor,
        values=values,
        lists={name: tuple(values[name].split(",")) for name in listed},
    )


def _errors(endpoint: str, request: Request) -> Iterator[tuple[str, tuple[str, str]]]:
    known, seen = _ENDPOINTS[endpoint], set[str]()
    for name, value in request.pairs:
        if name not in known:
            yield name, (value, f"The query parameter [{name}] is not one of [{','.join(known)}]")
        elif name in seen:
            yield name, (value, f"The query parameter [{name}] was sent twice")
        elif reason := known[name](value):
            yield name, (value, f"The `{name}` query parameter value {reason}")
        seen.add(name)
    required = _REQUIRED.get(endpoint)
    if required and required not in seen:
        yield required, ("", f"The `{required}` query parameter can not be empty")


def parsed_moment(value: str) -> int | None:
    """Seconds since 1970."""
    for form in ("%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S.%fZ"):
        try:
            return int(datetime.strptime(value, form).replace(tzinfo=UTC).timestamp())
        except ValueError:
            continue
    return None
