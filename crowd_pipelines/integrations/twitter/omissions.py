"""What a page of X does not hold, or we do not store: records without contents, left out, or in a form that is new."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from crowd_pipelines.apis.x.api import XApi
from crowd_pipelines.apis.x.payloads import Page, Post
from crowd_pipelines.framework.integration import RunContext
from crowd_pipelines.framework.reading import count_nulls
from crowd_pipelines.model.streams import Json, Stream

_LONGEST_NAME = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Omissions:
    """Parts of a result: records that are asked for again, records that are only told, and what is noted of both."""

    unread: int = 0
    uncollected: Mapping[str, int] = field(default_factory=dict)
    watermarks: Mapping[str, Json] = field(default_factory=dict)


def omissions_of(page: Page, stream: Stream, run: RunContext[Any, XApi], *, subject: str, noun: str) -> Omissions:
    """Return what a page of a list leaves out.

    Records that came as null are asked for again while X does not bill them again, and once on another day. After that
    they are told and no more asked for by themselves.
    """
    told = {f"{noun} that X does not show": page.left_out} if page.left_out else {}
    nulls = count_nulls(page.records)
    if not nulls:
        return Omissions(uncollected=told)
    name, today = f"{subject}:nulls", run.started_at.date().isoformat()
    before = run.read_watermarks([name]).get(name, {})
    if before.get("key") == stream.key and before.get("day") != today:
        return Omissions(uncollected={**told, f"{noun} that came as null": nulls})
    return Omissions(unread=nulls, uncollected=told, watermarks={name: {"key": stream.key, "day": today}})


def unstored(posts: Iterable[Post]) -> dict[str, int]:
    """Return how many posts say something in a form that is not stored, by form."""
    return dict(Counter(form for post in posts for form in _forms(post)))


def _forms(post: Post) -> Iterator[str]:
    if post.article:
        yield "articles"
    if post.attachments and post.attachments.poll_ids:
        yield "options of polls"
    if post.attachments:
        yield from (f"attachments: {name[:_LONGEST_NAME]}" for name in post.attachments.unfamiliar)
    if post.text is None and not (post.long_text and post.long_text.text):
        yield "posts without a text"
