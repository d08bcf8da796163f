"""The profile of this machine."""

from __future__ import annotations

from infra_gen.detect import gather, report
from infra_gen.detect.commands import System
from infra_gen.detect.report import Profile


def profile_here() -> Profile:
    """Ask this machine, at most fifteen seconds long. UsageError on an unknown system."""
    from infra_gen.knowledge import store  # noqa: PLC0415 - loads the records of every preset

    host, seen = gather.look(System())
    return report.profile(host, seen, store.index()["hardware"])
