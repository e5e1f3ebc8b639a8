-- Queue the streams whose records somebody wants to be read again, for one try each.
WITH wanted AS (
    UPDATE quarantined_records
    SET retries = retries + 1, retry_run_id = :run_id, retry_requested_at = NULL
    WHERE integration_id = :integration_id AND retry_requested_at IS NOT NULL
    RETURNING stream_name, stream_label, stream_metadata, stream_key
), once AS (
    SELECT DISTINCT ON (stream_key) * FROM wanted WHERE stream_key IS NOT NULL
)
INSERT INTO integration_streams (id, run_id, root_id, name, label, metadata, key, retries, reread)
SELECT fresh.id, :run_id, fresh.id, stream_name, stream_label, stream_metadata, stream_key, :retries, TRUE
FROM once
-- The reference to `once` makes it one id a row.
CROSS JOIN LATERAL (SELECT uuidv7() AS id WHERE once.stream_key IS NOT NULL) AS fresh
-- What is planned anyway reads them, too.
ON CONFLICT (run_id, key) DO NOTHING
