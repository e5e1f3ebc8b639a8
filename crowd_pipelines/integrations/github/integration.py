"""GitHub: stars, forks, issues, pull requests and discussions of repositories, with everything people do in them.

One query per repository brings the newest of everything but its stars, and their count. A check asks that query, and
goes further back only in lists whose first page is all news; an issue, a pull request or a discussion comes with what
is below it. Who starred it is asked for by itself, when the count has changed: it may be closed to the credentials.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from crowd_pipelines.framework.integration import Connector, Integration, Patch, Place, RunContext, RunSummary
from crowd_pipelines.http.client import HttpClient
from crowd_pipelines.http.errors import Gone
from crowd_pipelines.http.pacing import RateLimit
from crowd_pipelines.integrations.github import activities as records
from crowd_pipelines.integrations.github import owners, reading
from crowd_pipelines.integrations.github.access import App, InstallationKey, Key, KeyRing
from crowd_pipelines.integrations.github.answers import judge
from crowd_pipelines.integrations.github.api import HEADERS, LARGEST_ANSWER, REST_HEADERS, GithubApi, graphql_address
from crowd_pipelines.integrations.github.asking import ask
from crowd_pipelines.integrations.github.refusals import REFUSALS
from crowd_pipelines.integrations.github.settings import GithubCredentials, GithubSettings
from crowd_pipelines.integrations.github.streams import (
    STREAM_TYPES,
    ChildStream,
    ListStream,
    OwnerStream,
    RepositoryStream,
)
from crowd_pipelines.model.secrets import Secret
from crowd_pipelines.model.streams import Stream, StreamResult

Run = RunContext[GithubSettings, GithubApi]


class GithubIntegration(Integration[GithubSettings, GithubCredentials, GithubApi]):
    """GitHub, or a GitHub Enterprise Server."""

    platform = records.PLATFORM
    title = "GitHub"
    description = "Stars, forks, issues, pull requests, reviews and discussions of repositories, and who they are by."
    api_url = "https://api.github.com"
    settings_type = GithubSettings
    credentials_type = GithubCredentials
    stream_types = STREAM_TYPES
    activity_types = records.ACTIVITY_TYPES
    member_attributes = records.MEMBER_ATTRIBUTES
    ticks_between_checks = 30
    # 5,000 points an hour, which the answers tell, and 2,000 a minute, which they do not: at most ten a query.
    rate_limits: ClassVar[Mapping[str, RateLimit]] = {"default": RateLimit(requests=3, seconds=1, burst=6)}
    max_concurrency = 4
    refusals = REFUSALS

    def connect(self, connector: Connector, credentials: GithubCredentials) -> GithubApi:
        """Return a client that has the tokens pay in turn, or the app's installation."""

        def client(token: Secret, budget: Secret | str) -> HttpClient:
            return connector.http(
                headers={**HEADERS, "Authorization": token.after("Bearer ")},
                secrets=(token,),
                budget=budget,
                judge=judge,
                refusals=REFUSALS,
                body_bytes=LARGEST_ANSWER,
            )

        keys: list[Key] = [Key(client(token, token)) for token in credentials.personal]
        if credentials.app_id and credentials.installation_id and credentials.private_key:
            app = App(
                app_id=credentials.app_id,
                installation_id=credentials.installation_id,
                private_key=credentials.private_key,
            )
            budget = f"installation {app.installation_id}"
            keys.append(InstallationKey(app, connector.http, lambda token: client(token, budget), REST_HEADERS))
        return GithubApi(KeyRing(keys), address=graphql_address(connector.base_url))

    def check_credentials(self, api: GithubApi, settings: GithubSettings) -> None:
        """See that every token is accepted, and that everything named is there: a wrong name would look empty."""
        if api.keys.size > 1 or api.keys.rejected:
            api.try_tokens()
        for login in settings.organizations:
            _find(api, "ownerExists", {"login": login})
        for owner, name in settings.named:
            _find(api, "repositoryExists", {"owner": owner, "name": name})

    def get_streams(self, run: Run) -> Sequence[Stream]:
        """Return every named repository, and the first page of every organization's."""
        repositories = [RepositoryStream(owner=owner, name=name) for owner, name in run.settings.named]
        return [*repositories, *(OwnerStream(login=login) for login in run.settings.organizations)]

    def process_stream(self, stream: Stream, run: Run) -> StreamResult:
        """Fetch a page of repositories, the newest of one, or a further page of something."""
        match stream:
            case OwnerStream():
                return owners.read_owner(stream, run)
            case RepositoryStream():
                return reading.read_repository(stream, run)
            case ListStream():
                return reading.read_further(stream, run)
            case ChildStream():
                return reading.read_child(stream, run)
            case _:
                raise LookupError(f"GitHub has no stream of kind {stream.kind!r}")

    def place_of(self, stream: Any) -> Place | None:
        """Return the repository that a stream reads, or the owner whose repositories it lists."""
        found: Place | None = stream.place
        return found

    def confirm_place(self, stream: Any, run: Run) -> None:
        """See with a small query that the repository or the owner still answers."""
        match stream.place.stream if stream.place else None:
            case RepositoryStream(owner=owner, name=name):
                run.api.confirm("repositoryExists", {"owner": owner, "name": name})
            case OwnerStream(login=login):
                run.api.confirm("ownerExists", {"login": login})

    def postprocess(self, run: Run, summary: RunSummary) -> Patch:
        """Tell what the credentials did not show; only an onboarding, which asks for everything, takes it back."""
        notices = sorted(run.api.limits)
        if refused := run.api.keys.rejected:
            places = ", ".join(map(str, refused))
            notices.append(f"GitHub does not accept some of the tokens (in the list: {places}). Replace them.")
        return Patch(notices=tuple(notices) if notices or run.onboarding else None)


def _find(api: GithubApi, query: str, variables: Mapping[str, str]) -> None:
    try:
        ask(api, query, variables)
    except Gone as gone:
        raise Gone(f"{gone}; check the settings") from None
