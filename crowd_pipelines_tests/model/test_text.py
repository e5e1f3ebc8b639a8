"""What providers write becomes what PostgreSQL stores and a page may show; impossible moments are refused."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crowd_pipelines.model.moments import in_utc
from crowd_pipelines.model.text import MAX_TAGS, MAX_TEXT, clean_html, clean_json, clean_text

HARMFUL = ("<script", "onerror", "javascript:", "onload", "<iframe", "<style", "onclick", "\x00")
SURROGATES = st.characters(categories=["Cs"])
TEXTS = st.text(st.characters() | SURROGATES | st.just("\x00"))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
)


@given(TEXTS)
def test_any_text_becomes_storable_and_a_storable_one_stays(text: str) -> None:
    clean = clean_text(text)
    assert "\x00" not in clean
    assert clean.encode().decode() == clean
    assert clean_text(clean) == clean
    assert len(clean) == len(text)


def test_a_text_is_cut_before_it_fills_the_memory() -> None:
    assert clean_text("x" * (MAX_TEXT + 5)) == "x" * MAX_TEXT


@given(VALUES)
def test_any_json_becomes_storable(value: Any) -> None:
    clean = clean_json(value)
    assert "\\u0000" not in json.dumps(clean).replace("\\\\", "")
    assert json.dumps(clean, ensure_ascii=False).encode()
    assert clean_json(clean) == clean


@pytest.mark.parametrize(
    "markup",
    [
        "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "<a href='javascript:alert(1)'>x</a>",
        "<svg/onload=alert(1)>", "<iframe src=//evil.example></iframe>", "<style>*{display:none}</style>",
        "<p onclick=alert(1)>x", "<b><i>not closed", "<math><mi xlink:href='data:x,<script>alert(1)</script>'>",
    ],
)  # fmt: skip
def test_markup_is_harmless_whoever_wrote_it(markup: str) -> None:
    clean = clean_html(f"<p>kept</p>{markup}\x00\ud800")
    assert clean.startswith("<p>kept</p>")
    assert [bad for bad in HARMFUL if bad in clean] == []


def test_usual_markup_stays_as_it_is() -> None:
    markup = (
        '<p>a &lt; b <code>x</code> <a href="https://example.com/?a=1&amp;b=2" rel="noopener noreferrer">y</a> 🎉</p>'
    )
    assert clean_html(markup) == markup


def test_markup_made_to_be_slow_is_shown_and_not_parsed() -> None:
    clean = clean_html("<div>" * (MAX_TAGS + 1))
    assert "<" not in clean
    assert clean.startswith("&lt;div&gt;")


@pytest.mark.parametrize("year", [1, 1969, 1989, 9999])
def test_moments_at_which_nothing_can_have_happened_are_refused(year: int) -> None:
    with pytest.raises(ValueError, match="not a moment"):
        in_utc(datetime(year, 12, 31, 23, 59, tzinfo=UTC))


def test_a_moment_without_a_zone_is_in_utc_and_others_are_converted() -> None:
    assert in_utc(datetime(2024, 5, 1, 12)) == datetime(2024, 5, 1, 12, tzinfo=UTC)  # noqa: DTZ001  the point
    there = in_utc(datetime(2024, 5, 1, 12, tzinfo=timezone(timedelta(hours=2))))
    assert (there.hour, there.tzinfo) == (10, UTC)
