"""The profile as text."""

from __future__ import annotations

import json

from infra_gen.detect.report import Profile

_HEADER = "Written by `infra-gen detect`."
_COMMENTS = {
    "hardware": "a hardware preset, as --hardware takes it",
    "device": "only when no preset is known",
    "visible_gib": "GiB that programs get of one device, the smallest measured; null: not measured",
    "free_gib": "GiB free when this was written; other programs change it",
}


def to_yaml(profile: Profile) -> str:
    """With comments, for people and for `--hardware FILE`."""
    from infra_gen.render.yamldoc import Noted, dump  # noqa: PLC0415 - 30 ms, for this output only

    document = profile.document()
    noted = {k: Noted(v, _COMMENTS[k]) if k in _COMMENTS else v for k, v in document.items()}
    return dump(noted, _HEADER)


def to_json(profile: Profile) -> str:
    """The same keys, for programs."""
    return json.dumps(profile.document(), indent=2) + "\n"
