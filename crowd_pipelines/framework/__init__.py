"""The framework: the contract of an integration, and the engine that runs it over the store."""
