"""The results as tables: for a terminal and a note, and for the README."""

from __future__ import annotations

import re
import statistics
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from os import cpu_count
from pathlib import Path
from platform import machine, python_implementation, python_version
from typing import NamedTuple, TypedDict

from scenarios import SCENARIOS, Scenario

#: Microseconds of session cost: kind of body -> peer -> scenario.
Costs = dict[str, dict[str, dict[str, float]]]


class Run(TypedDict):
    costs: Costs
    sizes: dict[str, dict[str, int]]  # bytes of the cookie's value: peer -> shape
    faults: list[str]


class Results(TypedDict):
    environment: str
    runs: list[Run]


class Target(NamedTuple):
    """The most that a session should cost, as a ratio to another's cost."""

    who: str
    to: str
    bounds: Mapping[str, float]  # of the steps that have one


_STEPS = ("s0", "s1", "s2", "s3", "s4", "s5", "nested")


def _target(who: str, to: str, *bounds: float) -> Target:
    return Target(who, to, dict(zip(_STEPS, bounds, strict=False)))


TARGETS = (
    _target("ours", "fair floor", 1.6, 1.6, 1.25, 1.45, 1.15, 1.35),
    _target("ours", "Starlette", 0.4, 0.1, 0.45, 0.5, 1.0, 0.25, 1.5),
    _target("FLASK", "floor B", 2.3, 2.3, 1.7, 2.0, 1.2, 1.7),
    Target("encrypted", "ours", {"s2": 2.2, "s3": 1.6}),
)
OURS = ("ours", "FLASK", "encrypted")
#: What the README shows: the session that most users have, and the largest.
SHOWN = [scenario for scenario in SCENARIOS if scenario.shape != "small"]
#: Who is in its table, and how they are called there.
HEADINGS = {
    "ours": "this",
    "FLASK": "in Flask's format",
    "encrypted": "encrypted",
    **{peer: peer for peer in ("Starlette", "Pyramid", "Django", "Flask", "Beaker")},
}
MARK = "<!-- performance -->"
_PACKAGES = (
    "cookiesession",
    "werkzeug",
    "itsdangerous",
    "cryptography",
    "starlette",
    "pyramid",
    "django",
    "flask",
    "beaker",
)


def environment() -> str:
    """Interpreter, processors and versions, in one line."""
    found = []
    for package in _PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:  # noqa: PERF203
            found.append(f"no {package}")
    python = f"{python_implementation()} {python_version()} on {machine()}"
    return f"{python}, {cpu_count()} CPUs; {', '.join(found)}"


def middle(runs: Sequence[Run]) -> Costs:
    """The median of the runs, number by number."""
    return {
        body: {
            peer: {
                scenario: statistics.median(
                    r["costs"][body][peer][scenario] for r in runs
                )
                for scenario in costs
            }
            for peer, costs in peers.items()
        }
        for body, peers in runs[0]["costs"].items()
    }


def table(title: str, columns: Sequence[str], rows: Mapping[str, Sequence[str]]) -> str:
    """A Markdown table whose columns are also straight in a terminal."""
    lines = [[title, *columns], *([name, *cells] for name, cells in rows.items())]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    lines.insert(1, rule)
    return "".join(
        f"| {first:{widths[0]}} |"
        + "".join(
            f" {cell:>{width}} |" for cell, width in zip(rest, widths[1:], strict=True)
        )
        + "\n"
        for first, *rest in lines
    )


def ratio_table(body: str, runs: Sequence[Run]) -> str:
    """The ratios that have a target: every run's, and in brackets the target."""
    known = runs[0]["costs"]["list"]
    targets = [each for each in TARGETS if each.who in known and each.to in known]
    rows = {
        scenario.name: [_ratios(target, scenario, body, runs) for target in targets]
        for scenario in SCENARIOS
    }
    columns = [f"{target.who} / {target.to}" for target in targets]
    return table(f"ratio, {body} body", columns, rows)


def _ratios(target: Target, scenario: Scenario, body: str, runs: Sequence[Run]) -> str:
    bound = target.bounds.get(scenario.step)
    if bound is None:
        return ""
    ratios = [
        _cost(run, body, target.who, scenario) / _cost(run, body, target.to, scenario)
        for run in runs
    ]
    cells = [f"{ratio:.2f}{'!' if ratio > bound else ' '}" for ratio in ratios]
    return f"{' '.join(cells)} ({bound:.2f})"


def _cost(run: Run, body: str, peer: str, scenario: Scenario) -> float:
    """What a peer costs; a framework has its own body, measured with the lists."""
    costs = run["costs"]
    return (costs[body].get(peer) or costs["list"][peer])[scenario.name]


def cost_table(body: str, costs: Costs) -> str:
    peers = costs[body]
    rows = {
        scenario.name: [f"{peers[peer][scenario.name]:.2f}" for peer in peers]
        for scenario in SCENARIOS
    }
    return table(f"us, {body} body", list(peers), rows)


def size_table(sizes: dict[str, dict[str, int]]) -> str:
    shapes = list(next(iter(sizes.values()), {}))
    rows = {
        peer: [str(size[shape]) for shape in shapes] for peer, size in sizes.items()
    }
    return table("bytes of the cookie's value", shapes, rows)


def report(results: Results) -> str:
    runs = results["runs"]
    costs = middle(runs)
    parts = [
        results["environment"] + "\n",
        "".join(f"{each.name}: {each.says}\n" for each in SCENARIOS),
        "Ratios of each run; in brackets the most that it should be, ! is above it.\n",
        *(ratio_table(body, runs) for body in costs),
        "Microseconds of session cost, the median of the runs.\n",
        *(cost_table(body, costs) for body in costs),
        size_table(runs[0]["sizes"]),
        *(f"NOT MEASURED: {fault}\n" for run in runs for fault in run["faults"]),
    ]
    return "\n".join(parts)


def readme_table(costs: Costs) -> str:
    """The table that users see."""
    peers = [peer for peer in HEADINGS if peer in costs["list"]]
    rows = {
        f"{scenario.shape}, {scenario.says}": [
            brief(costs["list"][peer][scenario.name]) for peer in peers
        ]
        for scenario in SHOWN
    }
    return table("", [HEADINGS[peer] for peer in peers], rows)


def brief(cost: float) -> str:
    """Two digits' worth of microseconds."""
    return f"{max(cost, 0):.1f}" if cost < 10 else f"{cost:.0f}"


def publish(results: Results, page: Path) -> None:
    """Put the table into a page, in place of the first one after the mark."""
    before, mark, after = page.read_text(encoding="utf-8").partition(MARK)
    new = readme_table(middle(results["runs"]))
    after, found = re.subn(r"(?m)(^\|.*\n)+", lambda old: new, after, count=1)
    if not mark or not found:
        raise ValueError(f"{page} has no table after {MARK}")
    page.write_text(before + mark + after, encoding="utf-8")
