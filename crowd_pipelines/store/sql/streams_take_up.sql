-- Queue the streams that failed for good in the integration run before this one, for one more try each.
INSERT INTO integration_streams (id, run_id, root_id, name, label, metadata, key, retries)
SELECT fresh.id, :run_id, fresh.id, failed.name, failed.label, failed.metadata, failed.key, :retries
FROM integration_streams AS failed
-- The reference to `failed` makes it one id a row.
CROSS JOIN LATERAL (SELECT uuidv7() AS id WHERE failed.key IS NOT NULL) AS fresh
WHERE failed.run_id = (
    SELECT id FROM integration_runs
    WHERE integration_id = :integration_id AND id <> :run_id AND streams_planned_at IS NOT NULL
    ORDER BY created_at DESC
    LIMIT 1
)
  AND failed.state = 'error' AND failed.due_at IS NULL AND failed.crashes < :most_crashes
  AND NOT failed.reread
  AND failed.name = ANY(CAST(:kinds AS text[]))
ON CONFLICT (run_id, key) DO NOTHING
