"""Takes the pictures of the documentation from a running Dagster UI: `python scripts/screenshots.py [URL]`.

Drives a Chromium or Chrome of this machine over the DevTools protocol. For pages that have something to show, let the
demo run for twenty minutes (`make demo ARGS="--size medium"`), connect some more integrations of the sandbox, and run
`crowd-pipelines process-integration` a dozen times meanwhile.
"""

import argparse
import base64
import io
import itertools
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

from PIL import Image
from websockets.sync.client import ClientConnection, connect

DIRECT = build_opener(ProxyHandler({}))
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--hide-scrollbars",
    "--no-first-run",
    "--remote-debugging-port=0",
)
WIDTH = 1440
SCALE = 1.5
PATIENCE_SECONDS = 40
SETTLE_SECONDS = 2
"""Charts and graphs move into their places."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """A picture: where, what has to be on the page, what is done there, and its height in pixels."""

    name: str
    path: str
    wait_for: str
    clicks: tuple[str, ...] = ()
    hover: str | None = None
    divider_down: int = 0
    height: int = 900


class Page:
    """A tab of the browser."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._socket.recv(timeout=PATIENCE_SECONDS))
            if answer.get("id") == number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return dict(answer["result"])

    def run(self, script: str) -> Any:
        return self.call("Runtime.evaluate", expression=script, returnByValue=True)["result"].get("value")

    def shows(self, text: str) -> bool:
        return bool(self.run(f"document.body && document.body.innerText.includes({json.dumps(text)})"))

    def click(self, text: str) -> None:
        """Click in the middle of the first thing that says exactly this."""
        x, y = self._place_of(text)
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)
        time.sleep(1)

    def hover(self, text: str) -> None:
        """Point at the first thing that says exactly this."""
        x, y = self._place_of(text)
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        time.sleep(1)

    def drag_divider(self, down: int) -> None:
        """Give the upper part of the page so many pixels more."""
        x, y = self.run("""(() => {
            const found = [...document.querySelectorAll('div')].filter(
                one => ['ns-resize', 'row-resize'].includes(getComputedStyle(one).cursor));
            const box = found[0].getBoundingClientRect();
            return [box.x + box.width / 2, box.y + box.height / 2];
        })()""")
        for kind, at in (("mousePressed", y), ("mouseMoved", y + down), ("mouseReleased", y + down)):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=at, button="left", buttons=1, clickCount=1)

    def _place_of(self, text: str) -> tuple[float, float]:
        script = f"""(() => {{
            const found = [...document.querySelectorAll('body *')].filter(
                one => one.children.length == 0 && one.textContent.trim() == {json.dumps(text)} && one.offsetParent);
            if (!found.length) return null;
            const box = found[0].getBoundingClientRect();
            return [box.x + box.width / 2, box.y + box.height / 2];
        }})()"""
        x, y = _wait(lambda: self.run(script), f"something that says {text!r}")
        return x, y

    def picture(self) -> bytes:
        """Return what is to be seen, as PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", nargs="?", default="http://127.0.0.1:3000", help="where the UI is")
    parser.add_argument("--only", action="append", help="take only this picture; repeatable")
    parser.add_argument("--into", type=Path, default=Path(__file__).resolve().parents[1] / "docs" / "images")
    chosen = parser.parse_args()
    chosen.into.mkdir(parents=True, exist_ok=True)
    shots = [shot for shot in _shots(chosen.url) if not chosen.only or shot.name in chosen.only]
    with _browser() as page:
        for shot in shots:
            path = chosen.into / f"{shot.name}.png"
            _save(_take(page, chosen.url, shot), path)
            print(f"{path} ({path.stat().st_size // 1024} kB)")


def _shots(url: str) -> Sequence[Shot]:
    location = _location(url)
    job, run = f"/locations/{location}/jobs/devto", f"/runs/{_widest_onboarding(url)}?logs=step%3Apostprocess"
    schedule, sensor = (f"/locations/{location}/{name}" for name in ("schedules/devto_ticks", "sensors/onboarding"))
    return (
        Shot(name="job", path=job, wait_for="create_member_attributes", clicks=("Info",)),
        Shot(name="run", path=run, wait_for="postprocess", divider_down=90, height=1100),
        Shot(name="partitions", path=f"{job}/partitions", wait_for="Launch backfill", height=760),
        Shot(name="sensor", path=sensor, wait_for="keeps one partition per integration", height=820),
        Shot(name="schedule", path=schedule, wait_for="Tick history", hover="0 runs requested"),
        Shot(name="asset", path="/assets/devto/activities?view=overview", wait_for="total", clicks=("Plots",)),
        Shot(name="jobs", path="/jobs", wait_for="twitter_reach", height=560),
    )


def _take(page: Page, url: str, shot: Shot) -> bytes:
    metrics = {"width": WIDTH, "height": shot.height, "deviceScaleFactor": SCALE, "mobile": False}
    page.call("Emulation.setDeviceMetricsOverride", **metrics)
    page.call("Input.dispatchMouseEvent", type="mouseMoved", x=WIDTH - 1, y=shot.height - 1)
    page.call("Page.navigate", url=f"{url}{shot.path}")
    _wait(lambda: page.shows(shot.wait_for), f"{shot.wait_for!r} on {shot.path}")
    time.sleep(SETTLE_SECONDS)
    for text in shot.clicks:
        page.click(text)
    if shot.divider_down:
        page.drag_divider(shot.divider_down)
    if shot.hover:
        page.hover(shot.hover)
    time.sleep(SETTLE_SECONDS)
    return page.picture()


def _save(png: bytes, path: Path) -> None:
    """Store a picture with a palette: the UI has few colours, and the repository should stay small."""
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    picture.quantize(colors=128, dither=Image.Dither.NONE).save(path, optimize=True)


@contextmanager
def _browser() -> Iterator[Page]:
    program = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if program is None:
        sys.exit("no Chromium or Chrome is on PATH; install one, for example with: apt-get install chromium")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [program, *FLAGS, f"--user-data-dir={profile}", "about:blank"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            told = Path(profile) / "DevToolsActivePort"
            _wait(lambda: told.exists() and told.read_text().count("\n") >= 1, "the browser's start")
            port = told.read_text().split()[0]
            tabs = json.load(DIRECT.open(f"http://127.0.0.1:{port}/json/list"))
            tab = next(tab for tab in tabs if tab["type"] == "page")
            with connect(tab["webSocketDebuggerUrl"], max_size=None, proxy=None) as socket:
                yield Page(socket)
        finally:
            process.terminate()
            process.wait()


def _location(url: str) -> str:
    found = _ask(url, "{ repositoriesOrError { ... on RepositoryConnection { nodes { location { name } } } } }")
    return str(found["repositoriesOrError"]["nodes"][0]["location"]["name"])


def _widest_onboarding(url: str) -> str:
    """Return the id of the Dagster run with the most steps."""
    tags = '[{key: "crowd/onboarding", value: "true"}, {key: "crowd/platform", value: "devto"}]'
    wanted = f"{{tags: {tags}, statuses: [SUCCESS]}}"
    query = f"{{ runsOrError(filter: {wanted}) {{ ... on Runs {{ results {{ id stepStats {{ stepKey }} }} }} }} }}"
    runs = _ask(url, query)["runsOrError"]["results"]
    if not runs:
        sys.exit(f"no onboarding has run at {url}; start one, for example with: make demo")
    return str(max(runs, key=lambda run: len(run["stepStats"]))["id"])


def _ask(url: str, query: str) -> dict[str, Any]:
    body = json.dumps({"query": query}).encode()
    headers = {"Content-Type": "application/json"}
    request = Request(f"{url}/graphql", data=body, headers=headers)  # noqa: S310  given by whoever runs this
    with DIRECT.open(request) as response:
        return dict(json.load(response)["data"])


def _wait(ready: Callable[[], Any], what: str) -> Any:
    """Return the first true answer."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        with suppress(OSError):
            if answer := ready():
                return answer
        time.sleep(0.25)
    sys.exit(f"waited {PATIENCE_SECONDS} s in vain for {what}")


if __name__ == "__main__":
    main()
