"""The gate of the simulated Slack: tokens, limits, scopes, and the way to the methods."""

import math
from dataclasses import replace
from urllib.parse import parse_qsl, urlencode

from crowd_pipelines.sandbox.limits import FixedWindow
from crowd_pipelines.sandbox.messages import Request, Response, json_response
from crowd_pipelines.sandbox.slack.methods import METHODS, Method, Methods
from crowd_pipelines.sandbox.slack.refusals import Refused, over_the_rate, refused
from crowd_pipelines.sandbox.slack.workspace import Workspace

TOKEN = "xoxb-sandbox-token-of-nobody"  # noqa: S105  opens nothing
FORM = "application/x-www-form-urlencoded"
FLAGS = frozenset({"exclude_archived", "inclusive", "include_locale"})


class SlackWebApi:
    """Answers as Slack does, refusals with status 200 included; what breaks the contract is marked as a violation."""

    def __init__(self, workspace: Workspace, methods: Methods, *, requests_per_second: int | None) -> None:
        self._workspace = workspace
        self._methods = methods
        self._windows: dict[str, FixedWindow] = {}
        if requests_per_second:
            self._windows = {name: FixedWindow(requests_per_second) for name in METHODS}

    def limit(self, method: str, requests: int, seconds: float) -> None:
        """Lets a method through so often; nothing is limited by itself, so that tests run as fast as they can."""
        self._windows[method] = FixedWindow(requests, period=seconds)

    def answer(self, request: Request) -> Response:
        params = dict(parse_qsl(request.body.decode(errors="replace"), keep_blank_values=True))
        asked = urlencode({name: value for name, value in params.items() if name != "token"}) or None
        try:
            return replace(self._answered(request, params), asked=asked)
        except Refused as error:
            return replace(error.response, asked=asked)

    def _answered(self, request: Request, form: dict[str, str]) -> Response:
        name = request.segments[-1] if request.segments[1:2] == ("api",) else ""
        method = METHODS.get(name)
        if method is None:
            raise refused("unknown_method", violation=f"{request.path} is no method that is simulated")
        self._let_in(request, name)
        if method.scope and method.scope not in self._workspace.scopes:
            provided = ",".join(sorted(self._workspace.scopes))
            raise refused("missing_scope", needed=method.scope, provided=provided)
        _check(request, method, {**request.query, **form})
        return json_response({"ok": True, **method.answer(self._methods, {**request.query, **form})})

    def _let_in(self, request: Request, name: str) -> None:
        """Slack looks at the token first; refused tokens are not counted."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if not token:
            raise refused("not_authed", violation="no token in the Authorization header")
        if scheme != "Bearer" or token != TOKEN:
            raise refused("invalid_auth")
        if self._workspace.token_error:
            raise refused(self._workspace.token_error)
        window = self._windows.get(name)
        waiting = window.wait(token) if window else None
        if waiting is not None:
            raise over_the_rate(math.ceil(waiting))


def _check(request: Request, method: Method, params: dict[str, str]) -> None:
    if request.method not in ("GET", "POST"):
        raise refused("invalid_post_type", violation=f"{request.method} is not supported")
    if request.method == "POST" and not request.headers.get("content-type", "").startswith(FORM):
        raise refused("invalid_post_type", violation="methods that read take forms only")
    if len(request.pairs) != len(request.query):
        raise refused("invalid_arg_name", violation="a parameter was sent twice")
    for name, value in params.items():
        if name not in method.params:
            raise refused("invalid_arg_name", violation=f"{request.path} has no parameter {name!r}")
        if name == "limit" and not (value.isdecimal() and 1 <= int(value) <= method.largest):
            raise refused("invalid_limit", violation=f"limit={value!r} is not between 1 and {method.largest}")
        if name in FLAGS and value not in ("true", "false", "0", "1"):
            raise refused("invalid_arguments", violation=f"{name}={value!r} is neither true nor false")
