"""Which channels are read: archived ones once, those that were lost, those with a new id, those of an organization."""

from dataclasses import replace
from typing import Any

import pytest

from crowd_pipelines.http.errors import Gone, UnexpectedPayload
from crowd_pipelines.integrations.slack.integration import SlackIntegration, SlackSettings
from crowd_pipelines.integrations.slack.plan import Plan
from crowd_pipelines.integrations.slack.streams import ChannelMark, ChannelsStream, HistoryStream
from crowd_pipelines.model.states import RunState
from crowd_pipelines_tests.integrations.connected import Connected
from crowd_pipelines_tests.integrations.slack.truths import assert_members_are_true, assert_true
from crowd_pipelines_tests.integrations.slack.web_api import WebApi
from crowd_pipelines_tests.integrations.stored import live, told

GENERAL = {"id": "C01", "name": "general", "is_member": True, "is_general": True, "is_archived": False}
OLD = {"id": "C09", "name": "old-times", "is_member": True, "is_archived": True}


def listed(web_api: WebApi, *channels: Any, **settings: Any) -> Plan:
    """The plan of a check of which these channels are listed, and which knows those in `web_api.known_channels`."""
    state = settings.pop("state", {})
    web_api.answers("auth.test", {"ok": True, "url": "https://acme.slack.com/", "team_id": "T01"})
    web_api.answers("conversations.list", {"ok": True, "channels": list(channels)})
    run = replace(web_api.run(**settings), state=state)
    return Plan.model_validate(SlackIntegration().preprocess(run))


def planned(web_api: WebApi, plan: Plan, *, onboarding: bool = False) -> list[HistoryStream]:
    web_api.known.setdefault("members", {"read_at": "2024-03-01T11:00:00+00:00"})
    run = web_api.run(onboarding=onboarding, plan=plan)
    found = SlackIntegration().process_stream(ChannelsStream(), run).new_streams
    return [stream for stream in found if isinstance(stream, HistoryStream)]


def test_an_archived_channel_that_the_app_is_in_is_read_once(web_api: WebApi) -> None:
    plan = listed(web_api, GENERAL, OLD)
    assert [(stream.channel, stream.archived) for stream in planned(web_api, plan)] == [("C01", False), ("C09", True)]
    web_api.known["channel:C09"] = ChannelMark(name="old-times", newest="1708000000.000100").model_dump()
    again = planned(web_api, plan)[1]
    assert again.until == "1708000000.000100", "what was said before it was archived"
    web_api.known["channel:C09"] = ChannelMark(newest="1708000000.000100", finished=True).model_dump()
    assert [stream.channel for stream in planned(web_api, plan)] == ["C01"]
    assert [stream.channel for stream in planned(web_api, plan, onboarding=True)] == ["C01", "C09"]
    reopened = listed(web_api, GENERAL, {**OLD, "is_archived": False})
    assert [stream.channel for stream in planned(web_api, reopened)] == ["C01", "C09"]


def test_an_archived_channel_that_the_app_was_never_in_is_not_asked_for(web_api: WebApi) -> None:
    plan = listed(web_api, GENERAL, {**OLD, "is_member": False})
    assert [place.id for place in plan.places] == ["C01"]


@pytest.mark.parametrize("shown", [[], [None], [{**OLD, "is_member": False, "is_archived": False}], [{"id": ""}]])
def test_a_channel_that_was_read_is_asked_for_though_the_list_does_not_show_it(web_api: WebApi, shown: Any) -> None:
    plan = listed(web_api, GENERAL, *shown, state={"channels": {"C01": "general", "C09": "old-times"}})
    assert [stream.channel for stream in planned(web_api, plan)] == ["C01", "C09"]
    assert not any("invite" in notice for notice in plan.notices)


def test_a_channel_that_is_no_longer_named_is_not_lost(web_api: WebApi) -> None:
    known = {"C01": "general", "C09": "old-times"}
    plan = listed(web_api, GENERAL, OLD, channels=("general",), state={"channels": known})
    assert [place.id for place in plan.places] == ["C01"]


def test_a_private_channel_with_a_new_id_is_known_by_its_first(web_api: WebApi) -> None:
    shared = {"id": "C0ABCDEF", "name": "partners", "is_member": True}
    plan = listed(web_api, GENERAL, shared, state={"channels": {"G0ABCDEF": "partners", "C01": "general"}})
    assert [(place.id, place.address) for place in plan.places] == [("C01", ""), ("G0ABCDEF", "C0ABCDEF")]
    assert plan.names["G0ABCDEF"] == plan.names["C0ABCDEF"] == "partners"
    both = listed(web_api, shared, {**shared, "id": "G0ABCDEF"}, state={"channels": {"G0ABCDEF": "partners"}})
    assert [place.id for place in both.places] == ["C0ABCDEF", "G0ABCDEF"], "as long as both are there, they are two"


def test_channels_that_come_as_null_are_told(web_api: WebApi) -> None:
    [notice] = listed(web_api, GENERAL, None, None).notices
    assert notice.startswith("2 channels are passed over, since they came as null")


def test_an_archived_channel_that_is_named_gets_advice_that_can_be_followed(web_api: WebApi) -> None:
    plan = listed(web_api, GENERAL, {**OLD, "is_member": False}, channels=("old-times",))
    [notice] = plan.notices
    assert "it is archived" in notice
    assert "unarchive it and invite the app" in notice
    assert listed(web_api, GENERAL, OLD, channels=("old-times",)).notices == ()
    web_api.answers("conversations.list", {"ok": True, "channels": [{**OLD, "is_member": False}]})
    with pytest.raises(Gone, match="#old-times is not read: it is archived"):
        SlackIntegration().check_credentials(web_api.api, SlackSettings(channels=("old-times",)))


WIDE = {"ok": True, "url": "https://acme.enterprise.slack.com/", "team_id": "E01", "is_enterprise_install": True}
TEAMS = {"ok": True, "teams": [{"id": "T01", "name": "Acme"}, None, {"id": "T02"}]}


@pytest.mark.parametrize(
    ("team", "told_of"),
    [
        ("", "That|organization.*It reaches: T01 .Acme., T02. Each further workspace is an integration of its own"),
        ("T03", "does not reach the workspace T03.*It reaches: T01"),
    ],
)
def test_an_organizations_token_needs_a_workspace_and_is_told_which(web_api: WebApi, team: str, told_of: str) -> None:
    web_api.answers("auth.test", WIDE)
    web_api.answers("auth.teams.list", TEAMS)
    with pytest.raises(Gone, match=told_of) as refusal:
        SlackIntegration().check_credentials(web_api.api, SlackSettings(team_id=team))
    assert "{" not in str(refusal.value).replace('{"team_id": "T024BE91L"}', "")
    SlackIntegration().check_credentials(web_api.api, SlackSettings(team_id="T01"))


def test_where_the_workspaces_may_not_be_listed_one_is_told_what_to_do(web_api: WebApi) -> None:
    web_api.answers("auth.test", WIDE)
    web_api.answers("auth.teams.list", {"ok": False, "error": "enterprise_is_restricted"})
    with pytest.raises(Gone, match='"team_id"'):
        SlackIntegration().check_credentials(web_api.api, SlackSettings())
    SlackIntegration().check_credentials(web_api.api, SlackSettings(team_id="T01"))


def test_a_workspaces_token_is_good_for_no_other_one(web_api: WebApi) -> None:
    web_api.answers("auth.test", {"ok": True, "team_id": "T01"})
    SlackIntegration().check_credentials(web_api.api, SlackSettings(team_id="T01"))
    with pytest.raises(Gone, match='The token is of the workspace T01, and the setting "team_id" names T02'):
        SlackIntegration().check_credentials(web_api.api, SlackSettings(team_id="T02"))


def test_a_token_that_became_an_organizations_ends_the_run_with_a_sentence(web_api: WebApi) -> None:
    web_api.answers("conversations.list", {"ok": False, "error": "missing_argument"})
    web_api.known["members"] = {"read_at": "2024-03-01T11:00:00+00:00"}
    run = replace(web_api.run(), state={"site": "https://acme.slack.com/", "team": "T01"})
    with pytest.raises(UnexpectedPayload, match='name the one to be read in the setting "team_id"'):
        SlackIntegration().preprocess(run)


@pytest.mark.parametrize("team", ["acme", "E024BE91L", "T0&x=1", 7, None])
def test_what_is_no_workspace_is_refused(team: Any) -> None:
    with pytest.raises(ValueError, match="team_id"):
        SlackSettings.model_validate({"team_id": team})


# With the database.


def debts(slack: Connected) -> list[dict[str, Any]]:
    return slack.rows("SELECT place, permission, label, reason FROM owed_reads ORDER BY id")


def asked_of(slack: Connected, channel: str) -> list[str]:
    return [address for address in slack.asked() if channel in address]


def test_the_history_of_an_archived_channel_is_read_once(slack: Connected) -> None:
    slack.onboard()
    channel = slack.truth().cases["old-times"]
    assert len(asked_of(slack, channel)) == 1
    assert [row for row in live(slack).values() if row["channel_id"] == channel]
    slack.check()
    assert asked_of(slack, channel) == []


def test_what_was_said_between_the_last_check_and_the_archiving_is_read(onboarded: Connected) -> None:
    channel = onboarded.truth().cases["stranger"].partition(":")[0]
    said = onboarded.change("post", channel=channel, text="farewell")["messages"]
    onboarded.change("archive_channel", channel=channel)
    onboarded.check()
    assert {("message", one) for one in said} <= live(onboarded).keys()
    assert_true(onboarded, onboarded.truth())
    onboarded.asked()
    onboarded.check()
    assert asked_of(onboarded, channel) == []
    onboarded.change("archive_channel", channel=channel, archived=False)
    more = onboarded.change("post", channel=channel)["messages"]
    onboarded.check()
    assert {("message", one) for one in more} <= live(onboarded).keys()


def test_an_app_that_an_archiving_took_out_of_a_channel_owes_what_was_said_last(onboarded: Connected) -> None:
    channel = onboarded.truth().cases["stranger"].partition(":")[0]
    before = live(onboarded).keys()
    onboarded.change("post", channel=channel)
    onboarded.change("archive_channel", channel=channel, ejects=True)
    assert onboarded.check().state is RunState.PROCESSED
    assert live(onboarded).keys() == before
    [owed] = debts(onboarded)
    assert owed["place"] == channel
    assert "unarchive the channel" in owed["reason"]
    onboarded.asked()
    onboarded.check()
    assert asked_of(onboarded, channel) == []


def test_a_channel_with_a_new_id_is_there_once(onboarded: Connected) -> None:
    before = live(onboarded).keys()
    onboarded.change("share_channel", channel="G004CHANL")
    [said] = onboarded.change("post", channel="C004CHANL")["messages"]
    onboarded.check()
    assert live(onboarded).keys() - before == {("message", said)}
    assert said.startswith("G004CHANL:")
    onboarded.onboard()
    assert live(onboarded).keys() == told(onboarded.truth()).keys()
    assert debts(onboarded) == []


def test_a_workspace_of_an_organization_is_read(slack: Connected) -> None:
    slack.change("organization")
    with slack.engine.begin() as conn:
        conn.exec_driver_sql("""UPDATE integrations SET settings = '{"team_id": "T0CROWD01"}'""")
    assert slack.onboard().state is RunState.PROCESSED
    assert_true(slack, slack.truth())
    assert_members_are_true(slack, slack.truth())


def test_without_a_workspace_the_run_ends_with_what_to_do(slack: Connected) -> None:
    slack.change("organization")
    assert slack.onboard().state is RunState.ERROR
    error = slack.value("SELECT error FROM integrations")
    assert error.startswith("The token is that of a whole organization")
    assert "T0CROWD01 (Crowd)" in error
