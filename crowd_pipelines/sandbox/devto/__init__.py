"""A simulated DEV (Forem API v1)."""
