"""Reports over the store: frames for programs, pictures for people."""
