"""What reads other people's text, without a platform around it: any text gives a value or the error that is named."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from crowd_pipelines.cli.connecting import _json_object
from crowd_pipelines.cli.console import CommandError
from crowd_pipelines.framework.clients import ConfigurationInvalid, parse_credentials, parse_settings
from crowd_pipelines.http.payload import decode
from crowd_pipelines.http.waits import LONGEST_WAIT, SHORTEST_WAIT, WAIT_HEADERS, quota, refused_until, wait_until
from crowd_pipelines.integrations import registry
from crowd_pipelines.model.moments import Moment
from crowd_pipelines.model.text import MAX_TEXT, clean_html, clean_json, clean_text
from crowd_pipelines.store.database import encode
from crowd_pipelines_tests.poison import MOMENTS, TEXTS, UNRELATED, VALUES, written

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
REGISTRY = registry()
HEADERS = st.dictionaries(
    st.sampled_from(
        [row.name for row in WAIT_HEADERS]
        + [f"{prefix}{what}" for prefix in ("x-ratelimit-", "ratelimit-") for what in ("remaining", "limit", "reset")]
    ),
    st.sampled_from(tuple(map(str, (*TEXTS, *MOMENTS)))) | st.integers().map(str) | st.text(max_size=20),
)


def in_bounds(moment: datetime | None) -> bool:
    return moment is None or SHORTEST_WAIT <= moment - NOW <= LONGEST_WAIT


@given(HEADERS, UNRELATED | st.fixed_dictionaries({"retry_after": UNRELATED, "error_message": UNRELATED}))
def test_a_wait_is_a_day_at_most_whatever_is_told(headers: dict[str, str], body: Any) -> None:
    assert in_bounds(refused_until(headers, body, now=NOW))
    told = quota(headers, now=NOW)
    assert told is None or (told.remaining >= 0 and in_bounds(told.resets_at))


@given(UNRELATED)
def test_a_moment_to_come_back_is_one_or_none(value: Any) -> None:
    assert in_bounds(wait_until(value, now=NOW))


@given(UNRELATED | st.sampled_from(MOMENTS) | st.datetimes().map(datetime.isoformat))
def test_a_moment_of_a_record_is_in_the_past_or_none(value: Any) -> None:
    with suppress(ValidationError):
        found = TypeAdapter(Moment).validate_python(value)
        assert datetime(1990, 1, 1, tzinfo=UTC) <= found <= datetime.now(UTC) + timedelta(days=3)


@given(VALUES, st.sampled_from(("application/json", "text/html", "", "application/vnd.x+json; a=b")))
def test_a_body_is_json_or_has_a_defect(value: Any, content_type: str) -> None:
    body = written(value)
    for cut in (len(body), len(body) // 2, 1):
        decoded = decode(body[:cut], content_type=content_type)
        assert decoded.value is None or encode([{"value": clean_json(decoded.value)}])


@given(st.binary(max_size=200), st.sampled_from(("application/json", "text/plain")))
def test_bytes_are_json_or_have_a_defect(body: bytes, content_type: str) -> None:
    decode(body, content_type=content_type)


@given(st.sampled_from(TEXTS) | st.text(max_size=50))
def test_a_text_is_storable_and_its_markup_harmless(text: str) -> None:
    for clean in (clean_text(text), clean_html(text)):
        assert b"\x00" not in clean.encode()
    assert len(clean_text(text)) <= MAX_TEXT
    assert "<script" not in clean_html(text).lower()


@pytest.mark.parametrize("platform", REGISTRY)
@given(st.data())
def test_settings_and_credentials_are_typed_or_refused(platform: str, data: st.DataObject) -> None:
    integration = REGISTRY[platform]
    for wanted, parse in (
        (integration.settings_type, parse_settings),
        (integration.credentials_type, parse_credentials),
    ):
        names = st.sampled_from((*wanted.model_fields, "unknown"))
        given_ = data.draw(st.dictionaries(names, UNRELATED, max_size=4))
        with suppress(ConfigurationInvalid):
            assert isinstance(parse(integration, given_), wanted)


@given(VALUES)
def test_json_on_the_command_line_is_an_object_or_refused(value: Any) -> None:
    with suppress(CommandError):
        assert isinstance(_json_object(written(value).decode(), "--settings"), dict)
