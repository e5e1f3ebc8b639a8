"""How many requests the original would have made for the same reading, per platform."""
