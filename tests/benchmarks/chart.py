"""The results as an SVG: a panel per scenario, a dot per peer, a logarithmic axis."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from math import log10

from report import OURS, SHOWN, Results, brief, middle
from scenarios import Scenario

_WIDTH, _ROW, _HEAD, _LABELS, _AXIS = 430, 20, 46, 92, 250
_LOW, _HIGH = -1.0, 3.0  # powers of ten, in microseconds
_STYLE = """
svg { background: #fff; color: #222; font: 12px system-ui, sans-serif }
text { fill: currentColor } .faint { opacity: .65 } .title { font-weight: 600 }
line { stroke: currentColor; opacity: .18 } circle { fill: #8a8f98 }
.ours circle { fill: #0b6bcb } .ours text { font-weight: 600 }
.floor circle { fill: none; stroke: #8a8f98; stroke-width: 2 }
@media (prefers-color-scheme: dark) {
  svg { background: #16181d; color: #e6e6e6 } .ours circle { fill: #5cb0ff }
}
"""


def draw(results: Results) -> str:
    """The SVG's text."""
    costs = middle(results["runs"])["list"]
    height = _HEAD + _ROW * len(costs) + 40
    panels = [
        f'<g transform="translate({x * _WIDTH + 12},{y * height + 44})">'
        + "".join(_panel(scenario, costs))
        + "</g>\n"
        for index, scenario in enumerate(SHOWN)
        for y, x in [divmod(index, 2)]
    ]
    wide, tall = 2 * _WIDTH + 12, -(-len(panels) // 2) * height + 68
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {tall}"'
        f' width="{wide}" height="{tall}" role="img">\n<style>{_STYLE}</style>\n'
        "<title>Microseconds that a session costs per request</title>\n"
        + _text(12, 24, "Microseconds that a session costs per request", "title")
        + "".join(panels)
        + _text(12, tall - 12, results["environment"].partition(";")[0], "faint")
        + "</svg>\n"
    )


def _panel(scenario: Scenario, costs: dict[str, dict[str, float]]) -> Iterator[str]:
    yield _text(0, 18, f"{scenario.shape}, {scenario.says}", "title")
    bottom = _HEAD + _ROW * len(costs) - 8
    for power in range(int(_LOW), int(_HIGH) + 1):
        x = _place(10.0**power)
        yield f'<line x1="{x}" x2="{x}" y1="{_HEAD - 16}" y2="{bottom}"/>'
        yield _text(x, bottom + 14, f"{10.0**power:g}", "faint", "middle")
    for row, (peer, found) in enumerate(costs.items()):
        cost = found[scenario.name]
        x, y = _place(cost), _HEAD + _ROW * row
        kind = "ours" if peer in OURS else "floor" if "floor" in peer else "peer"
        yield f'<g class="{kind}">'
        yield f'<circle cx="{x}" cy="{y - 4}" r="4.5"/>'
        yield _text(_LABELS - 8, y, peer, "", "end")
        yield _text(x + 9, y, brief(cost)) + "</g>"


def _place(cost: float) -> float:
    """Where on the axis a cost lies; what is too small to show, at its left end."""
    power = max(_LOW, log10(cost)) if cost > 0 else _LOW
    return round(_LABELS + (power - _LOW) / (_HIGH - _LOW) * _AXIS, 1)


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    place = f'x="{x}" y="{y}" text-anchor="{anchor}"'
    return f'<text class="{kind}" {place}>{escape(text)}</text>\n'
