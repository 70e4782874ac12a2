"""A fleet of servers changes its key while it serves, and no session is lost.

The order of the steps: every server accepts the new key; then every server signs with
it and still accepts the old one; then the old one goes. Servers are restarted one by
one; a request that finds its server stopped goes to another, as a load balancer does.
"""

from __future__ import annotations

import itertools
from contextlib import ExitStack
from pathlib import Path

import pytest
from support import KEY, OLD_KEY, free_port, serve
from visitor import Visitor

pytest.importorskip("gunicorn")

APP = """
import os
from cookiesession import *

interface = SecureCookieSessionInterface(
    os.environ["SECRET_KEY"],
    fallback_keys=os.environ["FALLBACK_KEYS"].split(),
    cookie=CookieOptions(name="session", secure=False),
)

def count(environ, start_response):
    session = get_session(environ)
    if environ["PATH_INFO"] == "/count":
        session["count"] = session.get("count", 0) + 1
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(session.get("count", 0)).encode()]

app = SessionMiddleware(count, interface)
"""
# (what signs, what is accepted too)
STEPS = ((OLD_KEY, ""), (OLD_KEY, KEY), (KEY, OLD_KEY), (KEY, ""))
SERVERS = 3
CLIENTS = 4


class Server:
    """One machine of the fleet: stopped, or serving with one configuration."""

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        self._directory = directory
        self._running = ExitStack()

    def start(self, secret_key: str, fallback_keys: str) -> None:
        command = f"python -m gunicorn --bind 127.0.0.1:{self.port} app:app"
        env = {"SECRET_KEY": secret_key, "FALLBACK_KEYS": fallback_keys}
        self._running.enter_context(
            serve(*command.split(), port=self.port, cwd=self._directory, env=env)
        )

    def stop(self) -> None:
        self._running.close()


class Client(Visitor):
    """Counts its own visits, and knows what the session must say."""

    def __init__(self) -> None:
        super().__init__(0)
        self.count = self.requests = self.lost = 0

    def request(self, servers: list[Server], *, change: bool) -> None:
        """One request to the first server that serves."""
        self.count += change
        for server in servers:
            self.port = server.port
            try:
                reply = self.visit("/count" if change else "/look")
            except ConnectionError:
                continue
            break
        else:
            raise AssertionError("no server serves")
        self.requests += 1
        if int(reply.body) != self.count:
            self.lost += 1
            self.count = int(reply.body)


def test_a_fleet_changes_its_key_and_loses_no_session(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP)
    fleet = [Server(tmp_path) for _ in range(SERVERS)]
    clients = [Client() for _ in range(CLIENTS)]
    first = itertools.cycle(range(SERVERS))

    def traffic() -> None:
        """Every client goes to every server, to read and to write."""
        for client, _, change in itertools.product(
            clients, range(SERVERS), (True, False)
        ):
            start = next(first)
            client.request([*fleet[start:], *fleet[:start]], change=change)

    with ExitStack() as stack:
        for server in fleet:
            stack.callback(server.stop)
            server.start(*STEPS[0])
        traffic()
        rotations = 0
        for step in STEPS[1:]:
            for server in fleet:
                server.stop()
                traffic()
                server.start(*step)
                traffic()
                rotations += 1
        # A client that still had a cookie of the old key would be logged out by now.
        traffic()

    requests = sum(client.requests for client in clients)
    lost = sum(client.lost for client in clients)
    print(f"{requests} requests, {rotations} restarts, {lost} sessions lost")
    assert (rotations, lost) == (SERVERS * (len(STEPS) - 1), 0)
    assert requests == 480
