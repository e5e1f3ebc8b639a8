-- Queue what the integration run before this one left: streams that failed for good, for one more try each, and those
-- that it never came to. What an onboarding left is read as an onboarding reads.
-- What is owed by itself is not taken up twice.
INSERT INTO integration_streams (id, run_id, root_id, name, label, metadata, key, whole, retries)
SELECT fresh.id, :run_id, fresh.id, left_over.name, left_over.label, left_over.metadata, left_over.key,
       left_over.whole OR before.onboarding,
       CASE WHEN left_over.state = 'error' AND left_over.due_at IS NULL THEN :retries ELSE 0 END
FROM (
    SELECT id, onboarding FROM integration_runs
    WHERE integration_id = :integration_id AND id <> :run_id AND streams_planned_at IS NOT NULL
    ORDER BY created_at DESC
    LIMIT 1
) AS before
JOIN integration_streams AS left_over ON left_over.run_id = before.id
-- The reference to `left_over` makes it one id a row.
CROSS JOIN LATERAL (SELECT uuidv7() AS id WHERE left_over.key IS NOT NULL) AS fresh
WHERE left_over.state IN ('pending', 'processing', 'error') AND left_over.crashes < :most_crashes
  AND NOT left_over.reread
ORDER BY left_over.id
ON CONFLICT (run_id, key) DO NOTHING
