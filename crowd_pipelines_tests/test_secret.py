"""A secret shows in nothing that could be printed, stored or logged by mistake, and is still usable."""

import copy
import json
import logging
import pickle
import pprint
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

from crowd_pipelines.model.secrets import Secret, forms, hidden, masked, masked_bytes, revealed

CANARY = "c4n4ry/held 0123456789"


@dataclass(frozen=True)
class Holder:
    secret: Secret


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid")

    secret: Secret


def _traceback(secret: Secret) -> str:
    def fail(given: Any) -> None:
        raise RuntimeError("with", given, [given])

    try:
        fail(secret)
    except RuntimeError as error:
        return "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    raise AssertionError


SHOWN: list[Callable[[Secret], object]] = [
    repr,
    str,
    "{}".format,
    "{!r:>40}".format,
    lambda secret: f"{secret}",
    lambda secret: "%s %r" % (secret, secret),  # noqa: UP031  how loggers format
    lambda secret: [secret, {"a": secret}, (secret,)],
    Holder,
    lambda secret: asdict(Holder(secret)),
    lambda secret: Model(secret=secret),
    lambda secret: Model(secret=secret).model_dump(),
    lambda secret: Model(secret=secret).model_dump_json(),
    lambda secret: json.dumps(secret, default=str),
    lambda secret: pprint.pformat({"a": secret}),
    lambda secret: copy.deepcopy({"a": secret}),
    copy.copy,
    lambda secret: hidden(revealed({"a": [secret, 5, None]})),
    lambda secret: secret.after("Bearer "),
    lambda secret: RuntimeError("bad", secret),
    _traceback,
    lambda secret: logging.LogRecord("x", logging.INFO, "f", 1, "%s", (secret,), None).getMessage(),
]


@pytest.mark.parametrize("show", SHOWN)
def test_it_does_not_show(show: Callable[[Secret], object]) -> None:
    shown = show(Secret(CANARY))
    assert "c4n4ry" not in str(shown) + repr(shown)


def test_json_and_pickle_refuse_it() -> None:
    for dumps in (json.dumps, pickle.dumps):
        with pytest.raises(TypeError) as refused:
            dumps(Secret(CANARY))
        assert "c4n4ry" not in str(refused.value)


def test_a_model_that_refuses_one_names_the_field_alone() -> None:
    with pytest.raises(ValidationError) as refused:
        Model.model_validate({"secret": Secret(CANARY), "other": Secret(CANARY)})
    assert "c4n4ry" not in str(refused.value)


def test_what_it_holds_can_be_used() -> None:
    assert Secret(CANARY).get_secret_value() == CANARY
    assert revealed(Secret(CANARY).after("Bearer ")) == f"Bearer {CANARY}"
    assert Secret(CANARY) == Secret(CANARY) != Secret("other")
    assert revealed(hidden({"a": ["b", 1, {"c": None}]})) == {"a": ["b", 1, {"c": None}]}


@pytest.mark.parametrize("form", forms('a"b/c d+ü\n9'))
def test_every_form_of_it_is_masked(form: str) -> None:
    assert masked(f"<{form}>", ['a"b/c d+ü\n9']) == "<***>"


def test_the_lines_of_a_key_are_masked_one_by_one() -> None:
    key = Secret("-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQ\n-----END KEY-----\n")
    assert masked("line: MIIEvQIBADANBgkqhkiG9w0BAQ", [key]) == "line: ***"


def test_an_answer_does_not_echo_it_and_other_text_stays_as_it_was() -> None:
    body = f'{{"sent": "{CANARY}", "said": "token"}}'.encode()
    assert masked_bytes(body, [Secret(CANARY), Secret("token"), Secret("said")]) == b'{"sent": "***", "said": "token"}'
