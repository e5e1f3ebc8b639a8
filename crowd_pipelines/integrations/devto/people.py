"""Reading profiles, which tell more of a person than what they wrote does."""

from collections.abc import Iterable
from urllib.parse import urlsplit

from crowd_pipelines.framework.reading import usable
from crowd_pipelines.integrations.devto import activities as records
from crowd_pipelines.integrations.devto.api import Profile
from crowd_pipelines.integrations.devto.settings import Run
from crowd_pipelines.integrations.devto.streams import ArticlesStream, ProfileStream
from crowd_pipelines.model.records import Activity
from crowd_pipelines.model.streams import RejectedRecord, StreamResult, UpsertMembers


def read_profile(stream: ProfileStream, run: Run) -> StreamResult:
    """Return a person as their profile shows them. Raises Gone where there is none, as for those who are suspended."""
    rejected: list[RejectedRecord] = []
    profiles = usable(Profile, [run.api.profile(stream.user_id)], rejected)
    members = tuple(records.profile_member(profile, stream.site) for profile in profiles)
    return StreamResult(operations=(UpsertMembers(members=members),), rejected=tuple(rejected))


def profiles_of(activities: Iterable[Activity], site: str, root: ArticlesStream | None) -> Iterable[ProfileStream]:
    """Return a lookup for every author that has an id; `root` is the list that led to what they wrote."""
    ids = dict.fromkeys(a.member.source_id for a in activities if a.member.source_id)
    owner = {"owner": root.owner, "username": root.username} if root else {}
    return [ProfileStream(user_id=int(user_id), site=site, **owner) for user_id in ids]


def site_of(url: str) -> str:
    """Return the address of the Forem on which an article stands."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
