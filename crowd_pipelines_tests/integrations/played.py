"""A platform whose sandbox was asked once, and whose answers are given again from memory: good, or with poison."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from crowd_pipelines.framework.integration import RunContext
from crowd_pipelines.http.errors import Gone, ProviderError
from crowd_pipelines.http.transport import Answer, Request, Transport
from crowd_pipelines.model.streams import Stream, StreamResult
from crowd_pipelines_tests.integrations.test_contract import Reader
from crowd_pipelines_tests.poison import Dose, written

Bodies = Mapping[str, Any]
"""Other bodies than the recorded ones, by request."""


@dataclass(kw_only=True)
class Played:
    """Answers between the transport and everything above it; a request that is new goes to the sandbox."""

    reader: Reader
    send: Callable[[Transport, Request], Answer]
    recorded: dict[str, Answer] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    instead: Bodies = field(default_factory=dict)

    def answer(self, transport: Transport, request: Request) -> Answer:
        name = _name(request)
        self.asked.append(name)
        if name not in self.recorded:
            answer = self.send(transport, request)
            if self.instead:
                # What only poison asks for is not worth remembering.
                return answer
            self.recorded[name] = answer
        answer = self.recorded[name]
        return replace(answer, body=written(self.instead[name])) if name in self.instead else answer

    def body(self, name: str) -> Any:
        return json.loads(self.recorded[name].body)

    def read(
        self, stream: Stream, run: RunContext[Any, Any], instead: Bodies | None = None
    ) -> StreamResult | ProviderError:
        """What comes of a stream: a result or a named error. Anything else is a crash, and passes through."""
        self.instead, self.asked = instead or {}, []
        try:
            return self.reader.integration.process_stream(stream, run)
        except Gone as gone:
            return StreamResult(skipped=str(gone))
        except ProviderError as error:
            return error

    def dosed(self, name: str, dose: Dose) -> Bodies:
        return {name: dose.given_to(self.body(name))}


@contextmanager
def played(reader: Reader) -> Iterator[Played]:
    playing = Played(reader=reader, send=Transport.send)

    def send(transport: Transport, request: Request) -> Answer:
        return playing.answer(transport, request)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Transport, "send", send)
        yield playing


def _name(request: Request) -> str:
    return json.dumps([request.method, request.url, request.params, request.json, request.form], default=str)
