"""Where infra-gen is published. Generated repositories call its action, hook and preset there.

A placeholder until there is such a place; a test holds that it stands in no other source file.
"""

from __future__ import annotations

from infra_gen import __version__

REPOSITORY = "YOUR-ORG/infra-gen"
TAG = f"v{__version__}"
