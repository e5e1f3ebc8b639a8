import pytest
from hypothesis import given
from hypothesis import strategies as st

from crowd_pipelines.http import redact
from crowd_pipelines.http.redaction import MAX_TEXT_BYTES, secret_fields, secret_values, without_secrets
from crowd_pipelines.model.secrets import Secret, revealed

CANARY = "c4n4ryValue0123456789"


@pytest.mark.parametrize(
    "text",
    [
        f"ghp_{CANARY}",
        f"ghs_{CANARY} tail",
        f"github_pat_{CANARY}",
        f"glpat-{CANARY}",
        f"xoxb-123-{CANARY}",
        f"xoxe.xoxp-1-{CANARY}",
        f"Authorization: Bot MTk4.{CANARY}.x-y",
        f"bearer {CANARY}",
        f"Authorization: token {CANARY}",
        f"{{'Authorization': 'Basic {CANARY}'}}",
        f"eyJhbGciOi.{CANARY}.{CANARY}",
        f"https://x.test/a?api_key={CANARY}&page=2",
        f"https://x.test/a?page=2&key={CANARY}",
        f"https://x.test/a?client_secret={CANARY}",
        f"https://user:{CANARY}@x.test/",
        f"postgresql://{CANARY}@x.test/",
        f'{{"access_token": "{CANARY}", "expires_in": 7200}}',
        f'{{"refresh_token":"{CANARY}',
        f'{{"password": "a\\"{CANARY}"}}',
        f"password={CANARY}",
        f"-----BEGIN RSA PRIVATE KEY-----\n{CANARY}\n-----END RSA PRIVATE KEY-----",
        f"-----BEGIN PRIVATE KEY-----\n{CANARY}",
    ],
)
def test_what_is_shaped_like_a_token_goes(text: str) -> None:
    assert CANARY not in redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "GET dev.to/api/articles answered 404 Not Found.",
        '{"code": 50001, "message": "Missing Access"}',
        "Bot permissions are missing",
        "https://dev.to/api/articles?page=2&per_page=1000",
        "2026-03-01 12:00:00 UTC",
    ],
)
def test_other_text_stays(text: str) -> None:
    assert redact(text) == text


def test_given_secrets_go_in_every_form() -> None:
    secret = "s3cr3t/with space+plus"
    text = f"{secret} and s3cr3t%2Fwith%20space%2Bplus and s3cr3t/with%20space%2Bplus and s3cr3t%2Fwith+space%2Bplus"
    assert redact(text, [secret, "", "and"]) == "*** and *** and *** and ***"


def test_a_secret_within_a_secret_leaves_nothing_behind() -> None:
    assert redact("abcdefgh", ["abcd", "abcdefgh"]) == "***"


def test_the_text_is_cut_and_can_be_stored() -> None:
    result = redact("é\x00\ud800" * 10_000)
    assert len(result.encode()) <= MAX_TEXT_BYTES
    assert "\x00" not in result


def test_a_secret_at_the_cut_does_not_survive_in_part() -> None:
    text = f'"token": "{"a" * 60_000}"' + "b" * 3_980 + CANARY
    assert len(text.partition(CANARY)[0]) < 64_000 < len(text)
    assert "c4n4" not in redact(text, [CANARY])


@given(st.text(max_size=500), st.lists(st.text(max_size=10), max_size=3))
def test_any_text_can_be_redacted(text: str, secrets: list[str]) -> None:
    redact(text, secrets).encode()


@pytest.mark.parametrize("text", ["a-" * 40_000, "token" * 16_000, '"' * 60_000, "://" + "a" * 60_000, "Bot a" * 9000])
def test_long_text_is_redacted_without_backtracking_forever(text: str) -> None:
    assert len(redact(text)) <= MAX_TEXT_BYTES


def test_secret_fields_are_recognised_by_name() -> None:
    secret = [("Authorization", "Bearer abc"), ("api-key", "k"), ("PRIVATE-TOKEN", "t"), ("Cookie", "")]
    fields = [*secret, ("Accept", "json"), ("grant_type", "refresh_token")]
    assert {revealed(value) for value in secret_values(fields)} == {"Bearer abc", "abc", "k", "t", ""}


def test_settings_that_hold_a_credential_are_found_by_their_place() -> None:
    token = "_".join(["ghp", CANARY])
    settings = {"users": ["ben", token], "organizations": [], "more": {"url": f"https://a:{CANARY}@x.test"}, "n": 5}
    assert secret_fields(settings) == ["users", "more.url"]


@pytest.mark.parametrize(
    "text", ["acme", "https://acme.test/forum", "#general", "C024BE91L", "octo/app", "123456789012345678"]
)
def test_usual_settings_are_no_credentials(text: str) -> None:
    assert secret_fields({"name": text}) == []


def test_what_a_secret_holds_is_masked_without_being_told() -> None:
    Secret("the value of a secret, 1")
    assert redact("it is the value of a secret, 1, or dGhlIHZhbHVlIG9mIGEgc2VjcmV0LCAx") == "it is ***, or ***"


def test_the_password_in_an_address_is_one() -> None:
    Secret("postgresql://crowd:s3same%2Fopen@db.test/crowd")
    assert redact("FATAL: s3same/open and s3same%2Fopen") == "FATAL: *** and ***"


def test_short_values_and_mere_words_are_not_masked_everywhere() -> None:
    for value in ("1234567", "postgres", "changeme"):
        Secret(value)
    assert redact("postgres said changeme 1234567 times") == "postgres said changeme 1234567 times"


def test_of_a_long_text_beginning_and_end_are_left() -> None:
    text = without_secrets("begin " + "x" * 100_000 + " end")
    assert (text[:6], text[-4:]) == ("begin ", " end")
    assert len(text) < 64_000
