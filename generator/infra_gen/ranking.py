"""The ranking of hardware for a load, and its document: what the command line asks for."""

from __future__ import annotations

from pathlib import Path

from infra_gen import building
from infra_gen.errors import UsageError
from infra_gen.knowledge.engines import engine_info
from infra_gen.knowledge.offers import Wanted, offers
from infra_gen.knowledge.prices import PriceTable, read_prices
from infra_gen.model.ranking_document import RankingDocument
from infra_gen.model.spec import Spec
from infra_gen.plan.places import Missed, Placed, Ranking
from infra_gen.searching import for_readers

__all__ = [
    "Missed",
    "Placed",
    "PriceTable",
    "Ranking",
    "Wanted",
    "document_of",
    "for_readers",
    "rank",
    "read_prices",
]


def rank(
    spec: Spec,
    base: Path,
    wanted: Wanted,
    prices: PriceTable | None = None,
    limit: int | None = None,
) -> Ranking:
    """Hardware that carries the load of `spec`, whose own hardware counts for nothing.

    The first `limit` places, null: all. Raises UsageError when no hardware is what is wanted.
    """  # fmt: skip
    offered = offers(wanted, prices)
    if not offered:
        raise UsageError(
            "no hardware is what is asked for",
            hint="infra-gen list hardware and infra-gen list instances name all",
        )
    return building.rank(spec, base, offered, wanted.max_devices, limit)


def version_of(engine: str, spec: Spec) -> str:
    """The version that a plan for `spec` takes of that engine."""
    return engine_info(engine, spec.engine_version if spec.engine_name == engine else None).version


def _rounded(value: float | None, digits: int = 3) -> float | None:
    return None if value is None else round(value, digits)


def _place(place: Placed, spec: Spec) -> dict[str, object]:
    found, machine = place.found, place.offer.machine
    candidate, performance, limits = found.candidate, found.performance, found.limits
    preset, split, peak = candidate.model.preset, candidate.parallelism, performance.peak
    return {
        "hardware": machine.id,
        "name": machine.name,
        "vendor": machine.vendor,
        "provider": place.offer.provider,
        "rented_as": place.offer.rented_as,
        "machines": place.machines,
        "devices": place.devices,
        "price_per_hour": _rounded(place.price_per_hour, 4),
        "engine": candidate.engine,
        "engine_version": version_of(candidate.engine, spec),
        "model": {
            "id": preset.id,
            "hf_id": preset.hf_id,
            "quantization": candidate.weights.quantization,
            "weights_bytes": candidate.weights.bytes,
        },
        "parallelism": {
            "tensor": split.tensor,
            "pipeline": split.pipeline,
            "data": split.data,
            "layer_split": split.layer_split,
            "expert": split.expert,
            "replicas": place.machines,
        },
        "limits": {
            "context": limits.context,
            "max_num_seqs": limits.max_num_seqs,
            "max_num_batched_tokens": limits.max_num_batched_tokens,
            "memory_fraction": limits.memory_fraction,
            "kv_cache_dtype": limits.kv_cache_dtype,
        },
        "users_supported": place.users_supported,
        "peak_concurrency": performance.peak_concurrency * place.machines,
        "ttft_ms": _rounded(peak.ttft_ms if peak else None),
        "tpot_ms": _rounded(peak.tpot_ms if peak else None),
        "basis": performance.basis,
        "error_band": _rounded(performance.error_band),
    }


def _miss(miss: Missed) -> dict[str, object]:
    machine = miss.offer.machine
    return {
        "hardware": machine.id, "devices": machine.devices, "why": miss.why, "told": miss.told,
    }  # fmt: skip


def document_of(ranking: Ranking, spec: Spec, currency: str | None) -> RankingDocument:
    """`ranking` for the load of `spec` as the document."""
    load = spec.load
    return RankingDocument.model_validate(
        {
            "load": {
                "users": load.users,
                "workload": load.workload,
                "ttft_ms": load.ttft_ms,
                "tpot_ms": load.tpot_ms,
            },
            "currency": currency,
            "ranking": [_place(place, spec) for place in ranking.placed],
            "misses": [_miss(miss) for miss in ranking.missed],
        }
    )
