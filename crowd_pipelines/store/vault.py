"""Credentials at rest: envelope encryption with AES-256-GCM and a key id."""

import base64
import binascii
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import SecretStr

from crowd_pipelines.model.secrets import Secret, hidden, revealed

_KEY_BYTES = 32
_NONCE_BYTES = 12
_WRAPPED_BYTES = _NONCE_BYTES + _KEY_BYTES + 16


class VaultError(Exception):
    """Credentials cannot be sealed or opened; the message says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """Encrypted credentials, and the id of the key that wraps their own key."""

    data: bytes
    key_id: str


class Vault:
    """Seals credentials for one integration each, so that a row's secret is of no use in another row.

    `CROWD_ENCRYPTION_KEY` may name several keys, separated by commas: the first seals, all open.
    """

    def __init__(self, keys: str | SecretStr) -> None:
        # Each is a secret of its own: together they may appear nowhere.
        parsed = [_parse(Secret(key.strip())) for key in revealed(keys).split(",") if key.strip()]
        if not parsed:
            raise VaultError("CROWD_ENCRYPTION_KEY is empty; make a key with `crowd-pipelines keys new`")
        self._keys = {_key_id(key): AESGCM(key) for key in parsed}
        self._current = _key_id(parsed[0])

    def __repr__(self) -> str:
        return f"Vault(current={self._current})"

    @property
    def current(self) -> str:
        """The id of the key that seals."""
        return self._current

    @property
    def key_ids(self) -> tuple[str, ...]:
        """The ids of all keys that open, the one that seals first."""
        return tuple(self._keys)

    def seal(self, credentials: Mapping[str, Any], integration_id: UUID) -> Sealed:
        """Encrypt credentials, secrets or plain texts, for this integration."""
        own_key = AESGCM.generate_key(_KEY_BYTES * 8)
        text = json.dumps(revealed(credentials)).encode()
        wrapped = _encrypt(self._keys[self._current], own_key, integration_id)
        return Sealed(data=wrapped + _encrypt(AESGCM(own_key), text, integration_id), key_id=self._current)

    def open(self, sealed: Sealed, integration_id: UUID) -> dict[str, Any]:
        """Decrypt credentials; every text in them is a `Secret`.

        Raises VaultError when the key is missing or the bytes are not what was sealed.
        """
        wrapper = self._keys.get(sealed.key_id)
        if wrapper is None:
            raise VaultError(
                f"the credentials of integration {integration_id} are sealed with key {sealed.key_id}, "
                "which CROWD_ENCRYPTION_KEY does not hold; add that key, or connect the integration again"
            )
        try:
            own_key = _decrypt(wrapper, sealed.data[:_WRAPPED_BYTES], integration_id)
            text = _decrypt(AESGCM(own_key), sealed.data[_WRAPPED_BYTES:], integration_id)
        except (InvalidTag, ValueError):
            raise VaultError(
                f"the credentials of integration {integration_id} were changed in the database; connect it again"
            ) from None
        opened: dict[str, Any] = hidden(json.loads(text))
        return opened


def new_key() -> str:
    """Return a fresh key in the form that CROWD_ENCRYPTION_KEY takes."""
    return base64.urlsafe_b64encode(AESGCM.generate_key(_KEY_BYTES * 8)).decode()


def _parse(text: Secret) -> bytes:
    try:
        key = base64.urlsafe_b64decode(text.get_secret_value())
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != _KEY_BYTES:
        raise VaultError(
            "CROWD_ENCRYPTION_KEY is not 32 bytes in URL-safe base64; make one with `crowd-pipelines keys new`"
        )
    return key


def _key_id(key: bytes) -> str:
    return hashlib.sha256(key).hexdigest()[:12]


def _encrypt(cipher: AESGCM, plain: bytes, integration_id: UUID) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + cipher.encrypt(nonce, plain, integration_id.bytes)


def _decrypt(cipher: AESGCM, data: bytes, integration_id: UUID) -> bytes:
    return cipher.decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], integration_id.bytes)
