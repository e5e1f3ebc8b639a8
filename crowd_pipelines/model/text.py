"""The one sanitizer between providers and PostgreSQL."""

import hashlib
import html as markup
import re
from typing import Any

import nh3

MAX_TEXT = 1_000_000
"""Characters kept of one text; a longer one is cut, since a single record must not fill a page's memory."""

MAX_TAGS = 20_000
"""Tags of one text that are parsed: the time that takes may grow with their square."""

MAX_KEY = 500
"""Characters of a text that records are found by: more than any provider's id has, less than an index's row takes."""

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_HTML = nh3.Cleaner()


def clean_text(text: str) -> str:
    """Return `text` as PostgreSQL can store it: no NUL, no lone surrogate, at most `MAX_TEXT` characters."""
    if len(text) > MAX_TEXT:
        text = text[:MAX_TEXT]
    return text if text.isascii() and "\x00" not in text else _UNSTORABLE.sub(_REPLACEMENT, text)


def clean_key(text: str) -> str:
    """Return a text as PostgreSQL can store and index it; one that is too long ends in its hash, and stays itself."""
    if len(text) <= MAX_KEY:
        return clean_text(text)
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{clean_text(text[: MAX_KEY - len(digest) - 1])}~{digest}"


def clean_html(html: str) -> str:
    """Return markup that is safe to show: no scripts, styles or event handlers, whoever wrote it.

    Of a text with more than `MAX_TAGS` tags the source is shown.
    """
    text = clean_text(html)
    return _HTML.clean(text) if text.count("<") <= MAX_TAGS else markup.escape(text)


def clean_json(value: Any) -> Any:
    """Return a JSON value with every text in it, keys included, made storable."""
    match value:
        case str():
            return clean_text(value)
        case dict():
            return {clean_text(str(key)): clean_json(item) for key, item in value.items()}
        case list() | tuple():
            return [clean_json(item) for item in value]
        case _:
            return value
