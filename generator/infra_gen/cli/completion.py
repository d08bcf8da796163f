"""Shell completion: names of presets as they are typed, and the script that asks for them.

A keystroke waits for this, so names come straight from the index and no record is validated.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Annotated, Any

import typer

HELP = """Print the script that completes infra-gen's commands, options and preset names.

\b
  infra-gen completion bash > ~/.local/share/bash-completion/completions/infra-gen
  infra-gen completion zsh > ~/.zfunc/_infra-gen
  infra-gen completion fish > ~/.config/fish/completions/infra-gen.fish

Open a new shell then. For zsh, ~/.zfunc must be in $fpath before compinit runs.
"""

_VARIABLE = "_INFRA_GEN_COMPLETE"  # typer's name for it
# Bash breaks words at `:` and `=`, which names and counts contain: they are put together again, and
# of an answer only what follows the last `:` is given back.
_BASH = r"""_infra_gen_completion() {
    local IFS=$'\n' line=${COMP_LINE:0:COMP_POINT} words=() piece glue= i last current cut= word
    for ((i = 0; i <= COMP_CWORD; i++)); do
        piece=${COMP_WORDS[i]}
        last=$((${#words[@]} - 1))
        if ((i == COMP_CWORD)) && [[ $line == *[[:space:]] ]]; then
            words+=("")
        elif ((last > 0)) && [[ $glue || $piece == [:=] ]]; then
            words[last]+=$piece
        else
            words+=("$piece")
        fi
        if [[ $piece == [:=] ]]; then glue=1; else glue=; fi
    done
    last=$((${#words[@]} - 1))
    current=${words[last]#--*=}
    if [[ $current == *:* && $COMP_WORDBREAKS == *:* ]]; then
        cut=${current%"${current##*:}"}
    fi
    COMPREPLY=()
    while read -r word; do
        if [[ $word ]]; then COMPREPLY+=("${word#"$cut"}"); fi
    done < <(env COMP_WORDS="${words[*]}" COMP_CWORD="$last" \
        _INFRA_GEN_COMPLETE=complete_bash "$1" 2>/dev/null)
}

complete -o default -F _infra_gen_completion infra-gen
"""

_COUNTED = r"([1-9][0-9]{0,3})[xX](.*)"
_VENDORS = ("nvidia", "amd", "intel", "apple", "cpu")
_TASKS = ("generate", "embed", "rerank")
_KINDS = ("hardware", "instances", "models", "engines", "targets", "workloads", "rules")
_SHELLS = ("bash", "zsh", "fish")


@lru_cache(maxsize=1)
def _index() -> dict[str, dict[str, Any]]:
    import json

    from infra_gen.resources import data_dir

    path = data_dir("presets") / "index.json"
    found: dict[str, dict[str, Any]] = json.loads(path.read_text("utf-8"))
    return found


def _aliases(kind: str) -> Mapping[str, str]:
    aliases: Mapping[str, str] = _index()["aliases"].get(kind, {})
    return aliases


def _begun(names: Iterable[str], incomplete: str) -> list[str]:
    """The names that begin so, any case, with the letters as they were typed."""
    typed = incomplete.lower()
    return sorted(incomplete + name[len(typed) :] for name in names if name.startswith(typed))


def _presets(kind: str, incomplete: str) -> list[str]:
    """Ids, and the shortest alias of each preset whose id does not begin so."""
    typed = incomplete.lower()
    ids = [name for name in _index().get(kind, {}) if name.startswith(typed)]
    shortest: dict[str, str] = {}
    for alias, name in sorted(_aliases(kind).items(), key=lambda pair: (len(pair[0]), pair[0])):
        if typed and alias.startswith(typed) and name not in ids:
            shortest.setdefault(name, alias)
    return _begun([*ids, *shortest.values()], incomplete)


def _device(name: str) -> Mapping[str, Any]:
    """The raw preset of a device by id or alias; empty when there is none."""
    found: Mapping[str, Any] = _index()["hardware"].get(
        _aliases("hardware").get(name.lower(), name.lower()), {}
    )
    return found


def _most(name: str) -> int:
    return int(_device(name).get("max_per_node", 1))


def _sized(incomplete: str) -> list[str]:
    """`apple-m3-16gb` and its sisters, once the chip is named."""
    chip = re.sub(r"-\d*g?b?$", "", incomplete.lower())
    options = _device(chip).get("memory_options", ())
    return _begun([f"{chip}-{option['gib']}gb" for option in options], incomplete)


def _counts(name: str) -> list[int]:
    """1, 2, 4, 8 ... up to what one machine holds, which is always among them."""
    most = _most(name)
    powers = [2**n for n in range(most.bit_length()) if 2**n <= most]
    return powers if most in powers else [*powers, most]


def hardware(incomplete: str) -> list[str]:
    """Devices, instances, sizes and counts: `rtx-40`, `2x40`, `h100:`, `apple-m3-`, `p5.`."""
    name, colon, _ = incomplete.partition(":")
    if colon and _device(name):
        return [w for n in _counts(name) if (w := f"{name}:{n}").startswith(incomplete)]
    counted = re.fullmatch(_COUNTED, incomplete)  # compiled here: most commands never need it
    if counted:
        before = incomplete[: counted.start(2)]
        words = _presets("hardware", counted[2])
        return [before + word for word in words if _most(word) >= int(counted[1])]
    found = [*_presets("hardware", incomplete), *_presets("instances", incomplete)]
    return [*found, *(word for word in _sized(incomplete) if word not in found)]


def models(incomplete: str) -> list[str]:
    """Model presets and auto."""
    return [*_presets("models", incomplete), *_begun(["auto"], incomplete)]


def _engine_names() -> tuple[str, ...]:
    from infra_gen.model.names import ENGINE_NAMES

    return ENGINE_NAMES


def _target_names() -> tuple[str, ...]:
    from infra_gen.model.names import TARGET_NAMES

    return TARGET_NAMES


def engines(incomplete: str) -> list[str]:
    """Engines."""
    return _begun(_engine_names(), incomplete)


def table_engines(incomplete: str) -> list[str]:
    """Engines that have a table."""
    from infra_gen.resources import data_dir

    tables = data_dir("presets").glob("engines/*/table.json")
    return _begun((path.parent.name for path in tables), incomplete)


def engines_or_auto(incomplete: str) -> list[str]:
    """Engines and auto."""
    return _begun([*_engine_names(), "auto"], incomplete)


def targets(incomplete: str) -> list[str]:
    """Targets and auto."""
    return _begun([*_target_names(), "auto"], incomplete)


def workloads(incomplete: str) -> list[str]:
    """Workload presets."""
    return _presets("workloads", incomplete)


def vendors(incomplete: str) -> list[str]:
    """Vendors of devices."""
    return _begun(_VENDORS, incomplete)


def tasks(incomplete: str) -> list[str]:
    """What models are for."""
    return _begun(_TASKS, incomplete)


def kinds(incomplete: str) -> list[str]:
    """Kinds of presets."""
    return _begun(_KINDS, incomplete)


def shells(incomplete: str) -> list[str]:
    """Shells that there is a script for."""
    return _begun(_SHELLS, incomplete)


def _rules(incomplete: str) -> list[str]:
    """Slugs: a rule's module is called like it. Importing them all would take too long."""
    from importlib import resources

    modules = resources.files("infra_gen") / "rules" / "checks"
    slugs = (m.name.removesuffix(".py").replace("_", "-") for m in modules.iterdir())
    return _begun((slug for slug in slugs if not slug.startswith("-")), incomplete)


def _names(kind: str, incomplete: str) -> list[str]:
    if kind == "hardware":
        return [*_presets(kind, incomplete), *_sized(incomplete)]
    if kind == "rules":
        return _rules(incomplete)
    fixed = {"engines": _engine_names, "targets": _target_names}.get(kind)
    return _begun(fixed(), incomplete) if fixed else _presets(kind, incomplete)


def anything(incomplete: str) -> list[str]:
    """Kinds, and names of every kind."""
    found = [name for kind in _KINDS for name in _names(kind, incomplete)]
    return sorted({*kinds(incomplete), *found})


def of_kind(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of the kind that stands before."""
    return _names(str(ctx.params.get("first") or ""), incomplete)


def answer_shells() -> None:
    """Make typer know the shells when one of them asks. Called before the app runs."""
    if _VARIABLE in os.environ:
        from typer._completion_classes import completion_init

        completion_init()


def _script(shell: str) -> str:
    if shell == "bash":
        return _BASH
    from typer._completion_shared import get_completion_script

    script = get_completion_script(prog_name="infra-gen", complete_var=_VARIABLE, shell=shell)
    return script.strip() + "\n"


def completion(
    shell: Annotated[
        str,
        typer.Argument(metavar="SHELL", help="bash, zsh or fish.", autocompletion=shells),
    ],
) -> int:
    """Print the script."""
    from infra_gen.errors import ExitCode, UsageError, did_you_mean

    if shell not in _SHELLS:
        raise UsageError(f"no completion for {shell!r}", hint=did_you_mean(shell, _SHELLS))
    typer.echo(_script(shell), nl=False)
    return ExitCode.CLEAN
