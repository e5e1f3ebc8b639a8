"""Answers of the simulated DEV that are no data."""

from crowd_pipelines.sandbox.messages import Response, json_response


class Refused(Exception):
    """Carries the answer out of wherever it was decided."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status)
        self.response = response


def not_found(violation: str | None = None) -> Refused:
    return Refused(json_response({"error": "not found", "status": 404}, status=404, violation=violation))


def unauthorized() -> Refused:
    return Refused(json_response({"error": "unauthorized", "status": 401}, status=401))


def unprocessable(reason: str) -> Refused:
    return Refused(json_response({"error": reason, "status": 422}, status=422, violation=reason))
