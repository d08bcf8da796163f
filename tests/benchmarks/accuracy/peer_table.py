"""Peers' stored answers beside ours on the same rows."""
from __future__ import annotations
def records(): return []
def text(): return []
