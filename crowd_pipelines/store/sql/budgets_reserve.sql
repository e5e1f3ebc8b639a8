-- Take the next free slot of each of some budgets, or of none (the generic cell rate algorithm on the database's clock).
-- Returns the seconds until the latest of these slots; NULL when a budget has none that anyone would wait for in place.
-- What a provider says is left is left alone by those with a reserve until its window ends; a short one is waited for.
WITH asked AS (
    SELECT key, interval, tolerance, reserve
    FROM unnest(
        CAST(:keys AS text[]), CAST(:intervals AS float[]), CAST(:tolerances AS float[]), CAST(:reserves AS float[])
    ) AS asked(key, interval, tolerance, reserve)
), known AS (
    SELECT next_free_at - make_interval(secs => tolerance + :longest) <= clock_timestamp()
           AND NOT COALESCE(
               resets_at > clock_timestamp() + make_interval(secs => :longest) AND remaining <= capacity * reserve, FALSE
           ) AS has_slot,
           CASE WHEN remaining <= capacity * reserve THEN resets_at END AS left_alone_until
    FROM rate_budgets
    JOIN asked USING (key)
    ORDER BY key
    FOR UPDATE OF rate_budgets
), taken AS (
    INSERT INTO rate_budgets AS budget (key, next_free_at)
    SELECT key, statement_timestamp() + make_interval(secs => interval)
    FROM asked
    WHERE NOT EXISTS (SELECT FROM known WHERE NOT has_slot)
    ORDER BY key
    ON CONFLICT (key) DO UPDATE
    SET next_free_at = GREATEST(budget.next_free_at, clock_timestamp()) + (excluded.next_free_at - statement_timestamp()),
        remaining = GREATEST(budget.remaining - 1, 0),
        updated_at = clock_timestamp()
    RETURNING key, next_free_at
)
SELECT GREATEST(
    max(extract(epoch FROM next_free_at - clock_timestamp()) - interval - tolerance),
    (SELECT max(extract(epoch FROM left_alone_until - clock_timestamp())) FROM known),
    0
)
FROM taken
JOIN asked USING (key)
HAVING count(*) > 0
