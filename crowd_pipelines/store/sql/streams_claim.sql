-- Lease streams whose time has come: new ones, ones to be tried again, and ones whose worker let its lease expire.
-- A stream found still `processing` lost its worker; the third time it is not tried again. Such suspects are asked
-- for apart, since they are worked on alone: a worker that dies again must not cast suspicion on others.
-- Integration runs are served in the order in which they are given, each from an index: a million rows are not sorted.
WITH due AS (
    SELECT found.id
    FROM unnest(CAST(:run_ids AS uuid[])) AS given(run_id)
    CROSS JOIN LATERAL (
        SELECT stream.id
        FROM integration_streams AS stream
        WHERE stream.run_id = given.run_id AND stream.due_at <= now()
          AND (CAST(:suspects AS boolean) IS NULL
               OR (stream.crashes > 0 OR stream.state = 'processing') = CAST(:suspects AS boolean))
        ORDER BY stream.due_at
        LIMIT :limit
        FOR UPDATE OF stream SKIP LOCKED
    ) AS found
    LIMIT :limit
)
UPDATE integration_streams AS stream
SET state = 'processing',
    lease_owner = :owner,
    lease_epoch = stream.lease_epoch + 1,
    due_at = now() + make_interval(secs => :lease_seconds),
    crashes = stream.crashes + CASE WHEN stream.state = 'processing' THEN 1 ELSE 0 END,
    updated_at = now()
FROM due
WHERE stream.id = due.id
RETURNING stream.id, stream.run_id, stream.root_id, stream.name, stream.label, stream.metadata, stream.key,
          stream.retries, stream.crashes, stream.lease_epoch, stream.reread, stream.whole
