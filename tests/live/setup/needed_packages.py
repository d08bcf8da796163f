"""usage: needed_packages.py PYPROJECT   Prints what building and running the project needs."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

document = tomllib.loads(Path(sys.argv[1]).read_text("utf-8"))
print(*document["build-system"]["requires"], *document["project"]["dependencies"], sep="\n")
