"""Takes secrets out of text that will be stored, logged or shown: by their shape, and those in use by their value."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import SecretStr

from crowd_pipelines.model.secrets import MASK, Secret, masked, revealed

MAX_TEXT_BYTES = 8192

# Only so much is searched; what lies beyond could not survive the cut anyway.
_SEARCHED = 64_000
# A secret that the end of the searched part cuts in two would no longer be recognised, so that end is dropped.
_MARGIN = 4096
_SHORTEST_TOKEN = 12

_TELLTALE = r"(?:token|secret|passw(?:or)?d|passphrase|api[_-]?key|access[_-]?key|private[_-]?key|signature|cookie)"
_TOKENS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,30}-----|\Z)", re.DOTALL), MASK),
    (re.compile(r"(?<=://)[^/\s@\"']{1,500}@"), f"{MASK}@"),
    (re.compile(r"\bgh[a-z]_\w{8,}|\bgithub_pat_\w{8,}|\bglpat-[\w-]{8,}"), MASK),
    (re.compile(r"\bxox[a-z]{1,2}[.-][\w.-]{6,}|\bxapp-[\w-]{6,}"), MASK),
    (re.compile(r"\beyJ[\w-]{4,}\.[\w-]{4,}(?:\.[\w-]*)?"), MASK),
    (re.compile(r"\b[\w-]{23,28}\.[\w-]{6,7}\.[\w-]{27,}"), MASK),
)
"""What is a secret wherever it stands."""

_NAMED: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\b(Bearer|Basic)[ +]+[\w.~+/=-]{6,}", re.IGNORECASE), rf"\1 {MASK}"),
    # "Bot" is an English word: what follows counts as a token only with a digit or a dot in it.
    (re.compile(r"\b(Bot)\s+(?=[A-Za-z_-]{0,80}[\d.])[\w.-]{8,}"), rf"\1 {MASK}"),
    (re.compile(r"(\bauthorization[\"']?\s{0,3}[:=]\s{0,3}[\"']?)[^\r\n\"',&}]+", re.IGNORECASE), rf"\1{MASK}"),
    (
        re.compile(
            rf"((?<![\w-])(?:[\w-]{{0,40}}?{_TELLTALE}[\w-]{{0,10}})[\"']?\s{{0,3}}[:=]\s{{0,3}})"
            r"(?:\"(?:[^\"\\]|\\.)+\"?|'[^']+'?|[^\s&\"',}\]\[{]+)",
            re.IGNORECASE,
        ),
        rf"\1{MASK}",
    ),
    (re.compile(r"([?&](?:key|sig|code)=)[^\s&\"']+"), rf"\1{MASK}"),
)
"""What is one by the words before it."""

_SECRET_FIELD = re.compile(r"authorization|cookie|token|secret|passw|(?:^|[_-])key$|^code$", re.IGNORECASE)


def cut(text: str) -> str:
    """The text as valid UTF-8 without NUL, at most 8 kB of it (PostgreSQL stores neither NUL nor surrogates)."""
    clean = text[: MAX_TEXT_BYTES + 1].replace("\x00", "\N{REPLACEMENT CHARACTER}")
    return clean.encode("utf-8", "replace")[:MAX_TEXT_BYTES].decode("utf-8", "ignore")


def redact(text: str, secrets: Iterable[str | SecretStr] = ()) -> str:
    """The text without secrets (given ones, those in use, anything shaped like a token), at most 8 kB of it."""
    return cut(without_secrets(text, secrets))


def without_secrets(text: str, secrets: Iterable[str | SecretStr] = ()) -> str:
    """The text as `redact` has it, but not cut to 8 kB: of more than 64,000 characters, beginning and end are left."""
    if len(text) > _SEARCHED:
        half = _SEARCHED // 2
        begins, ends = (_searched(part, secrets) for part in (text[:half], text[-half:]))
        return f"{begins[:-_MARGIN]} [...] {ends[_MARGIN:]}"
    return _searched(text, secrets)


def secret_fields(value: Any, *, given: Sequence[Secret] = (), path: str = "") -> list[str]:
    """The places in JSON (as `a.b`) whose texts hold one of the given secrets, or what is shaped like a credential."""
    match value:
        case str():
            return [path] if _holds_secret(value, given) else []
        case Mapping():
            places = ((f"{path}.{name}".strip("."), inner) for name, inner in value.items())
            return [found for place, inner in places for found in secret_fields(inner, given=given, path=place)]
        case list() | tuple():
            return list(
                dict.fromkeys(found for inner in value for found in secret_fields(inner, given=given, path=path))
            )
        case _:
            return []


def names_secret(name: str) -> bool:
    """Whether a field of this name carries a credential."""
    return bool(_SECRET_FIELD.search(name))


def secret_values(fields: Iterable[tuple[str, str | SecretStr]]) -> tuple[Secret, ...]:
    """The values of headers or form fields that carry credentials, and the token after a scheme such as Bearer."""
    values = [revealed(value) for name, value in fields if names_secret(name) or isinstance(value, SecretStr)]
    texts = [value if isinstance(value, str) else bytes(value).decode("latin-1") for value in values]
    return tuple(Secret(text) for text in (*texts, *(text.split(None, 1)[-1] for text in texts if text.strip())))


def _holds_secret(text: str, given: Sequence[Secret]) -> bool:
    shaped = any(pattern.search(text[:_SEARCHED]) for pattern, _ in _TOKENS)
    # A short one may stand in a name by chance.
    return shaped or any(len(secret) >= _SHORTEST_TOKEN and secret.get_secret_value() in text for secret in given)


def _searched(text: str, secrets: Iterable[str | SecretStr]) -> str:
    found = masked(text, secrets)
    for pattern, replacement in (*_TOKENS, *_NAMED):
        found = pattern.sub(replacement, found)
    return found
