"""Every rule by slug."""

from __future__ import annotations

from dataclasses import replace

from infra_gen.model.finding import Finding
from infra_gen.rules.checks import (
    api_key_in_argv,
    architecture_not_in_image,
    cache_not_on_volume,
    concurrency_over_plan,
    drain_not_nested,
    engine_missing,
    env_unknown,
    flag_unknown,
    flag_value_wrong,
    gpu_fallback_unnoticed,
    gpu_reservation_incomplete,
    health_check_missing,
    health_port_mismatch,
    home_not_writable,
    image_not_pinned,
    memory_limits_implicit,
    memory_over_budget,
    metal_in_container,
    metric_unknown,
    metrics_off,
    model_name_mismatch,
    parallelism_not_devices,
    port_on_all_interfaces,
    restart_missing,
    revision_not_pinned,
    scrape_unauthorized,
    secret_in_file,
    shm_too_small,
    slot_context_too_small,
    slots_implicit,
    startup_budget_too_short,
    target_missed,
    trust_remote_code,
    unreadable_file,
    users_over_capacity,
)
from infra_gen.rules.contract import RuleModule
from infra_gen.rules.subject import Subject

RULES: dict[str, RuleModule] = {
    "api-key-in-argv": api_key_in_argv,
    "architecture-not-in-image": architecture_not_in_image,
    "cache-not-on-volume": cache_not_on_volume,
    "concurrency-over-plan": concurrency_over_plan,
    "drain-not-nested": drain_not_nested,
    "engine-missing": engine_missing,
    "env-unknown": env_unknown,
    "flag-unknown": flag_unknown,
    "flag-value-wrong": flag_value_wrong,
    "gpu-fallback-unnoticed": gpu_fallback_unnoticed,
    "gpu-reservation-incomplete": gpu_reservation_incomplete,
    "health-check-missing": health_check_missing,
    "health-port-mismatch": health_port_mismatch,
    "home-not-writable": home_not_writable,
    "image-not-pinned": image_not_pinned,
    "memory-limits-implicit": memory_limits_implicit,
    "memory-over-budget": memory_over_budget,
    "metal-in-container": metal_in_container,
    "metric-unknown": metric_unknown,
    "metrics-off": metrics_off,
    "model-name-mismatch": model_name_mismatch,
    "parallelism-not-devices": parallelism_not_devices,
    "port-on-all-interfaces": port_on_all_interfaces,
    "restart-missing": restart_missing,
    "revision-not-pinned": revision_not_pinned,
    "scrape-unauthorized": scrape_unauthorized,
    "secret-in-file": secret_in_file,
    "shm-too-small": shm_too_small,
    "slot-context-too-small": slot_context_too_small,
    "slots-implicit": slots_implicit,
    "startup-budget-too-short": startup_budget_too_short,
    "target-missed": target_missed,
    "trust-remote-code": trust_remote_code,
    "unreadable-file": unreadable_file,
    "users-over-capacity": users_over_capacity,
}


def run(subject: Subject) -> tuple[Finding, ...]:
    """Every finding of every rule, sorted; what the spec allows is marked with its reason."""
    allowed = {entry.rule: entry.reason for entry in subject.spec.allow}
    found = [
        replace(finding, allowed=allowed.get(finding.rule))
        for module in RULES.values()
        for finding in module.check(subject)
    ]
    return tuple(sorted(found, key=lambda finding: finding.sort_key))
