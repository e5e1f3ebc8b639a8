-- Let go of records that the pages of their streams show again, and that could be used or are kept anew.
-- One that does not tell its id went if its stream was read again for it and nothing was refused.
DELETE FROM quarantined_records AS kept
USING jsonb_to_recordset(CAST(:read AS jsonb)) AS read(
    integration_id uuid, stream_key text, run_id uuid, found jsonb, refused jsonb
)
WHERE kept.integration_id = read.integration_id AND kept.stream_key = read.stream_key
  AND NOT read.refused ? kept.digest
  AND (read.found ?| kept.record_ids
       OR (kept.record_ids = '{}' AND kept.retry_run_id = read.run_id AND read.refused = '[]'))
