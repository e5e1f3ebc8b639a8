-- When a budget that gave no slot has one again.
SELECT GREATEST(
    next_free_at - make_interval(secs => :tolerance),
    CASE WHEN remaining <= capacity * :reserve THEN resets_at END,
    clock_timestamp()
)
FROM rate_budgets
WHERE key = :key
