"""Grafana: its data source, where it finds dashboards, and the one dashboard of the deployment."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

from infra_gen.model.filetree import File
from infra_gen.model.plan import GIB, Plan, counted
from infra_gen.model.stack import Panel, Service, Stack, Unit
from infra_gen.render.yamldoc import Noted, dump
from infra_gen.targets.names import HEADER

_FOLDER = "monitoring/grafana"
_SCHEMA = 42  # of Grafana 13.2: packages/grafana-schema
_UID = "prometheus"
_SOURCE = {"type": "prometheus", "uid": _UID}
_ROWS = ("Load", "Latency", "Throughput", "Cache", "Errors", "GPU")
_UNITS: dict[Unit, str] = {
    "none": "short",
    "seconds": "s",
    "tokens": "short",
    "requests": "short",
    "percent": "percentunit",
    "bytes": "bytes",
    "tokens_per_second": "suffix:tokens/s",
}
_COLUMNS, _HEIGHT, _TEXT_HEIGHT = 24, 8, 4


def grafana_files(stack: Stack, address: Callable[[Service], str]) -> dict[str, File]:
    """The files by path; `address` says where Prometheus is found, as host:port."""
    text = json.dumps(dashboard(stack), indent=2, ensure_ascii=False)
    return {
        f"{_FOLDER}/datasource.yaml": File(_datasource(address(stack.service("metrics")))),
        f"{_FOLDER}/provider.yaml": File(_provider(stack)),
        f"{_FOLDER}/dashboards/{stack.name}.json": File(f"{text}\n"),
    }


def _datasource(address: str) -> str:
    source: dict[str, object] = {
        "name": "Prometheus",
        "uid": Noted(_UID, "The dashboard asks for the source of this name."),
        "type": "prometheus",
        "access": "proxy",
        "url": f"http://{address}",
        "isDefault": True,
        "editable": False,
        "jsonData": {"httpMethod": "POST", "timeInterval": "15s"},
    }
    return dump({"apiVersion": 1, "datasources": [source]}, HEADER)


def _provider(stack: Stack) -> str:
    folder = f"{_FOLDER}/dashboards"
    configs = stack.service("dashboard").configs
    provider: dict[str, object] = {
        "name": "infra-gen",
        "type": "file",
        "disableDeletion": True,
        "allowUiUpdates": Noted(
            False, "Changes in the browser would be lost: save a copy of the dashboard instead."
        ),
        "options": {"path": next(one.path for one in configs if one.source == folder)},
    }
    return dump({"apiVersion": 1, "providers": [provider]}, HEADER)


def dashboard(stack: Stack) -> dict[str, object]:
    """The dashboard in the form that Grafana reads."""
    firing = 'ALERTS{alertstate="firing"}'
    return {
        "uid": stack.name,
        "title": f"{stack.name}: {stack.plan.model_name} on {stack.plan.engine}",
        "description": HEADER,
        "tags": ["infra-gen"],
        "schemaVersion": _SCHEMA,
        "editable": False,
        "timezone": "browser",
        "time": {"from": "now-6h", "to": "now"},
        "refresh": "30s",
        "graphTooltip": 1,
        "annotations": {
            "list": [
                {
                    "name": "Alerts",
                    "enable": True,
                    "iconColor": "red",
                    "datasource": _SOURCE,
                    "target": {"refId": "Anno", "expr": firing},
                    "titleFormat": "{{alertname}}",
                }
            ]
        },
        "templating": {"list": []},
        "panels": [{"id": number, **one} for number, one in enumerate(_panels(stack), 1)],
    }


def _panels(stack: Stack) -> Iterator[dict[str, object]]:
    """The plan in words, then a row of charts for each subject that has any."""
    yield {
        "type": "text",
        "title": "The plan",
        "transparent": True,
        "gridPos": _place(_TEXT_HEIGHT, _COLUMNS, 0, 0),
        "options": {"mode": "markdown", "content": _words(stack.plan)},
    }
    top = _TEXT_HEIGHT
    for row in _ROWS:
        charts = [one for service in stack.services for one in service.panels if one.row == row]
        if not charts:
            continue
        yield {
            "type": "row",
            "title": row,
            "collapsed": False,
            "gridPos": _place(1, _COLUMNS, 0, top),
            "panels": [],
        }
        top += 1
        across = 2 if len(charts) in (1, 2, 4) else 3
        width = _COLUMNS // across
        for number, chart in enumerate(charts):
            line, column = divmod(number, across)
            yield _chart(chart, _place(_HEIGHT, width, column * width, top + line * _HEIGHT))
        top += -(-len(charts) // across) * _HEIGHT


def _place(height: int, width: int, x: int, y: int) -> dict[str, int]:
    return {"h": height, "w": width, "x": x, "y": y}


def _chart(panel: Panel, place: dict[str, int]) -> dict[str, object]:
    defaults: dict[str, object] = {
        "unit": _UNITS[panel.unit],
        "min": 0,
        "custom": {"fillOpacity": 8, "showPoints": "never", "spanNulls": False},
    }
    if panel.unit == "percent":
        defaults["max"] = 1
    if panel.limit is not None:
        defaults["custom"] = {
            "axisSoftMax": panel.limit,
            "fillOpacity": 8,
            "showPoints": "never",
            "spanNulls": False,
            "thresholdsStyle": {"mode": "dashed"},
        }
        steps = [{"color": "transparent", "value": None}, {"color": "orange", "value": panel.limit}]
        defaults["thresholds"] = {"mode": "absolute", "steps": steps}
    return {
        "type": "timeseries",
        "title": panel.title,
        "description": f"{panel.because}{_limit(panel)}",
        "gridPos": place,
        "datasource": _SOURCE,
        "targets": [
            {"refId": letter, "expr": query.expr, "legendFormat": query.legend, "range": True}
            for letter, query in zip("ABCDEFGH", panel.queries, strict=False)
        ],
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": {
            "legend": {
                "showLegend": True,
                "displayMode": "list",
                "placement": "bottom",
                "calcs": ["lastNotNull", "max"],
            },
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
    }


def _limit(panel: Panel) -> str:
    """What the dashed line is, where there is one."""
    if panel.limit is None:
        return ""
    return f" Dashed line: {panel.limit_name}, {_said(panel.limit, panel.unit)}."


def _said(value: float, unit: Unit) -> str:
    match unit:
        case "bytes":
            return f"{value / GIB:.1f} GiB"
        case "percent":
            return f"{value:.0%}"
        case "seconds":
            return f"{value:g} s"
        case "tokens":
            return f"{value:,g} tokens"
        case "tokens_per_second":
            return f"{value:,g} tokens/s"
        case _:
            return f"{value:,g}"


def _rounded(value: float) -> str:
    """Two digits that count, never an exponent."""
    return f"{float(f'{value:.2g}'):,.15g}"


def _words(plan: Plan) -> str:
    """The plan in one paragraph."""
    machine, limits, peak = plan.machine, plan.limits, plan.performance.peak
    used = plan.parallelism.devices_per_replica if machine.is_gpu else 1
    at_once = limits.max_num_seqs * plan.parallelism.data
    text = (
        f"**{plan.model_name}** ({plan.weights.quantization}) served by {plan.engine} "
        f"{plan.engine_version} on {used} x {machine.name}, planned for "
        f"**{counted(plan.users, 'user')}** (workload {plan.workload}): at most "
        f"**{counted(at_once, 'request')}** at once, each of up to {limits.context:,} tokens."
    )
    if peak and peak.ttft_ms is not None and peak.tpot_ms is not None:
        text += (
            f" At the peak an answer was predicted to begin after {_rounded(peak.ttft_ms / 1e3)} s and to "
            f"go on with a token every {_rounded(peak.tpot_ms)} ms"
            f" (give or take {plan.performance.error_band:.0%})."
        )
    return (
        f"{text} Dashed lines are the plan, or where an alert fires; red marks are alerts that fired. "
        "Each chart says what it means behind its (i). What to do about an alert stands in README.md."
    )
