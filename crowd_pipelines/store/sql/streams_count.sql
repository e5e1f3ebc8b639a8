-- How far the lineages of some roots are: per root, what is over, what is left and what it brought.
SELECT root.id AS root_id,
       root.label,
       root.run_id,
       count(*) AS streams,
       count(*) FILTER (WHERE stream.state = 'processed') AS processed,
       count(*) FILTER (WHERE stream.state = 'skipped') AS skipped,
       count(*) FILTER (WHERE stream.state = 'owed') AS owed,
       count(*) FILTER (WHERE stream.state = 'error' AND stream.due_at IS NULL) AS failed,
       count(*) FILTER (WHERE stream.due_at IS NOT NULL) AS unfinished,
       coalesce(sum(stream.requests), 0) AS requests,
       coalesce(sum(stream.waited_seconds), 0) AS waited_seconds,
       coalesce(sum(stream.activities), 0) AS activities,
       coalesce(sum(stream.members), 0) AS members,
       coalesce(sum(stream.quarantined), 0) AS quarantined,
       coalesce(sum(stream.left_out), 0) AS left_out,
       coalesce(sum(stream.unread), 0) AS unread
FROM integration_streams AS root
JOIN integration_streams AS stream ON stream.run_id = root.run_id AND stream.root_id = root.id
WHERE root.run_id = ANY(:run_ids) AND root.id = root.root_id
  AND (CAST(:roots AS uuid[]) IS NULL OR root.id = ANY(CAST(:roots AS uuid[])))
GROUP BY root.id, root.label, root.run_id
ORDER BY root.id
