"""Pictures of planned against measured numbers: dots on two logarithmic axes, drawn as SVG."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

_SIZE, _LEFT, _TOP, _RIGHT, _BOTTOM = 420, 64, 34, 12, 44
_BACK, _INK, _GRID, _BAND = "#ffffff", "#24292f", "#d8dee4", "#eaeef2"
_FONT = "ui-sans-serif, system-ui, 'DejaVu Sans', sans-serif"
_NEAR = 1.2  # the lane of plans that are within a fifth of what was measured


@dataclass(frozen=True, slots=True)
class Dots:
    """Measured and planned numbers of one part of the data, in its colour."""

    name: str
    colour: str
    pairs: Sequence[Sequence[float]]


class _Axes:
    """Places on the picture; both axes have the same ends, whole powers of ten."""

    def __init__(self, values: Iterable[float]) -> None:
        logs = [math.log10(value) for value in values]
        self.low, self.high = math.floor(min(logs)), math.ceil(max(logs))

    def _share(self, value: float) -> float:
        return (math.log10(value) - self.low) / max(1, self.high - self.low)

    def x(self, value: float) -> float:
        return _LEFT + self._share(value) * _SIZE

    def y(self, value: float) -> float:
        return _TOP + (1 - self._share(value)) * _SIZE

    @property
    def ticks(self) -> list[float]:
        return [10.0**power for power in range(self.low, self.high + 1)]


def _text(x: float, y: float, words: str, more: str = "") -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}"{more}>{escape(words, quote=False)}</text>'


def _number(value: float) -> str:
    if value >= 1e6:
        return f"{value / 1e6:g}M"
    return f"{value / 1e3:g}k" if value >= 1e3 else f"{value:g}"


def _frame(axes: _Axes, title: str, unit: str) -> Iterator[str]:
    low, high = axes.ticks[0], axes.ticks[-1]
    corners = [(low, low * _NEAR), (high / _NEAR, high), (high, high), (high, high / _NEAR),
               (low * _NEAR, low), (low, low)]  # fmt: skip
    lane = " ".join(f"{axes.x(x):.1f},{axes.y(y):.1f}" for x, y in corners)
    yield f'<polygon points="{lane}" fill="{_BAND}"/>'
    for tick in axes.ticks:
        x, y = axes.x(tick), axes.y(tick)
        yield f'<path d="M{x:.1f} {_TOP}V{_TOP + _SIZE}M{_LEFT} {y:.1f}H{_LEFT + _SIZE}" stroke="{_GRID}"/>'
        yield _text(x, _TOP + _SIZE + 16, _number(tick), ' text-anchor="middle"')
        yield _text(_LEFT - 6, y + 4, _number(tick), ' text-anchor="end"')
    start, end = f"{axes.x(low):.1f} {axes.y(low):.1f}", f"{axes.x(high):.1f} {axes.y(high):.1f}"
    yield f'<path d="M{start}L{end}" stroke="{_INK}"/>'
    middle = _TOP + _SIZE / 2
    yield _text(_LEFT, 20, title, ' font-weight="bold"')
    yield _text(_LEFT + _SIZE / 2, _TOP + _SIZE + 36, f"measured, {unit}", ' text-anchor="middle"')
    turned = f' text-anchor="middle" transform="rotate(-90 14 {middle:.0f})"'
    yield _text(14, middle, f"planned, {unit}", turned)


def _dots(axes: _Axes, dots: Dots) -> Iterator[str]:
    places = {(round(axes.x(x), 1), round(axes.y(y), 1)) for x, y in dots.pairs}
    circles = "".join(
        f"M{x - 2:.1f} {y:.1f}a2 2 0 1 0 4 0a2 2 0 1 0-4 0" for x, y in sorted(places)
    )
    yield f'<path d="{circles}" fill="{dots.colour}" fill-opacity="0.55"/>'


def svg(title: str, unit: str, parts: Sequence[Dots]) -> str:
    """The picture. Parts that come later lie above."""
    values = [value for dots in parts for pair in dots.pairs for value in pair if value > 0]
    axes = _Axes(values or [1.0, 10.0])
    width, height = _LEFT + _SIZE + _RIGHT, _TOP + _SIZE + _BOTTOM
    said = f"{title}: planned against measured"
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img" aria-label="{escape(said)}">',
        f'<rect width="{width}" height="{height}" fill="{_BACK}"/>',
        f'<g font-family="{_FONT}" font-size="12" fill="{_INK}">',
        *_frame(axes, title, unit),
    ]
    for place, dots in enumerate(parts):
        shown = [pair for pair in dots.pairs if min(pair) > 0]
        out += _dots(axes, Dots(dots.name, dots.colour, shown))
        y = _TOP + 16 + 16 * place
        out.append(f'<circle cx="{_LEFT + 12}" cy="{y - 4}" r="4" fill="{dots.colour}"/>')
        out.append(_text(_LEFT + 22, y, dots.name))
    return "\n".join([*out, "</g>", "</svg>"]) + "\n"
