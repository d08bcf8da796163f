"""Spec file, lock, comparison with disk, atomic writing."""
