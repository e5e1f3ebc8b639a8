"""Discord: guilds read by a bot over REST."""
