"""The limit per second and client address."""

import time

from crowd_pipelines.sandbox.limits import FixedWindow
from crowd_pipelines.sandbox.process import Sandbox
from crowd_pipelines_tests.sandbox.client import fetch


def test_windows_begin_with_the_clocks_seconds() -> None:
    now = 100.9
    window = FixedWindow(2, clock=lambda: now)
    assert [window.wait("a"), window.wait("a")] == [None, None]
    assert window.wait("a") is not None
    assert window.wait("b") is None
    now = 101.0
    assert window.wait("a") is None


def test_more_than_the_limit_in_a_second_is_refused_in_plain_text() -> None:
    with Sandbox.start(requests_per_second=3) as sandbox:
        url = sandbox.api_url("devto") + "/users/1003"
        answers = [fetch(url) for _ in range(12)]
        assert [answer.status for answer in answers[:3]] == [200] * 3
        refused = next(answer for answer in answers if answer.status == 429)
        assert refused.headers["retry-after"] == "1"
        assert (refused.headers["content-type"], refused.body) == ("text/plain", b"Retry later\n")
        time.sleep(float(refused.headers["retry-after"]))
        assert fetch(url).status == 200
        statuses = [request["status"] for request in sandbox.requests("devto")]
        assert statuses == [*[answer.status for answer in answers], 200]
        assert len(sandbox.truth("devto").activities) > 0


def test_without_the_option_there_is_no_limit(still: Sandbox) -> None:
    url = still.api_url("devto") + "/users/1003"
    assert {fetch(url).status for _ in range(20)} == {200}
