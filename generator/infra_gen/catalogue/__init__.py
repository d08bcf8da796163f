"""What `list` and `show` know: every preset, engine, target, workload and rule as frozen rows."""
