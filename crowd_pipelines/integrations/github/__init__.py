"""GitHub: GraphQL throughout, REST only where an app gets its tokens."""
