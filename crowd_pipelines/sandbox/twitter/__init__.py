"""A simulated X: accounts, follows, posts, and an app that was authorised to read them."""
