"""Typed frozen records; no I/O."""
