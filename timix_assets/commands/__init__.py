"""What `timix-assets` does, one file a command; `cli.py` only reads the command line."""
