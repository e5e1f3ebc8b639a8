"""Slack: the channels that an app was invited to, and the people of the workspace."""
