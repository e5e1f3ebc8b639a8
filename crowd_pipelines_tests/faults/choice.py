"""Which cases of the matrix run with all tests: of each chosen fault one, the platforms taking turns."""

from collections.abc import Collection, Sequence
from typing import Any

import pytest

from crowd_pipelines_tests.faults import places

PLATFORMS = tuple(places.OF)


def on_every_platform(
    cases: Sequence[Any], *, quick: Collection[str], platforms: Sequence[str] = PLATFORMS
) -> pytest.MarkDecorator:
    """Every platform with every case; those named in `quick` on one platform each time, the rest for `--all-faults`."""
    chosen = [case for case in cases if str(case) in quick]
    assert len(chosen) == len(quick), f"no such cases: {set(quick) - {str(case) for case in cases}}"
    turn = {str(case): platforms[number % len(platforms)] for number, case in enumerate(chosen)}
    return pytest.mark.parametrize(
        ("platform", "case"),
        [
            pytest.param(
                platform,
                case,
                id=f"{platform}-{case}",
                marks=() if turn.get(str(case)) == platform else pytest.mark.rest_of_the_matrix,
            )
            for platform in platforms
            for case in cases
        ],
    )
