-- Of streams that lead on to a page which their integration run has already, find those that come from that page.
-- Lists that lead in a circle are rare, so their pages are only walked back when the next one is no news.
WITH RECURSIVE back AS (
    SELECT stream.id AS stream_id, stream.parent_id, stream.key, given.next_key
    FROM jsonb_to_recordset(CAST(:leads AS jsonb)) AS given(id uuid, next_key text)
    JOIN integration_streams AS stream ON stream.id = given.id
    JOIN integration_streams AS known ON known.run_id = stream.run_id AND known.key = given.next_key
    UNION ALL
    SELECT back.stream_id, parent.parent_id, parent.key, back.next_key
    FROM back
    JOIN integration_streams AS parent ON parent.id = back.parent_id
    WHERE back.key <> back.next_key
)
SELECT stream_id FROM back WHERE key = next_key
