"""Which HTTP requests a server on this machine accepts."""
