-- The statements that give the roles of a deployment their privileges, in order; none where there are no such roles.
-- A table with sealed columns can be read but for those.
WITH ours AS (
    SELECT c.oid::regclass::text AS name,
           CASE WHEN c.relname = :version_table THEN 'SELECT' ELSE 'SELECT, INSERT, UPDATE, DELETE' END AS written,
           string_agg(quote_ident(a.attname), ', ') FILTER (WHERE NOT sealed) AS open,
           bool_or(sealed) AS sealed
    FROM pg_class AS c
    JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped,
    LATERAL (SELECT c.relname || '.' || a.attname = ANY (:sealed) AS sealed) AS which
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')
      AND (c.relname = ANY (:tables) OR c.relname = :version_table)
    GROUP BY c.oid
),
role AS (SELECT rolname AS name FROM pg_roles WHERE rolname IN ('crowd_ingest', 'crowd_read'))
SELECT format('REVOKE ALL ON %s FROM %I', ours.name, role.name) AS statement, 1 AS position FROM ours, role
UNION ALL
SELECT format('GRANT %s ON %s TO %I', written, ours.name, role.name), 2
FROM ours, role WHERE role.name = 'crowd_ingest'
UNION ALL
SELECT format('GRANT SELECT %s ON %s TO %I', CASE WHEN sealed THEN '(' || open || ')' END, ours.name, role.name), 2
FROM ours, role WHERE role.name = 'crowd_read'
ORDER BY position, statement
