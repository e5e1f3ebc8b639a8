"""Answers of the simulated Slack that are no data."""

from crowd_pipelines.sandbox.messages import Response, encode, json_response


class Refused(Exception):
    """Carries the answer out of wherever it was decided."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status)
        self.response = response


def refused(error: str, *, violation: str | None = None, **details: str) -> Refused:
    """Slack refuses with status 200."""
    return Refused(json_response({"ok": False, "error": error, **details}, violation=violation))


def over_the_rate(seconds: int) -> Refused:
    return Refused(
        Response(status=429, body=encode({"ok": False, "error": "ratelimited"}), headers={"Retry-After": str(seconds)})
    )
