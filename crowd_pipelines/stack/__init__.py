"""A whole installation on this machine: PostgreSQL, Dagster's processes, and what they need to find each other."""
