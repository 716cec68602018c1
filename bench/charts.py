"""
Charts as SVG text: bars for what stands side by side, lines for what grows. Pure, no library.

They carry a title and a description for who cannot see them, and take their colours from the reader's light or dark
scheme. No figure is in a chart that is not in a table as well.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

_WIDTH = 720
_LABEL_WIDTH = 190
_VALUE_WIDTH = 110
_ROW = 30
_TOP = 46
_MARGIN = 16
# How many times ours a bar may be before it is cut.
_CUT = 5

# Contrast of text and marks against either background is at least 4.5 to 1 (WCAG 2.2, 1.4.3).
_STYLE = """
    .background { fill: #ffffff; } text { fill: #1f2328; font: 13px system-ui, sans-serif; }
    .title { font-weight: 600; font-size: 15px; } .quiet { fill: #59636e; } .grid { stroke: #d1d9e0; }
    .other { fill: #6e7781; } .ours { fill: #0969da; } .line { fill: none; stroke-width: 2; }
    .series0 { stroke: #0969da; } .series1 { stroke: #bc4c00; } .series2 { stroke: #1a7f37; }
    .series3 { stroke: #8250df; } .fill0 { fill: #0969da; } .fill1 { fill: #bc4c00; } .fill2 { fill: #1a7f37; }
    .fill3 { fill: #8250df; }
    @media (prefers-color-scheme: dark) {
      .background { fill: #0d1117; } text { fill: #f0f6fc; } .quiet { fill: #9198a1; } .grid { stroke: #3d444d; }
      .other { fill: #9198a1; } .ours { fill: #4493f8; } .series0 { stroke: #4493f8; } .series1 { stroke: #f0883e; }
      .series2 { stroke: #3fb950; } .series3 { stroke: #ab7df8; } .fill0 { fill: #4493f8; } .fill1 { fill: #f0883e; }
      .fill2 { fill: #3fb950; } .fill3 { fill: #ab7df8; }
    }
"""
_SERIES = 4


@dataclass(frozen=True, slots=True)
class Bar:
    """One row; ours stands out."""

    label: str
    value: float
    is_ours: bool


def bar_chart(title: str, unit: str, bars: Sequence[Bar]) -> str:
    """
    Horizontal bars from zero. Raises ValueError without any bar.

    One that is many times as long as ours is cut, with a gap before its end: beside it the others would all look alike.
    """
    if not bars:
        raise ValueError("a chart needs at least one bar")
    longest = _longest(bars)
    rows = [_bar(bar, number, bar.value / longest) for number, bar in enumerate(bars)]
    if any(bar.value > longest for bar in bars):
        unit += "; a bar with a gap is longer than shown"
    told = "; ".join(f"{bar.label} {shown(bar.value)}" for bar in bars)
    return _svg(title, f"{unit}: {told}.", _TOP + len(bars) * _ROW + _MARGIN, rows, unit)


def _longest(bars: Sequence[Bar]) -> float:
    highest = max(bar.value for bar in bars) or 1.0
    ours = max((bar.value for bar in bars if bar.is_ours), default=0.0)
    return min(highest, ours * _CUT) if ours else highest


def _bar(bar: Bar, number: int, share: float) -> str:
    top = _TOP + number * _ROW
    left = _MARGIN + _LABEL_WIDTH
    length = min(share, 1.0) * (_WIDTH - _LABEL_WIDTH - _VALUE_WIDTH - 2 * _MARGIN)
    kind = "ours" if bar.is_ours else "other"
    gap = f'<rect class="background" x="{left + length - 24:.1f}" y="{top}" width="6" height="{_ROW}"/>'
    return (
        f'<text x="{left - 8}" y="{top + 19}" text-anchor="end">{escape(bar.label)}</text>'
        f'<rect class="{kind}" x="{left}" y="{top + 5}" width="{max(length, 1):.1f}" height="{_ROW - 10}" rx="2"/>'
        f"{gap if share > 1 else ''}"
        f'<text x="{left + length + 6:.1f}" y="{top + 19}">{shown(bar.value)}</text>'
    )


def line_chart(title: str, unit: str, series: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """
    Values over counts, the counts on a logarithmic axis and the values from zero.

    Raises ValueError for no point, a count below 1, or more lines than there are colours.
    """
    points = [point for line in series.values() for point in line]
    if not points or min(count for count, _ in points) < 1 or len(series) > _SERIES:
        raise ValueError(f"a chart of lines needs points with counts from 1 on, and at most {_SERIES} lines")
    plot = _Plot(max(2.0, *(count for count, _ in points)), max(value for _, value in points) or 1.0)
    parts = plot.axes()
    for number, (label, line) in enumerate(series.items()):
        parts += plot.line(number, label, line)
    told = "; ".join(
        f"{label}: {', '.join(f'{shown(value)} at {count:,.0f}' for count, value in line)}"
        for label, line in series.items()
    )
    return _svg(title, f"{unit} by count: {told}.", _Plot.BOTTOM + 40 + 22 * len(series), parts, unit)


class _Plot:
    """Where counts and values lie on the paper."""

    LEFT, RIGHT, TOP, BOTTOM = 70, _WIDTH - 30, 60, 300

    def __init__(self, most: float, highest: float) -> None:
        self._decades = math.ceil(math.log10(most))
        self._step = _round_step(highest / 4)
        self._steps = max(1, math.ceil(highest / self._step))

    def axes(self) -> list[str]:
        parts = []
        for decade in range(self._decades + 1):
            x = self._x(10**decade)
            parts.append(f'<line class="grid" x1="{x:.1f}" y1="{self.TOP}" x2="{x:.1f}" y2="{self.BOTTOM}"/>')
            parts.append(
                f'<text class="quiet" x="{x:.1f}" y="{self.BOTTOM + 18}" text-anchor="middle">{10**decade:,}</text>'
            )
        for step in range(self._steps + 1):
            value = self._step * step
            y = self._y(value)
            parts.append(f'<line class="grid" x1="{self.LEFT}" y1="{y:.1f}" x2="{self.RIGHT}" y2="{y:.1f}"/>')
            place = f'x="{self.LEFT - 8}" y="{y + 4:.1f}" text-anchor="end"'
            parts.append(f'<text class="quiet" {place}>{shown(value)}</text>')
        return parts

    def line(self, number: int, label: str, line: Sequence[tuple[float, float]]) -> list[str]:
        places = [(self._x(count), self._y(value)) for count, value in line]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        # A dash of its own as well: colours alone do not tell lines apart for everybody.
        dash = ("", "7 4", "2 3", "9 3 2 3")[number]
        y = self.BOTTOM + 42 + 22 * number
        return [
            f'<polyline class="line series{number}" stroke-dasharray="{dash}" points="{path}"/>',
            *(f'<circle class="fill{number}" cx="{x:.1f}" cy="{y:.1f}" r="4"/>' for x, y in places),
            f'<line class="line series{number}" stroke-dasharray="{dash}" x1="{self.LEFT}" y1="{y - 4}"'
            f' x2="{self.LEFT + 40}" y2="{y - 4}"/>',
            f'<text x="{self.LEFT + 50}" y="{y}">{escape(label)}</text>',
        ]

    def _x(self, count: float) -> float:
        return self.LEFT + (self.RIGHT - self.LEFT) * math.log10(count) / self._decades

    def _y(self, value: float) -> float:
        return self.BOTTOM - (self.BOTTOM - self.TOP) * value / (self._step * self._steps)


def _round_step(least: float) -> float:
    """The next 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least)


def shown(value: float) -> str:
    """Three figures, thousands apart."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _svg(title: str, description: str, height: float, parts: Sequence[str], unit: str) -> str:
    inside = "\n  ".join(parts)
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height:.0f}" width="{_WIDTH}" \
height="{height:.0f}" role="img" aria-labelledby="title description">
  <title id="title">{escape(title)}</title>
  <desc id="description">{escape(description)}</desc>
  <style>{_STYLE}  </style>
  <rect class="background" width="100%" height="100%" rx="6"/>
  <text class="title" x="{_MARGIN}" y="24">{escape(title)}</text>
  <text class="quiet" x="{_MARGIN}" y="41">{escape(unit)}</text>
  {inside}
</svg>
"""
