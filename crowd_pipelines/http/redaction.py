"""Takes secrets out of text that will be stored, logged or shown."""

import logging
import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

MASK = "***"
MAX_TEXT_BYTES = 8192

# Only so much is searched; what lies beyond could not survive the cut anyway.
_SEARCHED = 64_000
# A secret that the end of the searched part cuts in two would no longer be recognised, so that end is dropped.
_MARGIN = 4096
# Masking every "a" of a text would hide the text, and so short a value protects nothing.
_SHORTEST_SECRET = 4

_TELLTALE = r"(?:token|secret|passw(?:or)?d|passphrase|api[_-]?key|access[_-]?key|private[_-]?key|signature|cookie)"
_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,30}-----|\Z)", re.DOTALL), MASK),
    (re.compile(r"(?<=://)[^/\s@\"']{1,500}@"), f"{MASK}@"),
    (re.compile(r"\bgh[a-z]_\w{8,}|\bgithub_pat_\w{8,}|\bglpat-[\w-]{8,}"), MASK),
    (re.compile(r"\bxox[a-z]{1,2}[.-][\w.-]{6,}|\bxapp-[\w-]{6,}"), MASK),
    (re.compile(r"\beyJ[\w-]{4,}\.[\w-]{4,}(?:\.[\w-]*)?"), MASK),
    (re.compile(r"\b[\w-]{23,28}\.[\w-]{6,7}\.[\w-]{27,}"), MASK),
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
_SECRET_FIELD = re.compile(r"authorization|cookie|token|secret|passw|(?:^|[_-])key$|^code$", re.IGNORECASE)


def cut(text: str) -> str:
    """The text as valid UTF-8 without NUL, at most 8 kB of it (PostgreSQL stores neither NUL nor surrogates)."""
    clean = text[: MAX_TEXT_BYTES + 1].replace("\x00", "\N{REPLACEMENT CHARACTER}")
    return clean.encode("utf-8", "replace")[:MAX_TEXT_BYTES].decode("utf-8", "ignore")


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """The text without the given secrets and without anything shaped like a token, at most 8 kB of it."""
    searched = text[:_SEARCHED]
    for form in _forms(secrets):
        searched = searched.replace(form, MASK)
    for pattern, replacement in _PATTERNS:
        searched = pattern.sub(replacement, searched)
    if len(text) > _SEARCHED:
        searched = searched[:-_MARGIN]
    return cut(searched)


def secret_values(fields: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """The values of headers or form fields that carry credentials, and the token after a scheme such as Bearer."""
    values = [value for name, value in fields if _SECRET_FIELD.search(name)]
    return (*values, *(value.split(None, 1)[-1] for value in values if value.strip()))


class RedactingFilter(logging.Filter):
    """Redacts every record that passes; belongs on handlers, which see the records of all loggers."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__()
        self._secrets = tuple(secrets)
        self._formatter = logging.Formatter()

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record's message and traceback in place; never drops a record."""
        record.msg, record.args = redact(_message(record), self._secrets), ()
        if record.exc_info and not record.exc_text:
            record.exc_text = self._formatter.formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = redact(record.exc_text, self._secrets)
            # A handler that formats the exception anew would print what was just removed.
            record.exc_info = None
        return True


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError):
        return f"{record.msg} {record.args}"


def _forms(secrets: Iterable[str]) -> list[str]:
    """Each secret as it is and as it looks inside a URL; longest first, since one may contain another."""
    known = {secret for secret in secrets if len(secret) >= _SHORTEST_SECRET}
    forms = known | {quote(s, safe="") for s in known} | {quote(s) for s in known} | {quote_plus(s) for s in known}
    return sorted(forms, key=len, reverse=True)
