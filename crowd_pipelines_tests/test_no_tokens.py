"""Nothing in the repository is shaped like a real credential: neither code, nor a recorded answer, nor a document."""

import re
import subprocess
from collections.abc import Iterator

import pytest

from crowd_pipelines_tests.conftest import CHECKOUT

# In full length, as providers make them: the short ones that tests make up are none.
SHAPES = {
    "GitHub token": r"\bgh[opsur]_[A-Za-z0-9]{36}",
    "GitHub fine-grained token": r"\bgithub_pat_[A-Za-z0-9_]{60}",
    "GitLab token": r"\bglpat-[\w-]{20}",
    "Slack token": r"\bxox[abeprs]-\d{9,}-[\w-]{10}",
    "Slack app token": r"\bxapp-\d-[A-Z0-9]{9,}-\d{9,}-[0-9a-f]{32}",
    "Slack webhook": r"hooks\.slack\.com/services/T[A-Z0-9]{8,}/B[A-Z0-9]{8,}/\w{20}",
    "Discord bot token": r"\b[MNO][\w-]{23,25}\.[\w-]{6}\.[\w-]{27}",
    "JSON web token": r"\beyJ[\w-]{20,}\.eyJ[\w-]{20,}\.[\w-]{20}",
    "private key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/]{60}",
    "AWS key": r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
    "X bearer token": r"\bAAAAAAAAAAAAAAAAAAAA[\w%]{40}",
    "key in an address": r"[?&](?:access_token|api_key|client_secret)=[A-Za-z0-9]{24}",
}
MADE_UP = "AQWE1" * 30


def files() -> Iterator[tuple[str, str]]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=CHECKOUT,
        capture_output=True,
        check=True,
    )
    for name in listed.stdout.decode().split("\0"):
        path = CHECKOUT / name
        if name and path.is_file() and path.suffix not in {".png", ".gif", ".ico"}:
            yield name, path.read_text("utf-8", "replace")


def found(text: str) -> list[str]:
    return [what for what, shape in SHAPES.items() if re.search(shape, text)]


def test_the_repository_holds_no_token() -> None:
    if not (CHECKOUT / ".git").exists():
        pytest.skip("no checkout")
    assert {name: what for name, text in files() if (what := found(text))} == {}


@pytest.mark.parametrize(
    "token",
    [
        "ghp_" + MADE_UP[:36],
        "github_pat_" + MADE_UP[:82],
        "xoxb-" + "1" * 12 + "-" + MADE_UP[:24],
        "-----BEGIN RSA " + "PRIVATE KEY-----\n" + MADE_UP[:64],
        "M" + MADE_UP[:25] + "." + MADE_UP[:6] + "." + MADE_UP[:27],
        "https://x.test/?api_key=" + MADE_UP[:24],
    ],
)
def test_it_would_be_found(token: str) -> None:
    assert found(f'token = "{token}"')
