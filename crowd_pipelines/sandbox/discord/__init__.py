"""A simulated Discord (REST API v10)."""
