"""The Dagster deployment: the only package that imports dagster. It launches and shows; the framework does the work."""
