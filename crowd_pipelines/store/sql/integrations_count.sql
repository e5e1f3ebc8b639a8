-- Count records in the page's own transaction. The window of the global limit begins anew when its time has come.
-- Returns the end of the window when the limit is reached, else nothing.
UPDATE integrations
SET limit_count = :records + CASE
        WHEN limit_last_reset_at + make_interval(secs => :window_seconds) > now() THEN limit_count ELSE 0
    END,
    limit_last_reset_at = CASE
        WHEN limit_last_reset_at + make_interval(secs => :window_seconds) > now() THEN limit_last_reset_at ELSE now()
    END
WHERE id = :id
RETURNING CASE
    WHEN limit_count >= :limit THEN limit_last_reset_at + make_interval(secs => :window_seconds)
END
