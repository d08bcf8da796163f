"""The constants of a speed table as numbers to fit, and the table as text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import ClassVar

from infra_gen.model.calibration_speed import ANY, EngineSpeed, Kernels, Times, names_of
from infra_gen.model.sourced import Sourced
from tools.fit_speed_rows import Row

# Where a fit starts when nothing is known, and what it may not leave.
_START = {
    "weights": (0.8, 0.03, 1.0),
    "experts": (0.6, 0.03, 1.0),
    "matrices": (0.6, 0.03, 1.0),
    "expert_matrices": (0.4, 0.03, 1.0),
    "cache": (0.9, 0.05, 1.0),
    "attention": (0.6, 0.05, 1.0),
    "link_share": (0.7, 0.05, 1.0),
    "step_us": (200.0, 1.0, 5000.0),
    "layer_us": (10.0, 0.5, 200.0),
    "expert_layer_us": (20.0, 0.5, 300.0),
    "state_layer_us": (20.0, 0.5, 300.0),
    "sequence_us": (10.0, 0.3, 60.0),
    "stream_us": (5.0, 0.3, 60.0),
    "launch_us": (700.0, 50.0, 3000.0),
    "link_us": (8.0, 0.5, 60.0),
    "read_gb_s": (1300.0, 200.0, 4000.0),
    "sharpness": (3.0, 1.0, 8.0),
    "expert_sharpness": (2.0, 1.0, 8.0),
    "coverage": (0.8, 0.4, 1.0),
    "arrival_ms": (20.0, 1.0, 100.0),
    "burst": (0.06, 0.001, 0.5),
}
_KERNELS = ("weights", "experts", "matrices", "expert_matrices")
_TIMES = tuple(n for n in _START if n in Times.model_fields)
_SOURCE = "generator/tools/fit_speed.py from tests/measurements/speed"
# Constants that no row of an engine speaks of stay as they are.
_FIXED = {
    "vllm": ("state_layer_us", "read_gb_s", "sharpness"),
    "llama.cpp": ("link_us", "link_share", "launch_us", "sequence_us", "stream_us", "expert_sharpness",
                  "coverage", "arrival_ms",
                  "burst"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Constant:
    """One number of a table: where it is, where it starts now and afresh, and its bounds."""

    COMMON: ClassVar[tuple[str, ...]] = (
        "sharpness",
        "expert_sharpness",
        "coverage",
        "arrival_ms",
        "burst",
    )

    part: str
    index: int
    name: str
    start: float
    fresh: float
    low: float
    high: float


def _constant(part: str, index: int, name: str, now: float) -> Constant:
    fresh, low, high = _START[name]
    return Constant(part, index, name, min(high, max(low, now)), fresh, low, high)


def constants_of(table: EngineSpeed, rows: Iterable[Row]) -> list[Constant]:
    """The numbers of rows that are not assumed; with `rows`, only those that one of them needs."""
    fixed = _FIXED[table.id]
    seen = list(rows)
    found = []
    for index, kernels in enumerate(table.kernels):
        experts = [r.preset.architecture.moe is not None for r in seen if _uses(kernels, r)]
        if kernels.assumed or (seen and not experts):
            continue
        names = _KERNELS if not seen or any(experts) else ("weights", "matrices")
        found += [_constant("kernels", index, n, getattr(kernels, n)) for n in names]
    for index, times in enumerate(table.times):
        if times.assumed or (seen and not any(_named(times.hardware, r) for r in seen)):
            continue
        for name in _TIMES:
            now = getattr(times, name)
            if name not in fixed and now is not None:
                found.append(_constant("times", index, name, now))
    for name in Constant.COMMON:
        if name not in fixed:
            found.append(_constant("", 0, name, getattr(table, name).value or 0.0))
    return found


def _named(hardware: str, row: Row) -> bool:
    return hardware in names_of(row.machine)[:-2]


def _uses(kernels: Kernels, row: Row) -> bool:
    return _named(kernels.hardware, row) and kernels.precision in (row.precision, ANY)


def speaks_of(table: EngineSpeed, constant: Constant, row: Row) -> bool:
    """Whether the prediction for a row may depend on this number."""
    if constant.part == "kernels":
        return _uses(table.kernels[constant.index], row)
    if constant.part == "times":
        return _named(table.times[constant.index].hardware, row)
    return True


def with_values(
    table: EngineSpeed, constants: Sequence[Constant], values: Sequence[float]
) -> EngineSpeed:
    """The table with these numbers in it."""
    kernels: dict[int, dict[str, float]] = {}
    times: dict[int, dict[str, float]] = {}
    update: dict[str, object] = {}
    for constant, value in zip(constants, values, strict=True):
        if constant.part == "kernels":
            kernels.setdefault(constant.index, {})[constant.name] = value
        elif constant.part == "times":
            times.setdefault(constant.index, {})[constant.name] = value
        else:
            held = getattr(table, constant.name)
            update[constant.name] = held.model_copy(update={"value": value})
    update["kernels"] = tuple(
        row.model_copy(update=kernels.get(i, {})) for i, row in enumerate(table.kernels)
    )
    update["times"] = tuple(
        row.model_copy(update=times.get(i, {})) for i, row in enumerate(table.times)
    )
    return table.model_copy(update=update)


_ONE_MODEL = 1.5
Errors = Sequence[tuple[Row, float]]


def _band(kernels: Kernels, held: Errors, fitted: Errors) -> float:
    """What 9 of 10 steps and prompts are missed by, first tokens left out.

    Of runs that were held out where there are any, else of the fit, half wider: one model alone does
    not tell how far the next one is off.
    """
    for off, factor in ((held, 1.0), (fitted, _ONE_MODEL)):
        mine = sorted(abs(e) for r, e in off if _uses(kernels, r) and r.kind in ("step", "tpot"))
        if mine:
            return min(1.0, max(0.1, round(factor * mine[int(0.9 * len(mine))], 2)))
    return kernels.band


def _number(value: float | None) -> str:
    if value is None:
        return "null"
    return f"{value:.3g}" if value < 1000 else f"{value:.0f}"


def _origin(row: Kernels | Times) -> str:
    said = [f'source: "{row.source}"'] if row.source else []
    said += ["assumed: true"] if row.assumed else []
    said += [f'note: "{row.note}"'] if row.note else []
    return ", ".join(said)


def _flags(kernels: Kernels) -> list[str]:
    return ["experts_assumed: true"] if kernels.experts_assumed else []


def _common(name: str, held: Sourced[float] | Sourced[int], *, refit: bool) -> str:
    said = [f"value: {_number(held.value)}"]
    if refit:
        said += [f'source: "{_SOURCE}"', f"checked: {date.today().isoformat()}"]
    else:
        said += [f'source: "{held.source}"'] if held.source else []
        said += [f"checked: {held.checked.isoformat()}"] if held.checked else []
        said += ["assumed: true"] if held.assumed else []
        said += [f'note: "{held.note}"'] if held.note else []
    return f"{name}: {{{', '.join(said)}}}"


def text_of(table: EngineSpeed, held: Errors, fitted: Errors) -> str:
    """The file: `presets/calibration/speed/<engine>.yaml`."""
    lines = [
        f"# Speed of {table.id}: shares of hardware limits that kernels reach, and fixed times.",
        "# Written by generator/tools/fit_speed.py; rows that say `assumed` are kept as they are.",
        f"id: {table.id}",
        "kernels:",
    ]
    for kernels in table.kernels:
        band = kernels.band if kernels.assumed else _band(kernels, held, fitted)
        fields = [f"hardware: {kernels.hardware}", f"precision: {kernels.precision}"]
        fields += [f"{n}: {_number(getattr(kernels, n))}" for n in _KERNELS]
        lines.append(
            "  - {"
            + ", ".join([*fields, f"band: {band}", *_flags(kernels), _origin(kernels)])
            + "}"
        )
    lines.append("times:")
    for times in table.times:
        fields = [f"hardware: {times.hardware}"]
        fields += [f"{n}: {_number(getattr(times, n))}" for n in _TIMES if n != "read_gb_s"]
        if times.read_gb_s is not None:
            fields.append(f"read_gb_s: {_number(times.read_gb_s)}")
        lines.append("  - {" + ", ".join([*fields, _origin(times)]) + "}")
    for name in (*Constant.COMMON, "graph_tokens", "relay_us", "acceptance", "acceptance_spread"):
        refit = name in Constant.COMMON and name not in _FIXED[table.id]
        lines.append(_common(name, getattr(table, name), refit=refit))
    versions = ", ".join(f'"{v}"' for v in table.measured)
    lines.append(f"measured: [{versions}]")
    lines.append(_common("unmeasured", table.unmeasured, refit=False))
    return "\n".join(lines) + "\n"
