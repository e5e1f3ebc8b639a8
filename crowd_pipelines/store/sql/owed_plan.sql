-- Queue what is owed and due, with one try each. Before the check's own streams, so that what is to be read whole is.
INSERT INTO integration_streams (id, run_id, root_id, name, label, metadata, key, whole, retries)
SELECT fresh.id, :run_id, fresh.id, owed.stream_name, owed.stream_label, owed.stream_metadata, owed.stream_key,
       owed.whole, :retries
FROM owed_reads AS owed
-- The reference to `owed` makes it one id a row.
CROSS JOIN LATERAL (SELECT uuidv7() AS id WHERE owed.stream_key IS NOT NULL) AS fresh
WHERE owed.integration_id = :integration_id AND owed.due_at <= now()
ORDER BY owed.id
ON CONFLICT (run_id, key) DO NOTHING
