"""GitHub from the provider to the database: what is stored is true, and what is asked is needed."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine

from crowd_pipelines.integrations.github.streams import STREAM_TYPES
from crowd_pipelines.model.states import RunState
from crowd_pipelines.sandbox.process import Sandbox
from crowd_pipelines_tests.integrations.connected import Connected
from crowd_pipelines_tests.integrations.github.truths import asked, assert_people_are_true, assert_true, kinds
from crowd_pipelines_tests.integrations.stored import live, people, told

WEEK = {"do": "week"}


def owed(github: Connected) -> set[tuple[str, str]]:
    """What is owed, as label and missing permission."""
    return {(row["label"], row["permission"]) for row in github.rows("SELECT label, permission FROM owed_reads")}


def pass_a_day(github: Connected) -> None:
    github.rows("UPDATE owed_reads SET due_at = due_at - interval '1 day' RETURNING id")


@pytest.fixture
def onboarded(github: Connected) -> Connected:
    assert github.onboard().state is RunState.PROCESSED
    asked(github)
    return github


@pytest.mark.parametrize(
    ("size", "activities"),
    [("small", 1_000), ("medium", 4_000), pytest.param("large", 15_000, marks=pytest.mark.large)],
)
def test_after_the_onboarding_the_database_is_the_truth(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, size: str, activities: int
) -> None:
    with Sandbox.start(platforms=("github",), size=size) as sandbox:
        github = Connected.to(sandbox, "github", engine=engine, monkeypatch=monkeypatch)
        assert github.onboard().state is RunState.PROCESSED
        truth = github.truth()
        assert len(truth.activities) > activities
        assert live(github).keys() == told(truth).keys()
        assert_true(github, truth)
        assert_people_are_true(github, truth)
        assert github.rows("SELECT reason FROM quarantined_records") == []
        queries = asked(github)
        assert len(queries) < len(truth.activities) / 50
        assert len({(name, str(variables)) for name, variables in queries}) == len(queries)
        before = github.records()
        assert github.onboard().state is RunState.PROCESSED
        assert github.records() == before
        asked(github)
        assert github.check().state is RunState.PROCESSED
        assert len(asked(github)) <= len(truth.coverage)
        assert github.records() == before


def test_a_larger_community_takes_every_kind_of_stream_and_shows_every_kind_of_activity(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Sandbox.start(platforms=("github",), size="medium") as sandbox:
        github = Connected.to(sandbox, "github", engine=engine, monkeypatch=monkeypatch)
        github.onboard()
        streams = {row["name"] for row in github.rows("SELECT DISTINCT name FROM integration_streams")}
        # Reviews are listed by themselves only where a check finds a long pull request changed.
        assert streams == {kind.model_fields["kind"].default for kind in STREAM_TYPES} - {"reviews"}
        assert {kind for kind, _ in live(github)} == {kind for kind, _ in told(github.truth())}
        assert len({kind for kind, _ in live(github)}) == 15


def test_the_scores_and_totals_agree_with_what_is_stored(onboarded: Connected) -> None:
    wrong = onboarded.rows(
        "SELECT m.id FROM members AS m LEFT JOIN activities AS a ON a.member_id = m.id"
        " GROUP BY m.id HAVING m.score <> coalesce(sum(a.score), 0)"
    )
    assert wrong == []
    totals = onboarded.rows(
        "SELECT activity_count = (SELECT count(*) FROM activities) AS activities,"
        " member_count = (SELECT count(*) FROM members) AS members, status FROM integrations"
    )
    assert totals == [{"activities": True, "members": True, "status": "done"}]


def test_a_check_with_nothing_new_asks_once_per_owner_and_named_repository(onboarded: Connected) -> None:
    before, settings = onboarded.records(), onboarded.truth().settings
    assert onboarded.check().state is RunState.PROCESSED
    expected = {"Owner": len(settings["organizations"]), "Repository": len(settings["repositories"])}
    assert kinds(asked(onboarded)) == expected
    assert onboarded.records() == before


@pytest.mark.parametrize("seed", range(6))
def test_after_a_week_a_check_brings_exactly_the_news(onboarded: Connected, seed: int) -> None:
    before = live(onboarded).keys()
    onboarded.sandbox.change("github", [{**WEEK, "seed": seed}])
    assert onboarded.check().state is RunState.PROCESSED
    truth = onboarded.truth()
    assert_true(onboarded, truth)
    news = live(onboarded).keys() - before
    assert news == told(truth).keys() - before
    assert len(news) > 30
    assert onboarded.rows("SELECT reason FROM quarantined_records") == []
    queries = asked(onboarded)
    assert len(queries) < 30
    assert len({(name, str(variables)) for name, variables in queries}) == len(queries)
    assert onboarded.check().state is RunState.PROCESSED
    assert kinds(asked(onboarded)).keys() <= {"Owner", "Repository"}


def test_after_a_week_an_onboarding_brings_the_same_as_a_check(onboarded: Connected) -> None:
    onboarded.sandbox.change("github", [{**WEEK, "seed": 9}])
    onboarded.check()
    onboarded.onboard()
    truth = onboarded.truth()
    assert_true(onboarded, truth)
    assert_people_are_true(onboarded, truth)
    first = onboarded.records()
    onboarded.onboard()
    assert onboarded.records() == first


@pytest.mark.parametrize("case", ["long_issue", "long_pull_request", "long_discussion", "long_replies", "long_thread"])
def test_a_late_answer_in_a_long_conversation_is_seen_for_little(onboarded: Connected, case: str) -> None:
    node = onboarded.truth().cases[case]
    [source_id] = onboarded.change("comment", on=node, author="new")["ids"]
    onboarded.check()
    assert source_id in {found for _, found in live(onboarded)}
    assert_true(onboarded, onboarded.truth())
    assert len(asked(onboarded)) <= {"long_issue": 3, "long_pull_request": 4}.get(case, 8)


def test_two_comments_within_one_second_are_both_seen(onboarded: Connected) -> None:
    issue = onboarded.truth().cases["often_closed"]
    first = onboarded.change("comment", on=issue)["ids"]
    onboarded.check()
    second = onboarded.change("comment", on=issue, after=0)["ids"]
    onboarded.check()
    assert {("issue-comment", found) for found in [*first, *second]} <= live(onboarded).keys()


@pytest.mark.parametrize("what", ["star", "fork", "open_issue", "open_pull_request", "start_discussion"])
def test_more_news_than_a_page_holds_is_read_to_its_end(onboarded: Connected, what: str) -> None:
    who = {"user": "new"} if what in ("star", "fork") else {}
    [repository] = onboarded.truth().settings["repositories"]
    onboarded.sandbox.change("github", [{"do": what, "times": 70, "after": 7, "repository": repository, **who}])
    onboarded.check()
    assert_true(onboarded, onboarded.truth())
    assert len(asked(onboarded)) <= 7


def test_an_edit_is_seen(onboarded: Connected) -> None:
    issue = onboarded.truth().cases["empty_body"]
    onboarded.change("edit", node=issue, title="Better", body="with words")
    onboarded.check()
    row = live(onboarded)["issues-opened", issue]
    assert (row["title"], row["body"]) == ("Better", "with words")


def test_a_comment_that_is_gone_is_retracted_when_its_issue_is_read_again(onboarded: Connected) -> None:
    issue = onboarded.truth().cases["often_closed"]
    [first] = onboarded.change("comment", on=issue)["ids"]
    onboarded.check()
    onboarded.change("delete", node=first)
    onboarded.change("comment", on=issue)
    onboarded.check()
    [gone] = onboarded.rows("SELECT body, retracted_at FROM activities WHERE source_id = :id", id=first)
    assert gone["body"] is None
    assert gone["retracted_at"] is not None


def test_a_star_that_was_taken_back_is_retracted_where_all_stars_come_at_once(onboarded: Connected) -> None:
    [repository] = onboarded.truth().settings["repositories"]
    [user] = onboarded.change("unstar", repository=repository)["users"]
    onboarded.check()
    [gone] = onboarded.rows(
        "SELECT retracted_at FROM activities WHERE type = 'star' AND source_id LIKE :id AND channel LIKE :url",
        id=f"%:{user}",
        url=f"%{repository}",
    )
    assert gone["retracted_at"] is not None


def test_an_accepted_answer_is_worth_more_and_so_is_its_author(onboarded: Connected) -> None:
    def score_of(author: str) -> int:
        found = onboarded.value(
            "SELECT m.score FROM members AS m JOIN member_identities AS i ON i.member_id = m.id"
            " WHERE i.source_id = :id",
            id=author,
        )
        assert isinstance(found, int)
        return found

    discussion = onboarded.change("start_discussion", author="bot")["ids"][0]
    said = onboarded.change("comment", on=discussion)
    [comment], [author] = said["ids"], said["users"]
    onboarded.check()
    before = score_of(str(author))
    onboarded.change("mark_answer", comment=comment)
    onboarded.check()
    assert live(onboarded)["discussion-comment", comment]["score"] == 8
    assert score_of(str(author)) == before + 2


@pytest.mark.parametrize("named", [True, False], ids=["named", "of an organization"])
def test_a_repository_with_another_name_is_the_same_channel(onboarded: Connected, named: bool) -> None:
    truth = onboarded.truth()
    own = truth.settings["repositories"]
    repository = own[0] if named else next(name for name in truth.coverage if name not in own)
    onboarded.change("rename_repository", repository=repository, name="another-name")
    onboarded.check()
    after = onboarded.truth()
    assert_true(onboarded, after)
    assert {row["channel"] for row in live(onboarded).values()} == {record["channel"] for record in after.activities}


def test_a_new_repository_of_an_organization_is_read(onboarded: Connected) -> None:
    [repository] = onboarded.change("new_repository")["ids"]
    onboarded.check()
    assert repository in {row["channel_id"] for row in live(onboarded).values()}
    assert_true(onboarded, onboarded.truth())


def test_a_new_login_is_the_same_person(onboarded: Connected) -> None:
    author = int(next(r["member"] for r in onboarded.truth().activities if r["type"] == "issue-comment"))
    before = people(onboarded)[str(author)]["id"]
    onboarded.change("rename_user", user=author, login="another-login")
    onboarded.change("comment", author=author)
    onboarded.check()
    now = people(onboarded)[str(author)]
    assert (now["id"], now["username"]) == (before, "another-login")


@pytest.mark.parametrize("what", ["delete_repository", "make_private"])
def test_a_repository_that_is_gone_is_told_and_leaves_the_others(onboarded: Connected, what: str) -> None:
    [repository] = onboarded.truth().settings["repositories"]
    onboarded.change(what, repository=repository)
    onboarded.change("open_issue")
    assert onboarded.check().state is RunState.PROCESSED
    assert told(onboarded.truth()).keys() <= live(onboarded).keys()
    assert owed(onboarded) == {(repository, "not found")}
    of_it = "SELECT count(*) FROM activities WHERE channel LIKE :url AND retracted_at IS NULL"
    assert onboarded.value(of_it, url=f"%{repository}") > 0
    asked(onboarded)
    onboarded.check()
    assert kinds(asked(onboarded)) == {"Owner": 1}


@pytest.mark.parametrize("way", ["502", "504", "timeout", "limits"])
def test_heavy_queries_become_small_enough(github: Connected, way: str) -> None:
    github.change("heavy", above=2_500, answer=way)
    assert github.onboard().state is RunState.PROCESSED
    assert_true(github, github.truth())
    assert github.rows("SELECT error FROM integration_streams WHERE retries > 0") == []


@pytest.mark.parametrize("partial", [True, False])
def test_tokens_without_scopes_read_everything_else_and_say_so(github: Connected, partial: bool) -> None:
    fields = {"User.email": "user:email", "Team.name": "read:org"}
    github.change("lack_scopes", fields=fields, partial=partial)
    assert github.onboard().state is RunState.PROCESSED
    truth = github.truth()
    assert told(truth).keys() == live(github).keys()
    assert owed(github) == set()
    assert github.rows("SELECT emails FROM members WHERE emails <> '{}'") == []
    [notices] = [row["notices"] for row in github.rows("SELECT state -> 'notices' AS notices FROM integrations")]
    assert len(notices) == 2
    asked(github)
    github.check()
    assert len(asked(github)) <= len(truth.coverage)


def test_forbidden_discussions_leave_the_rest_and_are_told(github: Connected) -> None:
    github.change("forbid", field="Repository.discussions")
    assert github.onboard().state is RunState.PROCESSED
    truth = github.truth()
    missing = told(truth).keys() - live(github).keys()
    assert {kind for kind, _ in missing} == {"discussion-started", "discussion-comment"}
    assert owed(github) == {(name, "discussions") for name in truth.coverage}
    asked(github)
    github.check()
    assert len(asked(github)) <= len(truth.coverage) + 2
    github.change("calm")
    pass_a_day(github)
    for _ in range(2):
        assert github.check().state is RunState.PROCESSED
    assert_true(github, github.truth())
    assert owed(github) == set()


def test_secondary_limits_delay_the_run_and_lose_nothing(github: Connected) -> None:
    tokens = len(github.sandbox.credentials("github")["tokens"])
    github.change("secondary_limit", status=403, retry_after=100, count=tokens)
    run = github.onboard()
    assert run.state is RunState.DELAYED
    assert run.delayed_until is not None
    assert 60 < (run.delayed_until - datetime.now(UTC)).total_seconds() <= 100
    assert github.resume(run).state is RunState.PROCESSED
    assert_true(github, github.truth())


def test_tokens_take_turns_as_their_budgets_end(github: Connected) -> None:
    github.change("spend", token=0, remaining=8)
    assert github.onboard().state is RunState.PROCESSED
    assert_true(github, github.truth())


def test_an_app_reads_everything_although_its_tokens_end(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    with Sandbox.start(platforms=("github",)) as sandbox:
        [app] = sandbox.change("github", [{"do": "app"}])
        credentials = {name: app[name] for name in ("app_id", "installation_id", "private_key")}
        monkeypatch.setattr(Sandbox, "credentials", lambda *_: credentials)
        github = Connected.to(sandbox, "github", engine=engine, monkeypatch=monkeypatch)
        assert github.onboard().state is RunState.PROCESSED
        assert_true(github, github.truth())
        github.change("expire_tokens")
        github.change("open_issue")
        assert github.check().state is RunState.PROCESSED
        assert_true(github, github.truth())


def test_refused_tokens_stop_the_run_with_a_sentence_and_no_further_check(github: Connected) -> None:
    github.change("revoke_token")
    run = github.onboard()
    assert run.state is RunState.ERROR
    assert "create another one" in (run.error or "")
    tokens = len(github.sandbox.credentials("github")["tokens"])
    assert len(github.sandbox.requests("github")) == tokens
    [row] = github.rows("SELECT status, error FROM integrations")
    assert row["status"] == "error"
    assert "connect" in row["error"].lower()


@pytest.mark.parametrize(
    ("query", "what"),
    [
        ("Repository", "no_created_at"),
        ("Stargazers", "bad_created_at"),
        ("Issues", "no_id"),
        ("PullRequests", "text_user"),
        ("Discussions", "wrong_type"),
        ("Comments", "null_record"),
        ("Replies", "text_user"),
    ],
)
def test_a_poison_record_is_quarantined_while_its_page_is_stored(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, query: str, what: str
) -> None:
    with Sandbox.start(platforms=("github",), size="records=2000") as sandbox:
        github = Connected.to(sandbox, "github", engine=engine, monkeypatch=monkeypatch)
        github.fault("poison", asked=rf"query {query}\(", what=what, times=1)
        assert github.onboard().state is RunState.PROCESSED
        assert [fault["fired"] for fault in sandbox.clear_faults()] == [1]
        truth = github.truth()
        missing = told(truth).keys() - live(github).keys()
        nulls = github.value("SELECT count(*) FROM owed_reads WHERE kind = 'unread'")
        quarantined = len(github.rows("SELECT reason FROM quarantined_records"))
        assert (nulls, quarantined) == ((1, 0) if what == "null_record" else (0, 1))
        # With an issue that has no id, all that is below it is unread; of everybody else's, nothing is.
        assert len({told(truth)[key]["thread"] for key in missing}) <= 1
        github.onboard()
        assert_true(github, truth)


def test_further_comments_that_failed_for_good_are_read_by_the_next_check(github: Connected) -> None:
    github.fault("server_error", asked="query Replies\\b")
    run = github.onboard()
    assert run.state is RunState.DELAYED
    assert github.rows("UPDATE integration_streams SET retries = 5 WHERE state = 'error' RETURNING id")
    assert github.resume(run).state is RunState.PROCESSED
    assert live(github).keys() < told(github.truth()).keys()
    assert len(owed(github)) == 1
    github.sandbox.clear_faults()
    assert github.check().state is RunState.PROCESSED
    assert_true(github, github.truth())


WAYS = ["forbidden", "not_found", "untyped", "partial", "403", "404", "empty", "nothing"]


@pytest.mark.parametrize("way", WAYS)
def test_closed_stars_cost_nothing_else_and_are_read_when_they_open(github: Connected, way: str) -> None:
    github.change("close_stars", way=way)
    assert github.onboard().state is RunState.PROCESSED
    truth = github.truth()
    missing = told(truth).keys() - live(github).keys()
    assert {kind for kind, _ in missing} == {"star"}
    starred = {name for name, about in truth.coverage.items() if about["stargazers"]}
    assert owed(github) == {(f"stars of {name}", "stargazers") for name in starred}
    [reason, *_] = github.rows("SELECT DISTINCT reason FROM owed_reads WHERE reason LIKE '%public_repo%'")
    assert "Contents: write beside Metadata: read" in reason["reason"]
    asked(github)
    github.change("star")
    assert github.check().state is RunState.PROCESSED
    assert "Stargazers" not in kinds(asked(github))
    github.change("calm")
    pass_a_day(github)
    assert github.check().state is RunState.PROCESSED
    assert_true(github, github.truth())
    assert owed(github) == set()


@pytest.mark.parametrize("way", ["forbidden", "empty", "nothing"])
def test_stars_that_are_closed_later_stay(onboarded: Connected, way: str) -> None:
    before = live(onboarded).keys()
    [repository] = onboarded.truth().settings["repositories"]
    onboarded.change("close_stars", way=way)
    onboarded.change("star", repository=repository)
    onboarded.change("open_issue", repository=repository)
    assert onboarded.check().state is RunState.PROCESSED
    assert before <= live(onboarded).keys()
    assert owed(onboarded) == {(f"stars of {repository}", "stargazers")}
    assert {kind for kind, _ in told(onboarded.truth()).keys() - live(onboarded).keys()} == {"star"}


def test_the_last_star_taken_back_and_given_again_is_there_again(onboarded: Connected) -> None:
    [repository] = onboarded.truth().settings["repositories"]
    [user] = onboarded.change("star", repository=repository, user="new")["users"]
    onboarded.check()
    onboarded.change("unstar", repository=repository, user=user)
    onboarded.check()
    assert not [key for key in live(onboarded) if key[0] == "star" and key[1].endswith(f":{user}")]
    onboarded.change("star", repository=repository, user=user, after=1)
    onboarded.check()
    assert [key for key in live(onboarded) if key[0] == "star" and key[1].endswith(f":{user}")]
    assert_true(onboarded, onboarded.truth())


@pytest.mark.parametrize("status", [200, 403])
def test_an_address_that_is_not_admitted_keeps_the_run_waiting_and_loses_nothing(
    github: Connected, status: int
) -> None:
    github.change("allow_addresses", status=status, after=5)
    run = github.onboard()
    assert run.state is RunState.DELAYED
    assert github.resume(run).state is RunState.DELAYED
    assert github.value("SELECT onboarded_at IS NULL FROM integrations")
    github.change("calm")
    assert github.resume(run).state is RunState.PROCESSED
    assert_true(github, github.truth())
    assert owed(github) == set()


def test_an_installation_that_is_limited_with_points_left_waits(github: Connected) -> None:
    tokens = len(github.sandbox.credentials("github")["tokens"])
    github.change("secondary_limit", installation=True, count=tokens)
    run = github.onboard()
    assert run.state is RunState.DELAYED
    assert github.resume(run).state is RunState.PROCESSED
    assert_true(github, github.truth())


def test_a_repository_that_is_hidden_in_a_list_is_told_and_read_when_it_is_shown(github: Connected) -> None:
    hidden = "cedar-labs/compiler"
    github.change("hide_in_lists", repository=hidden)
    assert github.onboard().state is RunState.PROCESSED
    true = told(github.truth())
    missing = {true[key]["channel"] for key in true.keys() - live(github).keys()}
    assert {url.removeprefix("https://github.com/") for url in missing} == {hidden}
    assert ("hidden repositories of cedar-labs", "hidden repositories") in owed(github)
    asked(github)
    assert github.check().state is RunState.PROCESSED
    assert kinds(asked(github)).keys() <= {"Owner", "Repository"}
    github.change("calm")
    pass_a_day(github)
    assert github.check().state is RunState.PROCESSED
    assert_true(github, github.truth())
    assert owed(github) == set()


def test_a_repository_that_is_not_listed_any_more_is_owed_and_read_again_later(onboarded: Connected) -> None:
    lost = "cedar-labs/compiler"
    before = live(onboarded).keys()
    onboarded.change("make_private", repository=lost)
    assert onboarded.check().state is RunState.PROCESSED
    assert live(onboarded).keys() == before
    assert owed(onboarded) == {(lost, "not found")}
    onboarded.change("make_public", repository=lost)
    onboarded.change("open_issue", repository=lost)
    pass_a_day(onboarded)
    assert onboarded.check().state is RunState.PROCESSED
    assert_true(onboarded, onboarded.truth())
    assert owed(onboarded) == set()


@pytest.mark.parametrize("field", ["Repository.issues", "Repository.stargazers", "Issue.comments", "User.repositories"])
@pytest.mark.parametrize("way", ["no_cursor", "short", "empty", "null"])
def test_an_answer_that_contradicts_itself_once_leaves_the_truth(github: Connected, field: str, way: str) -> None:
    field = field.replace("User.", "Organization.")
    github.change("contradict", field=field, way=way, count=1)
    run = github.onboard()
    if run.state is RunState.DELAYED:
        run = github.resume(run)
    assert run.state is RunState.PROCESSED
    pass_a_day(github)
    assert github.check().state is RunState.PROCESSED
    assert_true(github, github.truth())
    assert owed(github) == set()


def test_a_list_that_goes_on_contradicting_itself_is_owed_in_the_end(github: Connected) -> None:
    github.change("contradict", field="Repository.issues", way="short")
    run = github.onboard()
    assert run.state is RunState.DELAYED
    assert github.rows("UPDATE integration_streams SET retries = 5 WHERE state = 'error' RETURNING id")
    assert github.resume(run).state is RunState.PROCESSED
    assert {label for label, _ in owed(github)} == {f"issues of {name}" for name in github.truth().coverage}
    github.change("calm")
    assert github.check().state is RunState.PROCESSED
    assert_true(github, github.truth())
    assert owed(github) == set()


def test_a_transferred_issue_is_there_once(onboarded: Connected) -> None:
    node = onboarded.truth().cases["often_closed"]
    [moved] = onboarded.change("transfer_issue", item=node, repository="cedar-labs/empty")["ids"]
    onboarded.check()
    stored = live(onboarded)
    assert ("issues-opened", moved) in stored
    assert not [key for key, row in stored.items() if row["thread"] == node]
    assert_true(onboarded, onboarded.truth())


@pytest.mark.parametrize("stays", [True, False])
def test_an_issue_that_is_made_a_discussion_is_there_once(onboarded: Connected, stays: bool) -> None:
    node = onboarded.truth().cases["often_closed"]
    [made] = onboarded.change("convert_issue", item=node, stays=stays)["ids"]
    for _ in range(2):
        onboarded.check()
        stored = live(onboarded)
        assert ("discussion-started", made) in stored
        assert not [key for key, row in stored.items() if row["thread"] == node]
    assert_true(onboarded, onboarded.truth())


def test_an_old_review_that_is_dismissed_or_edited_is_seen_below_many_events(onboarded: Connected) -> None:
    pull = onboarded.truth().cases["long_pull_request"]
    reviews = [onboarded.change("review", pull_request=pull, state="APPROVED")["ids"][0] for _ in range(2)]
    onboarded.sandbox.change("github", [{"do": "assign", "item": pull, "times": 40}])
    onboarded.check()
    onboarded.change("dismiss_review", review=reviews[0])
    onboarded.change("edit", node=reviews[1], body="Better")
    onboarded.check()
    stored = live(onboarded)
    assert stored["pull_request-reviewed", reviews[0]]["attributes"] == {"reviewState": "dismissed"}
    assert stored["pull_request-reviewed", reviews[1]]["body"] == "Better"
    assert_true(onboarded, onboarded.truth())
    assert onboarded.value("SELECT state -> 'uncollected' FROM integrations") == {"message of a dismissed review": 1}


def test_an_onboarding_puts_right_what_former_versions_stored(onboarded: Connected) -> None:
    older = """UPDATE activities SET attributes = attributes || '{"state": "open"}' WHERE title IS NULL RETURNING id"""
    assert onboarded.rows(older)
    onboarded.onboard()
    assert_true(onboarded, onboarded.truth())


def test_somebody_without_a_name_has_that_of_the_login_they_use(onboarded: Connected) -> None:
    member = next(one for one in onboarded.truth().members if not one["display_name"])
    onboarded.change("rename_user", user=int(member["source_id"]), login="another-login")
    onboarded.change("comment", author=int(member["source_id"]))
    onboarded.check()
    assert people(onboarded)[member["source_id"]]["display_name"] in (None, "another-login")
