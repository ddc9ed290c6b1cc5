"""What reading costs: measured, never asserted. `python -m benchmarks [figure …] [--write] [--peers]`."""
