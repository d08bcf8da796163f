"""Podman Quadlet."""
