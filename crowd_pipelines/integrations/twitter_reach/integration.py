"""Reads how many people follow the members known from X."""

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from crowd_pipelines.apis.x.api import API_URL, LARGEST_LOOKUP, RATE_LIMITS, XApi
from crowd_pipelines.apis.x.payloads import ID_PATTERN, Page, Problem, User
from crowd_pipelines.apis.x.refusals import REFUSALS, InvalidParameters
from crowd_pipelines.apis.x.tokens import APP_CREDENTIALS, XCredentials
from crowd_pipelines.framework.integration import Connector, Integration, Place, RunContext
from crowd_pipelines.framework.reading import count_nulls, usable
from crowd_pipelines.http.pacing import RateLimit
from crowd_pipelines.integrations.twitter_reach.streams import Absence, ReachStream
from crowd_pipelines.model import clock
from crowd_pipelines.model.records import AttributeType, Member, MemberAttribute
from crowd_pipelines.model.streams import Json, RejectedRecord, StreamResult, UpdateMembers

Run = RunContext["TwitterReachSettings", XApi]

MEMBERS_OF = "twitter"
SITE = "https://twitter.com"
X_ITSELF = "783214"

PROFILE = MemberAttribute(name="url", label="Profile", type=AttributeType.URL)
"""The one attribute that derives from the name, which is what is read here beside the reach."""

# Who was looked up at the end of yesterday's integration run is due in today's, which starts a day after its beginning.
_EARLY = 0.9


class TwitterReachSettings(BaseModel):
    """How fresh a reach should be: who was seen within this time, here or by another integration, is not asked for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    period_hours: Annotated[int, Field(ge=1, le=24 * 365)] = 24


class TwitterReachIntegration(Integration[TwitterReachSettings, XCredentials, XApi]):
    """The reach of members on X."""

    platform = "twitter_reach"
    title = "X (Twitter) reach"
    description = "How many followers the members known from X have, once a day; names and addresses as they are now."
    api_url = API_URL
    settings_type = TwitterReachSettings
    credentials_type = XCredentials
    app_credentials: ClassVar[tuple[str, ...]] = APP_CREDENTIALS
    credentials_of = MEMBERS_OF
    member_platform = MEMBERS_OF
    stream_types = (ReachStream,)
    activity_types = ()
    member_attributes = (PROFILE,)
    ticks_between_checks = 1440
    rate_limits: ClassVar[Mapping[str, RateLimit]] = RATE_LIMITS
    max_concurrency = 1
    refusals = REFUSALS

    def connect(self, connector: Connector, credentials: XCredentials) -> XApi:
        """Return a client that renews the access token when it ends."""
        return XApi.connected(connector, credentials)

    def check_credentials(self, api: XApi, settings: TwitterReachSettings) -> None:
        """Look X's own account up: any answer but a refusal will do."""
        api.users([X_ITSELF])

    def get_streams(self, run: Run) -> Sequence[ReachStream]:
        """Return the first hundred members."""
        return [ReachStream()]

    def process_stream(self, stream: ReachStream, run: Run) -> StreamResult:
        """Look a hundred members up."""
        wanted, onward = _due(stream, run)
        if not wanted:
            return StreamResult()
        rejected: list[RejectedRecord] = []
        pages = _looked_up(run.api, list(wanted))
        users = [user for page in pages for user in usable(User, page.records, rejected) if user.id in wanted]
        nulls = sum(count_nulls(page.records) for page in pages)
        return StreamResult(
            operations=(UpdateMembers(members=tuple(map(_member, users))),),
            last_record=users[-1].id if users else None,
            next_page=onward,
            watermarks=_remembered(pages, wanted, users, run),
            rejected=tuple(rejected),
            unread=nulls,
            incomplete=_flaw(pages, wanted, shown=len(users) + len(rejected) + nulls),
        )

    def place_of(self, stream: ReachStream) -> Place:
        """Return the lookup of accounts; whoever was seen meanwhile is not asked for again."""
        return Place(key="users", label="reach of members", stream=ReachStream())


def _due(stream: ReachStream, run: Run) -> tuple[dict[str, Absence], ReachStream | None]:
    """Return a hundred to ask for, whoever is passed over, with what is remembered of them, and where to go on."""
    due: dict[str, Absence] = {}
    after, period = stream.after, timedelta(hours=run.settings.period_hours) * _EARLY
    while len(due) < LARGEST_LOOKUP:
        known = run.known_members(after=after, limit=LARGEST_LOOKUP - len(due), unseen_for=period)
        if not known:
            return due, None
        after = known[-1].source_id
        due |= _askable([member.source_id for member in known], run)
    return due, ReachStream(after=after)


def _askable(ids: Sequence[str], run: Run) -> dict[str, Absence]:
    """Return those whom X may show, with what is remembered of their absence."""
    known = run.read_watermarks([_absence(one) for one in ids])
    absences = {one: Absence.model_validate(known.get(_absence(one), {})) for one in ids if re.match(ID_PATTERN, one)}
    return {one: absence for one, absence in absences.items() if not absence.lasts(run.started_at)}


def _flaw(pages: Sequence[Page], asked: Mapping[str, Absence], *, shown: int) -> str | None:
    """Return in what the answers do not agree with the question: everybody is shown, or named as not to be seen."""
    flaw = next((page.flaw for page in pages if page.flaw), None)
    named = {problem.resource_id for page in pages for problem in page.problems} & asked.keys()
    if flaw is None and shown + len(named) < len(asked):
        return f"X was asked for {len(asked)} accounts, and answers for {shown + len(named)}"
    return flaw


def _remembered(
    pages: Sequence[Page], asked: Mapping[str, Absence], shown: Sequence[User], run: Run
) -> dict[str, Json]:
    """Return watermarks of those whom X does not show, and of those whom it shows again."""
    here = {user.id for user in shown}
    named = {problem.resource_id for page in pages for problem in page.problems}
    absent = {one: absence.again(run.started_at) for one, absence in asked.items() if one in named - here}
    returned = {one: Absence() for one, absence in asked.items() if one in here and absence.patience_days}
    return {_absence(one): absence.model_dump(mode="json") for one, absence in {**absent, **returned}.items()}


def _looked_up(api: XApi, ids: Sequence[str]) -> list[Page]:
    """Return the answers for these ids; one id that X does not take spoils a whole request, so that is divided."""
    try:
        return [api.users(ids)]
    except InvalidParameters as refused:
        if "ids" not in refused.names:
            raise
    if len(ids) == 1:
        return [Page(records=[], told_at=clock.now(), problems=(Problem(resource_id=ids[0]),))]
    half = len(ids) // 2
    return [*_looked_up(api, ids[:half]), *_looked_up(api, ids[half:])]


def _member(user: User) -> Member:
    return Member(
        platform=MEMBERS_OF,
        source_id=user.id,
        username=user.username,
        attributes={PROFILE.name: f"{SITE}/{user.username}"},
        reach=user.public_metrics.followers_count if user.public_metrics else None,
    )


def _absence(user_id: str) -> str:
    return f"absent:{user_id}"
