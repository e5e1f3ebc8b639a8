"""Frozen values that every floor shares: members, activities, streams and what processing one returns."""
