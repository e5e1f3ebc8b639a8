"""Every refusal of X ends in what has to happen next."""

from typing import Any

import pytest

from crowd_pipelines.apis.x.refusals import InvalidParameters
from crowd_pipelines.http import CredentialsRejected, Gone, Refused, Retryable, UnexpectedPayload
from crowd_pipelines_tests.http.scripted_server import answer
from crowd_pipelines_tests.integrations.twitter.scripted import (
    FOLLOWERS,
    HASHTAG,
    MENTIONS,
    USER,
    ScriptedX,
    activities,
    invalid,
    payload,
    problem,
)

NOTHING: dict[str, Any] = {"meta": {"result_count": 0}}


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_what_time_may_heal_is_tried_three_times(scripted: ScriptedX, status: int) -> None:
    with pytest.raises(Retryable):
        scripted.read(MENTIONS, problem(status))
    assert len(scripted.server.seen) == 3


def test_a_refused_token_is_renewed_once_and_then_told(scripted: ScriptedX) -> None:
    scripted.plays("token", answer(200, {"access_token": "made-up-second", "refresh_token": "made-up-next"}))
    with pytest.raises(CredentialsRejected, match="Authorise the app again"):
        scripted.read(MENTIONS, problem(401))
    assert [seen.path.partition("?")[0] for seen in scripted.server.seen] == [
        f"/2/users/{USER}/mentions", "/2/oauth2/token", f"/2/users/{USER}/mentions",
    ]  # fmt: skip


@pytest.mark.parametrize("stream", [HASHTAG, MENTIONS], ids=lambda stream: stream.kind)
def test_a_beginning_that_lies_too_far_back_is_dropped_once(scripted: ScriptedX, stream: Any) -> None:
    late = stream.model_copy(update={"since_id": "1600000000000000000", "token": "t", "page": 2})
    result = scripted.read(late, invalid("since_id"), payload("mentions"))
    assert len(activities(result)) == 3
    first, second = scripted.asked()
    assert first["since_id"] == "1600000000000000000"
    assert not {"since_id", "next_token", "pagination_token"} & second.keys()
    assert result.next_page is not None
    assert (result.next_page.parameters["since_id"], result.next_page.parameters["page"]) == (None, 2)


@pytest.mark.parametrize("stream", [HASHTAG, MENTIONS], ids=lambda stream: stream.kind)
@pytest.mark.parametrize("parameter", ["since_id", "start_time"])
def test_without_a_beginning_there_is_nothing_more_to_drop(scripted: ScriptedX, stream: Any, parameter: str) -> None:
    with pytest.raises(InvalidParameters):
        scripted.read(stream, invalid(parameter))
    assert len(scripted.server.seen) == 1


def test_a_hashtag_that_x_does_not_search_for_is_told(scripted: ScriptedX) -> None:
    with pytest.raises(Gone, match=r"X does not search for #gates.*Take it out of the settings"):
        scripted.read(HASHTAG, invalid("query"))
    assert len(scripted.server.seen) == 1


def test_any_other_bad_request_is_evidence(scripted: ScriptedX) -> None:
    with pytest.raises(UnexpectedPayload, match="max_results") as refused:
        scripted.read(MENTIONS, invalid("max_results"))
    assert "is odd" in refused.value.evidence
    assert len(scripted.server.seen) == 1


@pytest.mark.parametrize("body", [{}, {"hello": []}, [], None, "text"])
def test_an_answer_that_is_not_x_s_envelope_comes_due_again(scripted: ScriptedX, body: Any) -> None:
    with pytest.raises(Refused):
        scripted.read(MENTIONS, answer(200, body))


def test_an_envelope_with_another_shape_of_data_is_evidence(scripted: ScriptedX) -> None:
    with pytest.raises(UnexpectedPayload):
        scripted.read(MENTIONS, answer(200, {"data": {"id": "1"}}))


@pytest.mark.parametrize("more", [{}, {"data": None}, {"data": []}, {"data": None, "includes": None, "errors": None}])
@pytest.mark.parametrize("stream", [FOLLOWERS, MENTIONS, HASHTAG], ids=lambda stream: stream.kind)
def test_nothing_found_is_nothing_and_no_mistake(scripted: ScriptedX, stream: Any, more: dict[str, Any]) -> None:
    result = scripted.read(stream, {**NOTHING, **more}, count=0)
    assert (result.skipped, activities(result), result.rejected, result.next_page) == (None, [], (), None)
