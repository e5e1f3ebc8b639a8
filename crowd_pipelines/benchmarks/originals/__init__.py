"""How many requests crowd.dev would have made for the same reading, and how few our checks may take, per platform."""
