"""What a database should hold after a reading: the provider's truth, and what an undisturbed reading left."""

import json
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from crowd_pipelines.integrations import registry
from crowd_pipelines.sandbox.client import Truth
from crowd_pipelines_tests.integrations.connected import Connected
from crowd_pipelines_tests.integrations.devto import truths as devto
from crowd_pipelines_tests.integrations.discord import truths as discord
from crowd_pipelines_tests.integrations.github import truths as github
from crowd_pipelines_tests.integrations.slack import truths as slack
from crowd_pipelines_tests.integrations.twitter import truths as twitter

Comparer = Callable[[Connected, Truth], None]
Key = tuple[str, str]

STORED = """
    SELECT type, source_id FROM activities AS a JOIN integrations AS i ON i.id = a.integration_id
    WHERE retracted_at IS NULL
"""
REACHES = """
    SELECT i.source_id, (m.reach->>'twitter')::int AS reach
    FROM members AS m JOIN member_identities AS i ON i.member_id = m.id
"""
PEOPLE = """
    SELECT i.source_id, i.username, m.display_name, m.emails, m.attributes, m.reach, m.score
    FROM members AS m JOIN member_identities AS i ON i.member_id = m.id ORDER BY 1
"""
# Which of several pages leads to a person first is chance.
TREE = """
    SELECT s.name, s.metadata, s.parent_id IS NULL AS is_root, s.state, s.activities, s.members, s.quarantined
    FROM integration_streams AS s
    JOIN integration_runs AS r ON r.id = s.run_id
    WHERE r.integration_id = :id AND r.created_at >= :since ORDER BY s.id
"""
COUNTS = """
    SELECT (SELECT count(*) FROM activities) AS activities, (SELECT count(*) FROM members) AS members,
           (SELECT count(*) FROM member_identities) AS identities,
           (SELECT count(*) FROM organizations) AS organizations,
           (SELECT count(*) FROM member_organizations) AS memberships, (SELECT count(*) FROM member_reach) AS reaches,
           (SELECT count(*) FROM quarantined_records) AS quarantined, (SELECT count(*) FROM owed_reads) AS owed,
           (SELECT count(*) FROM lookups) AS lookups,
           (SELECT coalesce(sum(score), 0) FROM members) AS score,
           activity_count AS counted_activities, member_count AS counted_members, limit_count, status, error
    FROM integrations WHERE id = :id
"""
CLOCKED = ("read_at", "asked_at", "ask_again_at", "whole_at", "counted_at", "latest", "day")
WATERMARKS = "SELECT subject, value FROM watermarks WHERE integration_id = :id ORDER BY 1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """What an undisturbed reading leaves: every disturbed one must leave the same."""

    streams: Mapping[str, Mapping[str, Any]]
    counts: Mapping[str, Any]
    watermarks: Mapping[str, Any]
    people: Mapping[str, Mapping[str, Any]]


def reference(read: Connected, since: datetime) -> Reference:
    """Return what is stored now of the reading that began at `since`."""
    about = read.record.id
    [counts] = read.rows(COUNTS, id=about)
    return Reference(
        streams={_identity(read.record.platform, row): row for row in read.rows(TREE, id=about, since=since)},
        counts=counts,
        watermarks={row["subject"]: _lasting(row["value"]) for row in read.rows(WATERMARKS, id=about)},
        people={row["source_id"]: row for row in read.rows(PEOPLE)},
    )


def differences(found: Reference, undisturbed: Reference) -> Iterator[str]:
    """Tell how a disturbed reading ended otherwise than the undisturbed one, one line for each kind of thing."""
    for kind in ("streams", "counts", "watermarks", "people"):
        one, other = getattr(found, kind), getattr(undisturbed, kind)
        missing, more = other.keys() - one.keys(), one.keys() - other.keys()
        changed = [(key, _changed(one[key], other[key])) for key in one.keys() & other.keys() if one[key] != other[key]]
        if missing:
            yield f"{len(missing)} {kind} of the undisturbed reading are missing, {_first(missing)} first"
        if more:
            yield f"{len(more)} {kind} are there that the undisturbed reading has not, {_first(more)} first"
        if changed:
            key, how = min(changed)
            yield f"{len(changed)} {kind} are otherwise than undisturbed, {key} first: {how}"


def lost_and_doubled(read: Connected, truth: Truth) -> tuple[set[Key], set[Key]]:
    """Return what is true and not stored (I1), and what is stored and never was true (I2)."""
    stored = {(row["type"], row["source_id"]) for row in read.rows(STORED)}
    true = {(record["type"], record["source_id"]) for record in truth.activities}
    gone = {(record["type"], record["source_id"]) for record in truth.vanished}
    return true - stored, stored - true - gone


def untruths(read: Connected, truth: Truth, *, onboarding: bool) -> Iterator[str]:
    """Tell which of the platform's own comparisons of stored with true values do not hold.

    A check need not see how people changed about whom there is no news.
    """
    of_everything, *of_people = COMPARERS[read.record.platform]
    for compare in (of_everything, *of_people) if onboarding else (of_everything,):
        try:
            compare(read, truth)
        except (AssertionError, KeyError) as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            yield f"not as the provider has it: {place.line} ({place.name}) {error}"


def _reaches_are_true(read: Connected, truth: Truth) -> None:
    true = {member["source_id"]: member["reach"] for member in truth.members if member["shown"]}
    stored = {row["source_id"]: row["reach"] for row in read.rows(REACHES)}
    wrong = {one: (stored.get(one), reach) for one, reach in true.items() if stored.get(one) != reach}
    assert not wrong, f"{len(wrong)} reaches are wrong, as {next(iter(wrong.items()))}"


COMPARERS: Mapping[str, Sequence[Comparer]] = {
    "devto": (devto.assert_true, devto.assert_members_are_true),
    "discord": (discord.assert_true, discord.assert_members_are_true),
    "github": (github.assert_true, github.assert_people_are_true),
    "slack": (slack.assert_true, slack.assert_members_are_true),
    "twitter": (twitter.assert_true, twitter.assert_people_are_true),
    "twitter_reach": (_reaches_are_true,),
}


def _identity(platform: str, stream: dict[str, Any]) -> str:
    """Return what a stream's key is made of: not what is carried, such as which of several lists led to it first."""
    types = {one.model_fields["kind"].default: one for one in registry()[platform].stream_types}
    carried = types[stream["name"]].carried
    about = {name: value for name, value in stream.pop("metadata").items() if name not in carried}
    return f"{stream['name']} {json.dumps(_lasting(about), sort_keys=True)}"


def _lasting(value: Any) -> Any:
    """Return JSON without the moments of this machine's clock, which are another's in every reading."""
    if isinstance(value, Mapping):
        return {name: _lasting(inner) for name, inner in value.items() if name not in CLOCKED}
    return value


def _changed(one: Any, other: Any) -> str:
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return ", ".join(
            f"{k}: {one.get(k)!r}, not {other.get(k)!r}" for k in {**one, **other} if one.get(k) != other.get(k)
        )
    return f"{one!r}, not {other!r}"


def _first(keys: set[str]) -> str:
    return min(keys)
