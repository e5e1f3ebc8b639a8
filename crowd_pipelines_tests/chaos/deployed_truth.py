"""What an installation holds after a disturbance, beside what the providers would show, and whether it is at rest."""

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet

from crowd_pipelines.sandbox.client import Record, SandboxClient, Truth
from crowd_pipelines.store import invariants
from crowd_pipelines.store.database import transact
from crowd_pipelines_tests.chaos.deployed_site import Key, Site
from crowd_pipelines_tests.deployment.installation import Row

UNDER_WAY = ("QUEUED", "NOT_STARTED", "STARTING", "STARTED", "CANCELING")

_STORED = """
SELECT a.type, a.source_id, a.thread, a.retracted_at IS NULL AS live,
       count(*) OVER (PARTITION BY a.type, a.source_id) AS times
FROM activities AS a JOIN integrations AS i ON i.id = a.integration_id JOIN tenants AS t ON t.id = i.tenant_id
WHERE t.name = %(tenant)s AND i.platform = %(platform)s
"""
_PEOPLE = """
SELECT i.source_id, count(*) AS times FROM member_identities AS i JOIN tenants AS t ON t.id = i.tenant_id
WHERE t.name = %(tenant)s AND i.platform = %(platform)s GROUP BY 1
"""
_RUNS = """
SELECT r.id, i.platform, r.onboarding, r.state, r.error, r.attempt, r.delay_reason, r.delayed_until
FROM integration_runs AS r JOIN integrations AS i ON i.id = r.integration_id JOIN tenants AS t ON t.id = r.tenant_id
WHERE t.name = %(tenant)s ORDER BY r.created_at
"""
_FAILED = """
SELECT i.platform || ': ' || s.label || ': ' || coalesce(s.error, '') AS what
FROM integration_streams AS s JOIN integration_runs AS r ON r.id = s.run_id
JOIN integrations AS i ON i.id = r.integration_id JOIN tenants AS t ON t.id = r.tenant_id
WHERE t.name = %(tenant)s AND (s.retries > 0 OR s.state = 'error')
"""


def runs(site: Site, tenant: str) -> list[Row]:
    """A tenant's integration runs, oldest first."""
    return site.database.rows(_RUNS, tenant=tenant)


def failed_streams(site: Site, tenant: str) -> list[str]:
    """Streams whose reading failed once or for good."""
    return [row["what"] for row in site.database.rows(_FAILED, tenant=tenant)]


def under_way(site: Site) -> list[Row]:
    """Dagster runs that are not over, as Dagster's database tells."""
    sql = "SELECT pipeline_name AS job, status FROM runs WHERE status = ANY(%(s)s) AND pipeline_name <> 'retention'"
    return site.dagster.rows(sql, s=list(UNDER_WAY))


def differences(site: Site, tenant: str) -> list[str]:
    """Everything that is not as promised, a sentence each."""
    broken = transact(site.engine, invariants.broken)
    found = [f"{one.invariant.name}: {one.count}, such as {one.examples}" for one in broken]
    connected = {run["platform"] for run in runs(site, tenant)}
    for platform in site.platforms:
        if platform in connected and platform != "twitter_reach":
            found += _beside_the_truth(site, tenant, platform)
    found += [
        f"the integration run of {run['platform']} is {run['state']}: {run['error'] or run['delay_reason']}"
        for run in runs(site, tenant)
        if run["state"] != "processed"
    ]
    return found


def _beside_the_truth(site: Site, tenant: str, platform: str) -> Iterator[str]:
    stored = site.database.rows(_STORED, tenant=tenant, platform=platform)
    if not stored:
        yield f"{platform}: nothing is stored"
        return
    truth = site.sandbox.truth(platform)
    live = {(row["type"], row["source_id"]): row for row in stored if row["live"]}
    told = {_key(record) for record in truth.activities}
    due, members_due = due_of(truth, site.out_of_reach)
    people = site.database.rows(_PEOPLE, tenant=tenant, platform=platform)
    yield from _counted(f"{platform}: activities lost", due - live.keys())
    yield from _counted(f"{platform}: activities that never were", _unexplained(live, told, truth))
    yield from _counted(f"{platform}: activities doubled", {row["source_id"] for row in stored if row["times"] > 1})
    yield from _counted(f"{platform}: members lost", members_due - {row["source_id"] for row in people})
    yield from _counted(f"{platform}: members doubled", {row["source_id"] for row in people if row["times"] > 1})


def out_of_reach(sandbox: SandboxClient, platforms: Iterable[str]) -> set[Key]:
    """What a reading that begins now cannot see any more: X shows the posts of seven days, and time passes there."""
    records = (record for platform in platforms for record in sandbox.truth(platform).activities)
    return {_key(record) for record in records if not record.get("readable", True)}


def due_of(truth: Truth, beyond: AbstractSet[Key]) -> tuple[set[Key], set[str]]:
    """The activities and members that have to be stored: all but those that were `beyond` reach from the beginning."""
    due = [record for record in truth.activities if _key(record) not in beyond]
    behind = {record["member"] for record in truth.activities} - {record["member"] for record in due}
    return {_key(record) for record in due}, {member["source_id"] for member in truth.members} - behind


def _key(record: Record) -> Key:
    return record["type"], record["source_id"]


def _unexplained(live: dict[Key, Row], told: set[Key], truth: Truth) -> set[Key]:
    """What is stored and not true, unless it once was: gone without a sign, or said where everything is gone."""
    gone = {_key(record) for record in truth.vanished}
    threads = {source_id for _, source_id in gone}
    return {key for key in live.keys() - told - gone if live[key]["thread"] not in threads}


def _counted(what: str, which: set[Key] | set[str]) -> Iterator[str]:
    if which:
        yield f"{what}: {len(which)}, such as {sorted(map(str, which))[:3]}"
