"""What concurrent requests may see, leave behind and send: a model, and nothing else.

It knows the promises, not the code: nothing of the package is imported. A request is a
short list of *events*, each of which happens at once: it reads, perhaps moves a session
from the cookie into the store, and writes. The outcomes of all orders of the events of
some requests are what those requests may lead to, however often the real ones call the
store in between.

Sessions are called ``old`` (the one that all requests bring) and ``new of N`` (what
request N began, counted from 1). A world is ``{"live": {name: contents}, "ended":
[names], "days"}``, a request's memory ``{"saw", "sends", "dropped", ...}``; both are
copied, never changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

World = dict[str, Any]
Memory = dict[str, Any]
Event = Callable[[World, Memory], tuple[World, Memory]]
Contents = Mapping[str, Any]

USER = "user_id"
#: The responses that set no new session: the cookie is left alone, or deleted.
NOTHING, DELETED = "nothing", "deleted"

MEMORY: Memory = {"saw": {}, "sends": NOTHING, "dropped": False}
#: What the session that all requests bring holds, and whether a cookie holds it whole.
STARTS: dict[str, tuple[Contents, bool]] = {
    "anonymous": ({"a": 0}, False),
    "logged in": ({"a": 0, USER: 1}, False),
    "in a cookie": ({"a": 0, USER: 1}, True),
}

# -- what an operation makes of the contents that it sees: what it sets, what it deletes

Change = Callable[[Contents, int], tuple[Contents, set[str]]]
CHANGES: dict[str, Change] = {
    "read": lambda saw, n: ({}, set()),
    "change a": lambda saw, n: ({"a": n}, set()),
    "change b": lambda saw, n: ({"b": n}, set()),
    "log in": lambda saw, n: ({USER: 1, "by": n}, set()),
    "switch": lambda saw, n: ({USER: 2}, set()),
    "log out by pop": lambda saw, n: ({}, {USER} & set(saw)),
    "empty": lambda saw, n: ({}, set(saw)),
    "regenerate": lambda saw, n: ({}, set()),
}
OTHERS = ("log out", "end all", "end others", "expire")
#: What makes a difference, from each start.
OPERATIONS: dict[str, list[str]] = {
    "anonymous": [
        *("read", "change a", "change b", "log in", "regenerate", "empty"),
        *("log out", "end all", "expire"),
    ],
    "logged in": [
        *("read", "change a", "change b", "switch", "log out by pop", "regenerate"),
        *("empty", *OTHERS),
    ],
    # A logout by pop makes the calls that a switch makes.
    "in a cookie": [
        *("read", "change a", "change b", "switch", "regenerate", "empty"),
        *("log out", "end all", "expire"),
    ],
}


# -- outcomes -----------------------------------------------------------------------


def outcome_of(live: Sequence[tuple[str, Contents]], memories: Sequence[Memory]) -> Any:
    """What can be compared: which sessions live; what each request saw, what it sends,
    and whether it says that its change was dropped."""
    return (
        tuple(sorted((name, _frozen(contents)) for name, contents in live)),
        tuple((_frozen(m["saw"]), m["sends"], m["dropped"]) for m in memories),
    )


def outcomes(start: str, operations: Sequence[str]) -> set[Any]:
    """All that concurrent requests may lead to, in any order of their events."""
    contents, pure = STARTS[start]
    world: World = {"live": {}, "ended": [], "days": 0}
    if not pure:
        world["live"] = {"old": contents}
    requests = [
        (_events(start, operation, number), dict(MEMORY))
        for number, operation in enumerate(operations, 1)
    ]
    return set(_run(world, requests))


def ends_with(outcome: Any, arrivals: Sequence[int]) -> Contents | None:
    """What the browser has in the end, if the responses arrive in this order.

    :returns: The contents of its live session; ``None`` without one.
    """
    live, requests = outcome
    cookie = "old"
    for number in arrivals:
        sends = requests[number - 1][1]
        cookie = cookie if sends == NOTHING else sends
    found = dict(live).get(cookie)
    return None if found is None else dict(found)


def _run(world: World, requests: list[tuple[list[Event], Memory]]) -> Iterator[Any]:
    """The outcomes of all orders; what two orders have led to goes on once."""
    states, seen = [(world, requests)], set()
    while states:
        world, requests = states.pop()
        if not any(events for events, _ in requests):
            memories = [memory for _, memory in requests]
            yield outcome_of(list(world["live"].items()), memories)
        for number, (events, memory) in enumerate(requests):
            if events:
                now, then = events[0](world, memory)
                following = [*requests]
                following[number] = (events[1:], then)
                state = repr((now, [(len(left), each) for left, each in following]))
                if state not in seen:
                    seen.add(state)
                    states.append((now, following))


def _frozen(contents: Contents) -> Any:
    return tuple(sorted(contents.items()))


# -- events -------------------------------------------------------------------------


def _events(start: str, operation: str, number: int) -> list[Event]:
    contents, pure = STARTS[start]

    def reads(world: World, memory: Memory) -> tuple[World, Memory]:
        if pure:  # whatever the store holds
            saw = contents if world["days"] == 0 else {}
        else:
            saw = world["live"].get("old", {})
        return world, {
            **memory,
            "saw": saw,
            "ended": not pure and "old" in world["ended"],
            "day": world["days"],
            "stays": "old" if pure else NOTHING,
        }

    def decides(world: World, memory: Memory) -> tuple[World, Memory]:
        # What nothing has changed is written again unless the response is slow.
        asked = any(CHANGES[operation](memory["saw"], number))
        asked = asked or operation == "regenerate" or memory["day"] == world["days"]
        return world, {**memory, "writes": asked}

    def moves_in(world: World, memory: Memory) -> tuple[World, Memory]:
        if not memory["saw"] or not memory["writes"]:
            return world, memory
        if "old" in world["live"] or "old" in world["ended"]:
            return world, memory
        return {**world, "live": {**world["live"], "old": contents}}, memory

    def writes(world: World, memory: Memory) -> tuple[World, Memory]:
        if not memory["saw"]:
            return _begin(world, memory, operation, number)
        if not memory["writes"]:
            return world, memory
        return _write(world, memory, operation, number)

    def logs_out(world: World, memory: Memory) -> tuple[World, Memory]:
        if pure and memory["saw"]:  # nobody may take it over any more
            world = {**world, "ended": [*world["ended"], "old"]}
        return _end(world, ["old"]), {**memory, "sends": DELETED}

    def ends_all(world: World, memory: Memory) -> tuple[World, Memory]:
        return _end(world, _of_user(world)), memory

    def ends_others(world: World, memory: Memory) -> tuple[World, Memory]:
        others = [name for name in _of_user(world) if name != "old"]
        return _end(world, others), memory

    def expires(world: World, memory: Memory) -> tuple[World, Memory]:
        return {"live": {}, "ended": [], "days": world["days"] + 1}, memory

    special: dict[str, list[Event]] = {
        "log out": [reads, logs_out],
        "end all": [ends_all],
        "end others": [reads, ends_others],
        "expire": [expires],
    }
    if operation in special:
        return special[operation]
    return [reads, decides, moves_in, writes] if pure else [reads, decides, writes]


def _begin(
    world: World, memory: Memory, operation: str, number: int
) -> tuple[World, Memory]:
    """A request that found no session: right after an end, only a login begins one."""
    values, _ = CHANGES[operation]({}, number)
    if memory["ended"] and USER not in values:
        return world, {**memory, "dropped": bool(values)}
    if not values:
        return world, memory
    return _new(world, memory, values, number)


def _write(
    world: World, memory: Memory, operation: str, number: int
) -> tuple[World, Memory]:
    """A request that found one: its change goes onto what is there now."""
    values, deleted = CHANGES[operation](memory["saw"], number)
    theirs = world["live"].get("old")
    if theirs is None:  # too late, but a login always succeeds
        if USER in values and USER not in memory["saw"]:
            return _new(world, memory, values, number)
        return world, {**memory, "dropped": operation != "read"}
    merged = {k: v for k, v in theirs.items() if k not in deleted} | dict(values)
    if not merged:
        return _end(world, ["old"]), {**memory, "sends": DELETED}
    if operation == "regenerate" or merged.get(USER) != theirs.get(USER):
        return _new(_end(world, ["old"]), memory, merged, number)
    world = {**world, "live": {**world["live"], "old": merged}}
    return world, {**memory, "sends": memory["stays"]}


def _new(
    world: World, memory: Memory, contents: Contents, number: int
) -> tuple[World, Memory]:
    name = f"new of {number}"
    world = {**world, "live": {**world["live"], name: contents}}
    return world, {**memory, "sends": name}


def _end(world: World, names: Sequence[str]) -> World:
    ended = [name for name in names if name in world["live"]]
    live = {k: v for k, v in world["live"].items() if k not in ended}
    return {**world, "live": live, "ended": [*world["ended"], *ended]}


def _of_user(world: World) -> list[str]:
    return [name for name, contents in world["live"].items() if contents.get(USER) == 1]
