"""Credentials at rest open with the right key, for the right integration, unchanged, or not at all."""

import uuid
from dataclasses import replace

import pytest

from crowd_pipelines.model.secrets import revealed
from crowd_pipelines.store.vault import Sealed, Vault, VaultError, new_key

HERE, ELSEWHERE = uuid.uuid4(), uuid.uuid4()
SECRET = {"token": "canary-7", "nested": {"expires": 5, "name": "ü"}}


def test_what_was_sealed_is_opened() -> None:
    vault = Vault(new_key())
    opened = vault.open(vault.seal(SECRET, HERE), HERE)
    assert revealed(opened) == SECRET
    assert "canary" not in repr(opened)
    assert vault.open(vault.seal(opened, HERE), HERE) == opened


def test_nothing_of_the_secret_shows_and_no_two_seals_are_alike() -> None:
    vault = Vault(new_key())
    one, other = vault.seal(SECRET, HERE), vault.seal(SECRET, HERE)
    assert b"canary" not in one.data
    assert one.data != other.data


def test_another_key_does_not_open_and_the_message_says_which_is_missing() -> None:
    sealed = Vault(new_key()).seal(SECRET, HERE)
    with pytest.raises(VaultError, match=f"{sealed.key_id}.*CROWD_ENCRYPTION_KEY"):
        Vault(new_key()).open(sealed, HERE)


def test_another_key_under_the_right_id_does_not_open() -> None:
    sealed = Vault(new_key()).seal(SECRET, HERE)
    other = Vault(new_key())
    forged = replace(sealed, key_id=other.seal(SECRET, HERE).key_id)
    with pytest.raises(VaultError, match="changed"):
        other.open(forged, HERE)


def test_a_seal_is_of_no_use_for_another_integration() -> None:
    vault = Vault(new_key())
    with pytest.raises(VaultError, match=str(ELSEWHERE)):
        vault.open(vault.seal(SECRET, HERE), ELSEWHERE)


def test_no_byte_can_be_changed_or_cut_off() -> None:
    vault = Vault(new_key())
    sealed = vault.seal(SECRET, HERE)
    for place in range(len(sealed.data)):
        changed = bytearray(sealed.data)
        changed[place] ^= 1
        with pytest.raises(VaultError):
            vault.open(Sealed(data=bytes(changed), key_id=sealed.key_id), HERE)
        with pytest.raises(VaultError):
            vault.open(Sealed(data=sealed.data[:place], key_id=sealed.key_id), HERE)


def test_of_several_keys_the_first_seals_and_all_open() -> None:
    old, new = new_key(), new_key()
    before = Vault(old).seal(SECRET, HERE)
    rotated = Vault(f"{new}, {old}")
    after = rotated.seal(SECRET, HERE)
    assert revealed(rotated.open(before, HERE)) == SECRET
    assert revealed(Vault(new).open(after, HERE)) == SECRET
    assert rotated.key_ids == (after.key_id, before.key_id)
    with pytest.raises(VaultError):
        Vault(old).open(after, HERE)


@pytest.mark.parametrize("keys", ["", " , ", "short", "not base64!!", "c2l4dGVlbiBieXRlcyEh"])
def test_a_key_that_cannot_be_used_is_refused_with_the_remedy_and_not_shown(keys: str) -> None:
    with pytest.raises(VaultError, match="keys new") as refused:
        Vault(keys)
    assert not keys.strip(" ,") or keys not in str(refused.value)


def test_a_vault_does_not_show_its_keys() -> None:
    key = new_key()
    assert key not in repr(Vault(key))
