-- Note what could not be read. A permission is tried again once a day; what failed is tried by each of the next checks,
-- and after six of them once a day, too. What is refused for good now is not owed as a failure beside that: it would be
-- tried by every check. What would harm its worker again waits until somebody asks for it.
WITH given AS (
    SELECT *
    FROM jsonb_to_recordset(CAST(:owed AS jsonb)) AS given(
        tenant_id uuid, integration_id uuid, kind text, place text, permission text, label text, reason text,
        stream_name text, stream_label text, stream_metadata jsonb, stream_key text, whole boolean, place_stream jsonb,
        by_hand boolean
    )
), superseded AS (
    DELETE FROM owed_reads AS owed
    USING given
    WHERE given.kind = 'permission' AND owed.kind = 'failure'
      AND owed.integration_id = given.integration_id AND owed.stream_key = given.stream_key
)
INSERT INTO owed_reads AS known (
    tenant_id, integration_id, kind, place, permission, label, reason, stream_name, stream_label, stream_metadata,
    stream_key, whole, place_stream, attempts, due_at
)
SELECT tenant_id, integration_id, kind, place, permission, label, reason, stream_name, stream_label, stream_metadata,
       stream_key, whole, NULLIF(place_stream, 'null'), 1,
       now() + CASE WHEN by_hand THEN interval '100 years' WHEN kind = 'permission' THEN interval '1 day'
                    ELSE interval '0' END
FROM given
ON CONFLICT (integration_id, place, permission) DO UPDATE
SET kind = excluded.kind,
    label = excluded.label,
    reason = excluded.reason,
    stream_name = excluded.stream_name,
    stream_label = excluded.stream_label,
    stream_metadata = excluded.stream_metadata,
    stream_key = excluded.stream_key,
    whole = known.whole OR excluded.whole,
    place_stream = excluded.place_stream,
    attempts = known.attempts + 1,
    due_at = now() + CASE WHEN excluded.due_at > now() + interval '1 year' THEN interval '100 years'
                          WHEN excluded.kind = 'permission' OR known.attempts >= 6 THEN interval '1 day'
                          ELSE interval '0' END,
    updated_at = now()
