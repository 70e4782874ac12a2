"""Races through real HTTP, on every engine, under several processes of gunicorn.

Errors, and answers that take longer than ten seconds, count as losses. The numbers are
small where everybody runs them; ``COOKIESESSION_STRESS=10`` makes ten times as many.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from stores import engines
from support import ROOT, free_port, serve
from visitor import Reply, Visitor

TIMES = int(os.environ.get("COOKIESESSION_STRESS", "1"))
ENGINES = ["sqlite", "postgresql", "mariadb", "redis", "valkey", "cluster"]


@pytest.fixture(scope="module", params=ENGINES)
def spec(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> str:
    """Where the app keeps its sessions."""
    kind: str = request.param
    if kind == "sqlite":
        return f"sqlite:{tmp_path_factory.mktemp('stress') / 'sessions.db'}"
    if kind in ("postgresql", "mariadb"):
        name = "postgres_url" if kind == "postgresql" else "mariadb_url"
        url: str = request.getfixturevalue(name)
        create_table(url)
        return f"sql:{url}"
    port: int = request.getfixturevalue(f"{kind}_port")
    return f"{kind}:{port}"


def create_table(url: str) -> None:
    import sqlalchemy as sa

    from cookiesession.stores import SQLStore

    engine = sa.create_engine(url, poolclass=sa.NullPool)
    SQLStore(engine).create_table()


@pytest.fixture(scope="module", params=[2, 8], ids=["2 processes", "8 processes"])
def port(
    request: pytest.FixtureRequest,
    spec: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[int]:
    """Where the app listens."""
    folder: Path = tmp_path_factory.mktemp("gunicorn")
    with serving(spec, f"--workers {request.param} --threads 4", folder) as port:
        yield port


@contextmanager
def serving(spec: str, options: str, folder: Path) -> Iterator[int]:
    """gunicorn, with these options; where the app listens."""
    port = free_port()
    path = os.pathsep.join([str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")])
    with serve(
        *f"python -m gunicorn {options} --graceful-timeout 1".split(),
        *("--bind", f"127.0.0.1:{port}"),
        "stores.stress_app:app",
        port=port,
        cwd=folder,
        env={"STORE": spec, "PYTHONPATH": path},
    ) as gunicorn:
        yield port
        # It tells its workers: one of gevent's that is told twice may hang.
        gunicorn.terminate()
        gunicorn.wait(10)


def ask(port: int, path: str, cookie: str | None = None) -> Reply:
    """One request of a browser that has this cookie."""
    visitor = Visitor(port)
    if cookie:
        visitor.cookies["session"] = cookie
    return visitor.visit(path)


def value(reply: Reply) -> Any:
    assert reply.status == 200
    return json.loads(reply.body)


def cookie_of(reply: Reply) -> str | None:
    """The cookie that a reply leaves in the browser; "" if it deletes it."""
    cookies = reply.values("Set-Cookie")
    return cookies[-1].partition(";")[0].partition("=")[2] if cookies else None


def begin(port: int, path: str = "/add?key=first&ms=0") -> str:
    cookie = cookie_of(ask(port, path))
    assert cookie
    return cookie


def at_once(*tasks: Any) -> list[Any]:
    with ThreadPoolExecutor(len(tasks)) as pool:
        return [each.result(30) for each in [pool.submit(task) for task in tasks]]


def test_different_keys_that_change_at_once_are_all_kept(port: int) -> None:
    count = 200 * TIMES
    cookie = begin(port)
    with ThreadPoolExecutor(8) as pool:
        replies = pool.map(
            lambda n: ask(port, f"/add?key=k{n % 100}&value={n}", cookie).status,
            range(count),
        )
        assert set(replies) == {200}
    kept = value(ask(port, "/read", cookie))
    assert set(kept) == {"first", *(f"k{n}" for n in range(100))}


WORKERS = {
    "greenlets": "--workers 2 --worker-class gevent",
    "forked": "--workers 2 --threads 4 --preload",
    "greenlets, forked": "--workers 2 --worker-class gevent --preload",
}


@pytest.mark.parametrize("options", WORKERS.values(), ids=WORKERS)
@pytest.mark.parametrize("engine", ["sqlite", "redis"])
def test_other_workers_keep_all_keys_as_well(
    engine: str, options: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    engines.need("gevent", "redis")
    where: object = tmp_path / "sessions.db"
    if engine == "redis":
        where = request.getfixturevalue("redis_port")
    keys = [f"k{n}" for n in range(40)]
    with serving(f"{engine}:{where}", options, tmp_path) as port:
        cookie = begin(port)
        replies = at_once(
            *[partial(ask, port, f"/add?key={key}&ms=5", cookie) for key in keys]
        )
        assert {reply.status for reply in replies} == {200}
        assert set(value(ask(port, "/read", cookie))) == {"first", *keys}


@pytest.mark.parametrize("milliseconds", [0, 2, 20])
def test_a_logout_is_not_undone_by_a_slow_write(port: int, milliseconds: int) -> None:
    for _ in range(10 * TIMES):
        cookie = begin(port, "/login?user=ada")
        slow, logout = at_once(
            partial(ask, port, f"/add?key=late&ms={milliseconds}", cookie),
            partial(ask, port, "/logout", cookie),
        )
        assert (slow.status, logout.status) == (200, 200)
        assert cookie_of(logout) == ""
        assert not cookie_of(slow)
        assert value(ask(port, "/read", cookie)) == {}


def test_a_login_is_not_undone_by_a_parallel_request(port: int) -> None:
    for _ in range(10 * TIMES):
        cookie = begin(port)
        slow, login = at_once(
            partial(ask, port, "/add?key=late&ms=10", cookie),
            partial(ask, port, "/login?user=ada", cookie),
        )
        assert (slow.status, login.status) == (200, 200)
        assert cookie_of(slow) is None  # it arrives last, and leaves the login alone
        new = cookie_of(login)
        assert new
        assert value(ask(port, "/read", new))["user_id"] == "ada"
        assert value(ask(port, "/read", cookie)) == {}


def regenerate(port: int, cookie: str) -> list[str]:
    """The cookies of a browser whose session gets a new id again and again."""
    seen = [cookie]
    for _ in range(4):
        seen.append(cookie_of(ask(port, "/regenerate", seen[-1])) or seen[-1])
    return seen


def test_whoever_is_logged_out_everywhere_is_logged_out_everywhere(port: int) -> None:
    for number in range(5 * TIMES):
        user = f"user{number}"
        cookies = [begin(port, f"/login?user={user}") for _ in range(3)]

        *seen, ended = at_once(
            *[partial(regenerate, port, cookie) for cookie in cookies],
            partial(ask, port, f"/end?user={user}"),
        )
        assert ended.status == 200
        alive = [
            cookie
            for each in seen
            for cookie in dict.fromkeys(each)
            if value(ask(port, "/read", cookie)).get("user_id")
        ]
        # Who came to the login again after the end is listed, and nobody else lives.
        assert value(ask(port, f"/list?user={user}")) == len(alive)
        assert alive == []


def test_emptying_against_adding_ends_in_one_of_the_two(port: int) -> None:
    for _ in range(10 * TIMES):
        cookie = begin(port)
        at_once(
            partial(ask, port, "/empty", cookie),
            partial(ask, port, "/add?key=new&ms=1", cookie),
        )
        assert value(ask(port, "/read", cookie)) in (
            {},
            {"new": "1"},
            {"first": "1", "new": "1"},
        )


def test_a_login_that_is_sent_twice_succeeds_twice(port: int) -> None:
    for _ in range(10 * TIMES):
        cookie = begin(port)
        for reply in at_once(
            *[partial(ask, port, "/login?user=ada&ms=2", cookie) for _ in range(2)]
        ):
            new = cookie_of(reply)
            assert new
            assert value(ask(port, "/read", new))["user_id"] == "ada"


def test_a_login_right_after_a_log_out_everywhere_succeeds(port: int) -> None:
    for _ in range(5 * TIMES):
        begin(port, "/login?user=eve")
        assert value(ask(port, "/end?user=eve")) >= 1
        cookie = begin(port, "/login?user=eve")
        assert value(ask(port, "/read", cookie))["user_id"] == "eve"
