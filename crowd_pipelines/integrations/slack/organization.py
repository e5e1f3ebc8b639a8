"""Whose token it is: that of a workspace, or of an organization (Enterprise Grid) which has several."""

from crowd_pipelines.framework.reading import usable
from crowd_pipelines.http.errors import Gone, NotPermitted, Refused, UnexpectedPayload
from crowd_pipelines.integrations.slack.api import SlackApi, Team, Workspace
from crowd_pipelines.integrations.slack.refusals import ORGANIZATION_WIDE


def workspace_of(api: SlackApi, team: str) -> Workspace:
    """Return the workspace that is read; `team` is the id that the settings name, "" for none. Raises Gone."""
    workspace = api.workspace()
    if workspace.is_enterprise_install:
        if not team:
            raise Gone(f"{ORGANIZATION_WIDE}{_reachable(_teams(api))}")
        return workspace.model_copy(update={"team_id": team})
    if team and workspace.team_id and workspace.team_id != team:
        raise Gone(
            f'The token is of the workspace {workspace.team_id}, and the setting "team_id" names {team}. '
            'Copy the token of that workspace, or leave "team_id" out.'
        )
    return workspace


def see_workspace(api: SlackApi, team: str) -> None:
    """See that there is a workspace to be read with this token. Raises Gone with what to do."""
    workspace = workspace_of(api, team)
    teams = _teams(api) if workspace.is_enterprise_install else []
    if teams and team not in {found.id for found in teams}:
        raise Gone(f'The organization\'s token does not reach the workspace {team} of "team_id".{_reachable(teams)}')


def _teams(api: SlackApi) -> list[Team]:
    """Return the workspaces that an organization's token reaches, none when it may not list them."""
    try:
        return list(usable(Team, api.teams(), []))
    except (NotPermitted, Refused, UnexpectedPayload):
        return []


def _reachable(teams: list[Team]) -> str:
    if not teams:
        return ""
    listed = ", ".join(f"{team.id} ({team.name})" if team.name else team.id for team in teams[:20])
    return f" It reaches: {listed}. Each further workspace is an integration of its own."
