"""The six scenarios, and the proof that a peer does the job that is measured."""

from __future__ import annotations

from typing import Any, NamedTuple

from payloads import LARGE, SMALL
from peers import Headers, Peer, Touch


class Scenario(NamedTuple):
    name: str
    says: str
    data: dict[str, Any] | None  # what the cookie holds; None: no cookie
    touch: Touch | None
    forged: bool = False


def read(session: Any) -> bool:
    session.get("user_id")
    return False


def write(session: Any) -> bool:
    session.get("user_id")
    session["n"] = 2
    return True


SCENARIOS = (
    Scenario("s0", "no cookie, untouched", None, None),
    Scenario("s1", "valid cookie, untouched", SMALL, None),
    Scenario("s2", "valid cookie, one key read", SMALL, read),
    Scenario("s3", "valid cookie, one key read and one written", SMALL, write),
    Scenario("s4", "as s3, with 2.5 kB of nested lists and dicts", LARGE, write),
    Scenario("s5", "forged cookie, one key read", SMALL, read, forged=True),
)


def cookie_set(headers: Headers) -> str:
    """The last Set-Cookie's ``name=value``; "" if there is none."""
    found = [value for name, value in headers if name.lower() == "set-cookie"]
    return found[-1].partition(";")[0] if found else ""


def cookie_with(peer: Peer, data: dict[str, Any]) -> str:
    """A Cookie header that holds *data*, made by the peer itself."""

    def fill(session: Any) -> bool:
        for key, value in data.items():
            session[key] = value
        return True

    return cookie_set(peer.through(fill, peer.bodies[0])(""))


def forge(cookie: str) -> str:
    name, _, value = cookie.partition("=")
    return f"{name}={value[:10]}{'A' if value[10] != 'A' else 'B'}{value[11:]}"


def cookie_for(peer: Peer, scenario: Scenario) -> str:
    """The Cookie header of a scenario's requests."""
    if scenario.data is None:
        return ""
    cookie = cookie_with(peer, scenario.data)
    return forge(cookie) if scenario.forged else cookie


def prove(peer: Peer) -> None:
    """A value written in one request is read in the next; a forged cookie is empty.

    :raises RuntimeError: If the peer does not do the job that is measured.
    """
    for body in peer.bodies:
        seen: list[Any] = []

        def look(session: Any, seen: list[Any] = seen) -> bool:
            seen.append((session.get("user_id"), session.get("cart")))
            return False

        cookie = cookie_with(peer, LARGE)
        request = peer.through(look, body)
        for header in (cookie, forge(cookie), ""):
            request(header)
        if seen != [(42, LARGE["cart"]), (None, None), (None, None)]:
            raise RuntimeError(f"{peer.name} with {body} body: read {seen!r:.200}")
        written = cookie_set(peer.through(write, body)(cookie))
        peer.through(look, body)(written)
        if written == cookie or seen[-1] != seen[0]:
            raise RuntimeError(f"{peer.name} with {body} body: a change is lost")
