-- Streams were read. What is owed for such a stream is paid, if the stream was read as far as it is owed; else the
-- refusal is over, and what is owed is due: the place's own stream, whole, where another one of the place was refused.
WITH read AS (
    SELECT integration_id, key, bool_or(whole) AS whole, bool_or(has_nulls) AS has_nulls
    FROM jsonb_to_recordset(CAST(:reads AS jsonb)) AS read(
        integration_id uuid, key text, whole boolean, has_nulls boolean
    )
    GROUP BY integration_id, key
), paid AS (
    DELETE FROM owed_reads AS owed
    USING read
    WHERE owed.integration_id = read.integration_id AND owed.stream_key = read.key
      AND owed.place_stream IS NULL AND (read.whole OR NOT owed.whole)
      AND NOT (owed.kind = 'unread' AND read.has_nulls)
)
UPDATE owed_reads AS owed
SET stream_name = COALESCE(owed.place_stream->>'name', owed.stream_name),
    stream_label = COALESCE(owed.place_stream->>'label', owed.stream_label),
    stream_metadata = COALESCE(owed.place_stream->'metadata', owed.stream_metadata),
    stream_key = COALESCE(owed.place_stream->>'key', owed.stream_key),
    whole = TRUE,
    place_stream = NULL,
    due_at = now(),
    updated_at = now()
FROM read
WHERE owed.integration_id = read.integration_id AND owed.stream_key = read.key
  AND (owed.place_stream IS NOT NULL OR (owed.whole AND NOT read.whole))
