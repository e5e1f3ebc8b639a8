"""A simulated GitHub (GraphQL v4, and the REST paths of a GitHub App)."""
