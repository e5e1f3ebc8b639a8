-- The fence: mark streams as ended if, and only if, this worker still holds them. What is not returned was taken
-- over by another worker, so nothing of its page may be written.
UPDATE integration_streams AS stream
SET state = ended.state,
    due_at = CASE WHEN ended.retry_after IS NULL THEN NULL ELSE now() + make_interval(secs => ended.retry_after) END,
    processed_at = CASE WHEN ended.state IN ('processed', 'skipped', 'owed') THEN now() END,
    retries = stream.retries + ended.failed,
    error = ended.error,
    lease_owner = NULL,
    requests = stream.requests + ended.requests,
    waited_seconds = stream.waited_seconds + ended.waited_seconds,
    activities = stream.activities + ended.activities,
    members = stream.members + ended.members,
    quarantined = stream.quarantined + ended.quarantined,
    unread = stream.unread + ended.unread,
    uncollected = COALESCE(NULLIF(ended.uncollected, 'null'), stream.uncollected),
    updated_at = now()
FROM jsonb_to_recordset(CAST(:ended AS jsonb)) AS ended(
    id uuid, lease_epoch int, state text, retry_after float, failed int, error text, requests int,
    waited_seconds float, activities int, members int, quarantined int, unread int, uncollected jsonb
)
WHERE stream.id = ended.id AND stream.lease_epoch = ended.lease_epoch AND stream.state = 'processing'
RETURNING stream.id
