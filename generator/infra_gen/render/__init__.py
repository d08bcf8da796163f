"""Text and YAML emission."""
