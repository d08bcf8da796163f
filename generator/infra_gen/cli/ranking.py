"""`infra-gen plan` without hardware: options, checks and the table of the ranking."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from infra_gen.cli import completion
from infra_gen.cli.options import Asked

if TYPE_CHECKING:
    from infra_gen.cli.table import Column
    from infra_gen.model.spec import Spec
    from infra_gen.ranking import Missed, Placed, Ranking

Vendor = Annotated[
    str | None,
    typer.Option(
        help="Ranking: nvidia, amd, intel, apple or cpu only.", autocompletion=completion.vendors
    ),
]
Provider = Annotated[str | None, typer.Option(help="Ranking: instances of aws, azure or gcp only.")]
MaxDevices = Annotated[
    int | None, typer.Option(help="Ranking: at most so many devices, in all machines together.")
]
PriceFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Ranking: YAML or CSV, hardware to the price of an hour."),
]
Limit = Annotated[int | None, typer.Option(help="Ranking: so many places (10).")]

_PLACES = 10
_MISSES = 3
_NAMES = 2  # instances that a row names; --json has all


@dataclass(frozen=True, slots=True)
class Options:
    """What only a ranking takes; None: not given."""

    vendor: str | None = None
    provider: str | None = None
    max_devices: int | None = None
    prices: Path | None = None
    limit: int | None = None

    def given(self) -> list[str]:
        """The flags that were used."""
        used = [one.name for one in fields(self) if getattr(self, one.name) is not None]
        return ["--" + name.replace("_", "-") for name in used]

    def refuse_beside_hardware(self) -> None:
        """UsageError for a flag that a plan for given hardware would leave without a word."""
        from infra_gen.errors import UsageError

        used = self.given()
        if used:
            raise UsageError(
                f"{used[0]} is for ranking hardware, and the hardware is given",
                hint="leave --hardware and DIR out, or the flag",
            )


def rank(asked: Asked, search: Options, *, points: bool, as_json: bool) -> int:
    """Check, search, print; exit 5 when nothing carries the load."""
    from infra_gen import ranking
    from infra_gen.errors import DoesNotFitError, ExitCode

    spec = ranking.for_readers(_spec(asked, search, points=points))
    prices = ranking.read_prices(search.prices) if search.prices else None
    wanted = ranking.Wanted(search.vendor, search.provider, search.max_devices)
    found = ranking.rank(spec, Path(), wanted, prices, search.limit or _PLACES)
    currency = prices.currency if prices else None
    if as_json:
        _print_json(found, spec, currency)
    if not found.placed:
        raise DoesNotFitError(
            f"no hardware carries {spec.load.users} users with {spec.model}",
            hint="; ".join(_told(miss) for miss in found.missed[:_MISSES]) or None,
        )
    if not as_json:
        _print(found, spec, currency, asked)
    return ExitCode.CLEAN


def _spec(asked: Asked, search: Options, *, points: bool) -> Spec:
    """The spec of the load; its hardware is a word that nobody reads."""
    from infra_gen.cli.options import spec_from
    from infra_gen.errors import UsageError

    hint = "--users 200 --model qwen3-32b ranks hardware; --hardware h100:8 plans for that"
    if asked.users is None:
        raise UsageError("neither --hardware nor --users is given", hint=hint)
    if asked.model in (None, "auto"):
        raise UsageError(
            "without --hardware a --model must be named: the least hardware for any model would "
            "run the least model",
            hint="infra-gen list models names all; " + hint,
        )
    if asked.nodes is not None or points:
        flag = "--nodes" if asked.nodes is not None else "--point"
        raise UsageError(f"{flag} needs --hardware", hint=hint)
    if search.limit is not None and search.limit < 1:
        raise UsageError(f"--limit {search.limit}: at least one place")
    return spec_from(replace(asked, hardware="any"))


def _print_json(found: Ranking, spec: Spec, currency: str | None) -> None:
    import json

    from infra_gen.ranking import document_of

    document = document_of(found, spec, currency)
    typer.echo(json.dumps(document.model_dump(mode="json", by_alias=True), indent=2))


def _told(miss: Missed) -> str:
    return f"{miss.offer.machine.id}: {miss.told}"


def _print(found: Ranking, spec: Spec, currency: str | None, asked: Asked) -> None:
    from infra_gen.cli import table

    preset, load = found.placed[0].found.candidate.model.preset, spec.load
    table.heading(f"Hardware that carries {load.users} users of {preset.name}{_terms(spec)}")
    left_out = table.show(_columns(found.placed, currency), "  ")
    if left_out:
        typer.echo(f"no room for: {', '.join(left_out)} (--json has all)", err=True)
    misses = [miss for miss in found.missed if miss.why == "load"]
    if misses:
        table.heading("\nToo little")
        for miss in misses[:_MISSES]:
            typer.echo(f"  {_told(miss)}")
    table.heading("\nNext")
    typer.echo(
        f"  {_command(found.placed[0], replace(asked, ttft_ms=load.ttft_ms, tpot_ms=load.tpot_ms))}"
    )


def _terms(spec: Spec) -> str:
    """` (chat, at most 190 ms a token)`."""
    load, said = spec.load, [spec.load.workload]
    if load.ttft_ms is not None:
        said.append(f"at most {load.ttft_ms:g} ms to the first token")
    if load.tpot_ms is not None:
        said.append(f"at most {load.tpot_ms:g} ms a token")
    return f" ({', '.join(said)})"


def _columns(placed: tuple[Placed, ...], currency: str | None) -> list[Column]:
    from infra_gen.cli.printing import milliseconds
    from infra_gen.cli.table import Column

    founds = [place.found for place in placed]
    peaks = [found.performance.peak for found in founds]
    columns = [
        Column("hardware", tuple(_machines(place) for place in placed)),
        Column("devices", tuple(str(place.devices) for place in placed), right=True),
    ]
    if currency:
        columns.append(Column(f"{currency} an hour", tuple(map(_price, placed)), right=True))
    return [
        *columns,
        Column("engine", tuple(found.candidate.engine for found in founds), drop=3),
        Column("quantization", tuple(found.candidate.weights.quantization for found in founds)),
        Column("users", tuple(str(place.users_supported) for place in placed), right=True),
        Column(
            "first token", tuple(milliseconds(p.ttft_ms if p else None) for p in peaks), right=True
        ),
        Column(
            "per token", tuple(milliseconds(p.tpot_ms if p else None) for p in peaks), right=True
        ),
        Column("within", tuple(f"{f.performance.error_band:.0%}" for f in founds), 2, right=True),
        Column("rented as", tuple(map(_rented, placed)), drop=4, shorten=True),
    ]


def _machines(place: Placed) -> str:
    word = place.offer.machine.id
    return word if place.machines == 1 else f"{place.machines} machines of {word}"


def _price(place: Placed) -> str:
    return "unknown" if place.price_per_hour is None else f"{place.price_per_hour:.2f}"


def _rented(place: Placed) -> str:
    names = place.offer.rented_as
    more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
    return ", ".join(names[:_NAMES]) + more


def _command(place: Placed, asked: Asked) -> str:
    """What plans the first place in full."""
    import shlex

    words = ["infra-gen", "plan", "--hardware", place.offer.machine.id]
    if place.machines > 1:
        words += ["--nodes", str(place.machines)]
    for name in ("users", "model", "engine", "engine_version", "target", "workload", "context",
                 "quantization", "ttft_ms", "tpot_ms", "gpu_fraction"):  # fmt: skip
        value = getattr(asked, name)
        if value is not None:
            shown = f"{value:g}" if isinstance(value, float) else str(value)
            words += ["--" + name.replace("_", "-"), shown]
    for pair in asked.set_args:
        words += ["--set", pair]
    return shlex.join(words)
