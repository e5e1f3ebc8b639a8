import re
from pathlib import Path

CHECKOUT = Path(__file__).parent.parent.parent
PAGE = (CHECKOUT / "docs" / "threat-model.md").read_text()


def test_what_is_said_to_prove_a_claim_is_there() -> None:
    tests = set(re.findall(r"`(crowd_pipelines_tests/[\w/]+\.py)`", PAGE))
    assert len(tests) > 10
    assert [name for name in sorted(tests) if not (CHECKOUT / name).is_file()] == []


def test_what_the_guard_never_opens_is_listed_whole() -> None:
    guard = (CHECKOUT / "crowd_pipelines" / "http" / "guard.py").read_text()
    networks = re.findall(r"^        \"([\d.:a-f/]+)\",", guard, re.MULTILINE)
    assert len(networks) == 7
    assert [network for network in networks if network.removesuffix("/32") not in PAGE] == []
