"""X, formerly Twitter: followers, mentions and hashtags."""
