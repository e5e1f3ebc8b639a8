"""Which mapped steps a Dagster run has."""

import re
from collections.abc import Sequence
from uuid import UUID, uuid4

import pytest

from crowd_pipelines.defs.fanout import MAX_CHECK_STEPS, MAX_ONBOARDING_STEPS, groups
from crowd_pipelines.store.runs import RunRecord
from crowd_pipelines.store.streams import Root
from crowd_pipelines_tests.defs.records import root, run


def onboarding_of(*labels: str) -> tuple[list[RunRecord], list[Root]]:
    one = run(onboarding=True)
    return [one], [root(one, label=label) for label in labels]


def ids(found: Sequence[Root]) -> list[UUID]:
    return [one.root_id for one in found]


def test_an_onboarding_has_a_readable_step_per_root() -> None:
    runs, planned = onboarding_of("channel #general", "articles of user ben")
    assert [(group.key, group.roots) for group in groups(runs, planned)] == [
        ("channel_general", (planned[0].root_id,)),
        ("articles_of_user_ben", (planned[1].root_id,)),
    ]


@pytest.mark.parametrize("count", [1, 24, 25, 26, 49, 50, 51, 1000])
def test_no_root_is_left_out_or_worked_for_twice_however_many_there_are(count: int) -> None:
    runs, planned = onboarding_of(*(f"channel {number}" for number in range(count)))
    found = groups(runs, planned)
    assert [root_id for group in found for root_id in group.roots] == ids(planned)
    assert len(found) <= MAX_ONBOARDING_STEPS
    assert (len(found) == count) == (count <= MAX_ONBOARDING_STEPS)
    assert len({group.key for group in found}) == len(found)


def test_a_group_is_named_after_its_first_root() -> None:
    runs, planned = onboarding_of(*(f"channel {number}" for number in range(50)))
    assert groups(runs, planned)[0].key == "channel_0_and_1_more"


def test_keys_are_what_dagster_accepts_and_never_the_same() -> None:
    runs, planned = onboarding_of("日本語", "…", "a b", "a-b", "a_b", "x" * 300, "x" * 301)
    keys = [group.key for group in groups(runs, planned)]
    assert keys == ["root", "root_2", "a_b", "a_b_2", "a_b_3", "x" * 60, "x" * 60 + "_2"]
    assert all(re.fullmatch(r"[A-Za-z0-9_]+", key) for key in keys)


def test_a_key_never_meets_one_that_was_numbered() -> None:
    runs, planned = onboarding_of("a", "a", "a_2", "a 2")
    assert len({group.key for group in groups(runs, planned)}) == 4


def test_checks_have_a_step_per_integration_or_few_for_many() -> None:
    few = [run(onboarding=False, integration_key=f"town-{number}") for number in range(2)]
    many = [run(onboarding=False, integration_key=f"town-{number}") for number in range(50)]
    two_roots_each = [root(one, label=label) for one in few for label in "ab"]
    assert sorted(group.key for group in groups(few, two_roots_each)) == ["town_0", "town_1"]
    assert sorted(len(group.roots) for group in groups(few, two_roots_each)) == [2, 2]
    found = groups(many, [root(one, label="a") for one in many])
    assert len(found) == MAX_CHECK_STEPS
    assert sum(len(group.roots) for group in found) == 50


def test_without_roots_there_is_no_step() -> None:
    assert groups([run(onboarding=True)], []) == []
    assert groups([run(onboarding=False)], []) == []
    assert groups([], []) == []


def test_the_order_in_which_checks_were_read_does_not_matter() -> None:
    runs = [run(onboarding=False, integration_key=str(uuid4())) for _ in range(7)]
    planned = [root(one, label="a") for one in runs]
    assert groups(runs, planned) == groups(runs[::-1], planned[::-1])
