-- Take the next free slot of a budget (the generic cell rate algorithm on the database's clock). Returns the seconds
-- until that slot; no row when it is further away than anyone waits in place, and then nothing is taken.
INSERT INTO rate_budgets AS budget (key, next_free_at)
VALUES (:key, clock_timestamp() + make_interval(secs => :interval))
ON CONFLICT (key) DO UPDATE
SET next_free_at = GREATEST(budget.next_free_at, clock_timestamp()) + make_interval(secs => :interval),
    remaining = GREATEST(budget.remaining - 1, 0),
    updated_at = clock_timestamp()
WHERE budget.next_free_at - make_interval(secs => :tolerance + :longest) <= clock_timestamp()
  AND NOT COALESCE(budget.resets_at > clock_timestamp() AND budget.remaining <= budget.capacity * :reserve, FALSE)
RETURNING GREATEST(
    extract(epoch FROM next_free_at - make_interval(secs => :interval + :tolerance) - clock_timestamp()), 0
)
