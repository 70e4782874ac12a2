"""The results as tables, for a terminal and for a note."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from os import cpu_count
from platform import machine, python_implementation, python_version
from typing import Any

#: Microseconds of session cost: kind of body -> peer -> scenario.
Costs = dict[str, dict[str, dict[str, float]]]

FLOORS = ("floor A", "floor B")
OURS = ("ours", "ours, FLASK")
#: The most that a session should cost, as a ratio: who, to whom, s0 to s5.
TARGETS = (
    ("ours", "floor A", (2.0, 2.0, 1.5, 1.5, 1.3, 1.6)),
    ("ours, FLASK", "floor B", (2.0, 2.0, 1.5, 1.5, 1.2, 1.6)),
    ("ours", "Starlette", (0.5, 0.2, 0.5, 0.5, 1.0, 0.5)),
)
_PACKAGES = (
    "cookiesession",
    "werkzeug",
    "itsdangerous",
    "flask",
    "beaker",
    "pyramid",
    "django",
    "starlette",
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


def table(title: str, columns: Sequence[str], rows: dict[str, list[str]]) -> str:
    """A Markdown table whose columns are also straight in a terminal."""
    wide = max(map(len, [title, *rows]))
    lines = [[title, *columns], ["-" * wide, *("-" * 7 + ":" for _ in columns)]]
    lines += [[name, *cells] for name, cells in rows.items()]
    return "".join(
        f"| {first:{wide}} | {' | '.join(f'{cell:>8}' for cell in cells)} |\n"
        for first, *cells in lines
    )


def cost_table(body: str, costs: Costs, scenarios: Sequence[str]) -> str:
    rows = {
        peer: [f"{found[scenario]:.2f}" for scenario in scenarios]
        for peer, found in costs[body].items()
    }
    return table(f"us, {body} body", scenarios, rows)


def ratio_table(body: str, costs: Costs, scenarios: Sequence[str]) -> str:
    """The ratios that have targets, each with its target and whether it is met."""
    rows: dict[str, list[str]] = {}
    for who, to, bounds in TARGETS:
        mine, theirs = _costs_of(who, body, costs), _costs_of(to, body, costs)
        if mine is None or theirs is None:
            continue
        ratios = [mine[s] / theirs[s] for s in scenarios]
        rows[f"{who} / {to}"] = [f"{ratio:.2f}" for ratio in ratios]
        rows[f"  at most {to}"] = [
            f"{bound:.1f} {'hit' if ratio <= bound else 'MISS'}"
            for ratio, bound in zip(ratios, bounds, strict=True)
        ]
    return table(f"ratio, {body} body", scenarios, rows)


def fastest_table(costs: Costs, scenarios: Sequence[str]) -> str:
    """Us to the fastest of the peers, whichever it is in each scenario."""
    peers = [name for name in costs["list"] if name not in FLOORS + OURS]
    if not peers:
        return ""
    best = [min(peers, key=lambda p: costs["list"][p][s]) for s in scenarios]
    rows = {"fastest peer": best}
    for who in OURS:
        mine = costs["list"].get(who)
        if mine is not None:
            rows[f"{who} - it, us"] = [
                f"{mine[s] - costs['list'][peer][s]:+.2f}"
                for s, peer in zip(scenarios, best, strict=True)
            ]
    return table("to the fastest peer", scenarios, rows)


def wire_table(wire: dict[str, dict[str, int]]) -> str:
    """Old: of a session that was issued before, which some formats say."""
    columns = list(next(iter(wire.values()), {}))
    rows = {
        peer: [str(found[column]) for column in columns] for peer, found in wire.items()
    }
    return table("bytes of the cookie's value", columns, rows)


def report(results: dict[str, Any]) -> str:
    scenarios = list(results["scenarios"])
    costs: Costs = results["costs"]
    parts = [results["environment"] + "\n"]
    parts += [
        "".join(f"{name}: {says}\n" for name, says in results["scenarios"].items())
    ]
    for body in costs:
        parts += [
            cost_table(body, costs, scenarios),
            ratio_table(body, costs, scenarios),
        ]
    parts += [fastest_table(costs, scenarios), wire_table(results["wire"])]
    parts += [f"NOT MEASURED: {fault}\n" for fault in results["faults"]]
    return "\n".join(filter(None, parts))


def _costs_of(peer: str, body: str, costs: Costs) -> dict[str, float] | None:
    """What a peer costs; a framework has its own body, measured with the lists."""
    return costs[body].get(peer) or costs["list"].get(peer)
