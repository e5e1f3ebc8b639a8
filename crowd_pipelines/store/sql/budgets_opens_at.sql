-- When budgets of which one gave no slot have one again.
SELECT max(GREATEST(
    next_free_at - make_interval(secs => tolerance),
    CASE WHEN remaining <= capacity * reserve THEN resets_at END,
    clock_timestamp()
))
FROM unnest(CAST(:keys AS text[]), CAST(:tolerances AS float[]), CAST(:reserves AS float[])) AS asked(key, tolerance, reserve)
JOIN rate_budgets USING (key)
