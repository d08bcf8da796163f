"""Engine-neutral services added to the engine: metrics."""
