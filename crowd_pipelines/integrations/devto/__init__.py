"""DEV and every other Forem."""
