"""Secrets: texts that do not show, and what they look like inside other texts."""

import base64
import json
import threading
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, NoReturn, Self
from urllib.parse import quote, quote_plus, unquote, urlsplit

from pydantic import SecretStr

MASK = "***"

_REMEMBERED = 10_000
# Masking every "crowd" of a text would hide the text, and so short a value, or a mere word, protects nothing.
_SHORTEST = 8
_SHORTEST_GIVEN = 4
_LONGEST_WORD = 16
_SHORTEST_LINE = 16


class Secret(SecretStr):
    """A text that shows nowhere by itself, and that is masked in all that this process redacts.

    `get_secret_value()` gives it out: at the socket, to be sealed, to open a database. It cannot be pickled.
    """

    def __init__(self, secret_value: str) -> None:
        super().__init__(secret_value)
        _known.add(secret_value)

    @classmethod
    def unmasked(cls, text: str) -> Self:
        """Return a secret that shows nowhere by itself, but is not looked for in other texts."""
        secret = cls.__new__(cls)
        SecretStr.__init__(secret, text)
        return secret

    def after(self, prefix: str) -> "Secret":
        """Return the secret behind a word such as `Bearer `, as headers want it."""
        return Secret(prefix + self.get_secret_value())

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a secret is not pickled: a pickle would show it; pass on where it is kept instead")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self


def hidden(value: Any) -> Any:
    """Return JSON with a secret in place of every text; names of keys stay.

    Not all of them need be secret (an app's id, an address): masked elsewhere are those that a model declares so.
    """
    match value:
        case str():
            return Secret.unmasked(value)
        case Mapping():
            return {name: hidden(inner) for name, inner in value.items()}
        case list() | tuple():
            return [hidden(inner) for inner in value]
        case _:
            return value


def revealed(value: Any) -> Any:
    """Return JSON with the texts that its secrets hold: the way back of `hidden`."""
    match value:
        case SecretStr():
            return value.get_secret_value()
        case Mapping():
            return {name: revealed(inner) for name, inner in value.items()}
        case list() | tuple():
            return [revealed(inner) for inner in value]
        case _:
            return value


def masked(text: str, secrets: Iterable[str | SecretStr] = ()) -> str:
    """Return a text without the given secrets, and without any that this process holds or has held."""
    given = (part for secret in secrets for part in _parts(revealed(secret)) if len(part) >= _SHORTEST_GIVEN)
    for form in _longest_first(form for part in given for form in forms(part)):
        text = text.replace(form, MASK)
    for form in _known.forms():
        if form in text:
            text = text.replace(form, MASK)
    return text


def masked_bytes(body: bytes, secrets: Iterable[str | SecretStr]) -> bytes:
    """Return bytes without the given secrets, those apart that are too short to be told from other text."""
    telling = (part for secret in secrets for part in _parts(revealed(secret)) if _tells(part))
    for form in _longest_first(form for part in telling for form in forms(part)):
        if (encoded := form.encode("utf-8", "replace")) in body:
            body = body.replace(encoded, MASK.encode())
    return body


@lru_cache(maxsize=4096)
def forms(secret: str) -> tuple[str, ...]:
    """Return a secret as it is, and as it looks inside a URL, a JSON text, a Python literal and in base 64."""
    escaped = json.dumps(secret)[1:-1]
    in_urls = (
        quote(secret, safe="", errors="replace"),
        quote(secret, errors="replace"),
        quote_plus(secret, errors="replace"),
    )
    encoded = secret.encode("utf-8", "replace")
    in_base_64 = (encode(encoded).decode().rstrip("=") for encode in (base64.b64encode, base64.urlsafe_b64encode))
    found = (secret, *in_urls, escaped, escaped.replace("/", r"\/"), repr(secret)[1:-1], *in_base_64)
    return tuple(dict.fromkeys(found))


class _Known:
    """The secrets of this process, the newest of very many; masking knows them without being told."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: dict[str, None] = {}
        self._forms: tuple[str, ...] | None = ()

    def add(self, secret: str) -> None:
        telling = [part for part in _parts(secret) if _tells(part)]
        with self._lock:
            for part in telling:
                if part not in self._values:
                    self._forms = None
                # Last again: what is still in use is not forgotten.
                self._values[part] = self._values.pop(part, None)
            while len(self._values) > _REMEMBERED:
                del self._values[next(iter(self._values))]

    def forms(self) -> tuple[str, ...]:
        with self._lock:
            if self._forms is None:
                self._forms = tuple(_longest_first(form for value in self._values for form in forms(value)))
            return self._forms


_known = _Known()


def _longest_first(found: Iterable[str]) -> list[str]:
    """One may contain another."""
    return sorted(set(found), key=len, reverse=True)


def _parts(secret: str) -> list[str]:
    """What must not show of a secret: all of it, the lines of a key, the password of an address."""
    lines = [line.strip() for line in secret.splitlines()]
    found = [secret, *(line for line in lines if len(line) >= _SHORTEST_LINE and not line.startswith("-----"))]
    try:
        password = urlsplit(secret).password or ""
    except ValueError:
        password = ""
    return [*found, password, unquote(password)]


def _tells(part: str) -> bool:
    return len(part) >= _SHORTEST and not (part.isalpha() and part.islower() and len(part) < _LONGEST_WORD)
