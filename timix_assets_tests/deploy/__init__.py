"""deploy/: the files themselves, and what they start, as processes of this machine."""
