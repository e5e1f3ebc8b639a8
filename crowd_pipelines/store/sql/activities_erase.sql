-- Delete a member's newest activities, and count them off what their integrations brought. What others answered loses
-- its `parent_id` by itself. The oldest activity stays for the end: it tells which integration brought the member.
WITH gone AS (
    DELETE FROM activities
    WHERE id = ANY(ARRAY(
        SELECT id FROM activities WHERE member_id = :member_id
          AND id > (SELECT id FROM activities WHERE member_id = :member_id ORDER BY id LIMIT 1)
        ORDER BY id DESC
        LIMIT :limit
    ))
    RETURNING integration_id
), counted AS (
    UPDATE integrations
    SET activity_count = GREATEST(activity_count - brought.activities, 0)
    FROM (SELECT integration_id, count(*) AS activities FROM gone GROUP BY integration_id) AS brought
    WHERE integrations.id = brought.integration_id
)
SELECT count(*) FROM gone
