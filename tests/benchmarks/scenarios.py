"""What is measured, with which cookies, and the proof that a peer does it."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from time import sleep
from typing import Any, NamedTuple

from payloads import SHAPES, SMALL
from peers import Headers, Peer, Touch, own_code


def read(session: Any) -> bool:
    session.get("_user_id")
    return False


def write(session: Any) -> bool:
    session.get("_user_id")
    session["n"] = 2
    return True


def change_inside(session: Any) -> bool:
    session["cart"][0]["count"] += 1
    return True


def change_and_assign(session: Any) -> bool:
    """The same, told to those that do not look inside a value."""
    cart = session["cart"]
    cart[0]["count"] += 1
    session["cart"] = cart
    return True


class Scenario(NamedTuple):
    step: str
    shape: str  # one of SHAPES; any other stands for no cookie
    says: str
    touch: Touch | None = None
    forged: bool = False

    @property
    def name(self) -> str:
        return f"{self.step} {self.shape}"

    def touch_of(self, peer: Peer) -> Touch | None:
        touch = self.touch
        if touch is change_inside and not peer.looks_inside:
            touch = change_and_assign
        return touch and own_code(touch)

    def header(self, cookie: str) -> str:
        """The Cookie header of its requests, made from one of its shape."""
        return forge(cookie) if self.forged else cookie


SCENARIOS = (
    Scenario("s0", "no cookie", "not touched"),
    *(
        scenario
        for shape in ("small", "login")
        for scenario in (
            Scenario("s1", shape, "not touched"),
            Scenario("s2", shape, "one key read", read),
            Scenario("s3", shape, "one key read, one written", write),
            Scenario("s5", shape, "cookie forged, one key read", read, forged=True),
        )
    ),
    Scenario("s4", "2.5 kB", "one key read, one written", write),
    Scenario("nested", "2.5 kB", "a number inside a list changed", change_inside),
)


def cookie_set(headers: Headers) -> str:
    """The last Set-Cookie's ``name=value``; "" if there is none."""
    found = [value for name, value in headers if name.lower() == "set-cookie"]
    return found[-1].partition(";")[0] if found else ""


def cookie_with(peer: Peer, data: dict[str, Any], cookie: str = "") -> str:
    """A Cookie header that holds *data*, made by the peer itself.

    :param cookie: Of the session that the data is added to.
    """

    def fill(session: Any) -> bool:
        for key, value in data.items():
            session[key] = value
        return True

    made = cookie_set(peer.through(fill, peer.bodies[0])(cookie))
    if not made:
        raise RuntimeError(f"{peer.name} sets no cookie")
    return made


def cookies_in_use(sessions: Iterable[tuple[Peer, dict[str, Any]]]) -> list[str]:
    """Cookie headers of sessions that are not new any more.

    They have been written twice, with more than a second between and after: times are
    whole seconds, and only a later write has a creation time to carry.
    """
    sessions = list(sessions)
    new = [cookie_with(peer, {**data, "n": 0}) for peer, data in sessions]
    sleep(1.1)
    again = [
        cookie_with(peer, {"n": data["n"]}, cookie)
        for (peer, data), cookie in zip(sessions, new, strict=True)
    ]
    sleep(1.1)
    return again


def forge(cookie: str) -> str:
    name, _, value = cookie.partition("=")
    return f"{name}={value[:10]}{'A' if value[10] != 'A' else 'B'}{value[11:]}"


def prove(peer: Peer) -> None:
    """Every scenario does to the peer's session what it would do to a dict.

    :raises RuntimeError: If the peer does not do the job that is measured.
    """
    for scenario in SCENARIOS:
        for body in peer.bodies:
            data = deepcopy(SHAPES.get(scenario.shape, SMALL))
            comes = scenario.shape in SHAPES
            cookie = scenario.header(cookie_with(peer, data)) if comes else ""
            valid = comes and not scenario.forged
            done = found(peer, body, cookie, data) == (data if valid else {})
            if done and valid and scenario.touch and scenario.touch(data):
                request = peer.through(scenario.touch_of(peer), body)
                changed = cookie_set(request(cookie))
                done = found(peer, body, changed, data) == data
            if not done:
                raise RuntimeError(f"does not do {scenario.name} with {body} body")


def found(peer: Peer, body: str, cookie: str, data: dict[str, Any]) -> dict[str, Any]:
    """Those items of *data* that a view finds in the session."""
    seen: dict[str, Any] = {}

    def look(session: Any) -> bool:
        seen.update((key, session.get(key)) for key in data)
        return False

    peer.through(look, body)(cookie)
    return {key: value for key, value in data.items() if seen[key] == value}
