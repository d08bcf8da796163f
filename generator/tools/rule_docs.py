"""Writes docs/reference/rules/<slug>.md and index.md from the RULE of every rule.

Run after any change of a rule's text; a test compares the result with what is committed.
usage: python generator/tools/rule_docs.py [--check]
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "generator"))  # so that it runs from any folder, installed or not

from infra_gen.rules.contract import Rule  # noqa: E402
from infra_gen.rules.registry import RULES  # noqa: E402

FOLDER = ROOT / "docs" / "reference" / "rules"
_HEADER = "<!-- Written by generator/tools/rule_docs.py from the rule's module; change that. -->\n"


def page(rule: Rule) -> str:
    """The page of one rule."""
    module = rule.slug.replace("-", "_")
    sources = "\n".join(f"- {link(source)}" for source in rule.sources)
    return f"""{_HEADER}
# {rule.slug}

{rule.severity}, confidence {rule.confidence}.
Module: [`{module}.py`](../../../generator/infra_gen/rules/checks/{module}.py).

## What it does

{rule.what}

## Why it is bad

{rule.why}

## Example

```
{rule.bad}
```

## Use instead

```
{rule.good}
```

## Fix

{rule.fix}

Where it is meant so, say why in `infra-gen.yaml`:

```yaml
allow:
  - rule: {rule.slug}
    reason: why this deployment may do it
```

## Sources

{sources}
"""


def index(rules: list[Rule]) -> str:
    """The table of all rules."""
    rows = "\n".join(
        f"| [{rule.slug}]({rule.slug}.md) | {rule.severity} | {rule.confidence} | {rule.what} |"
        for rule in rules
    )
    return f"""{_HEADER}
# Rules

`infra-gen new`, `validate` and `check` judge a deployment's files by these rules. An error makes
the command fail with exit code 3, unless `allow` in `infra-gen.yaml` names the rule and a reason.

| rule | severity | confidence | what it does |
|---|---|---|---|
{rows}
"""


def link(source: str) -> str:
    """A source as a link: an address as it is, `owner/name#1` as the thread."""
    if source.startswith("https://"):
        return f"<{source}>"
    repository, _, number = source.partition("#")
    return f"[{source}](https://github.com/{repository}/issues/{number})"


def outputs() -> dict[Path, str]:
    """Every page with its text."""
    rules = [module.RULE for module in RULES.values()]
    pages = {FOLDER / f"{rule.slug}.md": page(rule) for rule in rules}
    return {**pages, FOLDER / "index.md": index(rules)}


def main() -> int:
    """Write what changed and delete what is left over; with --check only say so."""
    only_check = "--check" in sys.argv
    made = outputs()
    left_over = set(FOLDER.glob("*.md")) - set(made)
    stale = [p for p, t in made.items() if not p.is_file() or p.read_text("utf-8") != t]
    for path in sorted([*stale, *left_over]):
        print(("stale: " if only_check else "wrote " if path in made else "deleted ") + path.name)
        if only_check:
            continue
        if path in made:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(made[path], "utf-8")
        else:
            path.unlink()
    return 1 if only_check and (stale or left_over) else 0


if __name__ == "__main__":
    raise SystemExit(main())
