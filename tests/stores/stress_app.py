"""The app that the races are run against, under gunicorn: ways to use a session.

``STORE`` in the environment says where sessions are kept, as :func:`store` reads it.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl

from support import KEY

from cookiesession import (
    CookieOptions,
    ServerSideSessionInterface,
    SessionMiddleware,
    get_session,
)
from cookiesession.stores import RedisStore, SessionStore, SQLiteStore, SQLStore


def store(spec: str) -> SessionStore:
    """``sqlite:<path>``, ``sql:<URL>``, ``redis:<port>``, ``valkey:<port>`` or
    ``cluster:<port>``."""
    kind, _, where = spec.partition(":")
    timeouts: dict[str, Any] = {"socket_timeout": 5, "socket_connect_timeout": 5}
    if kind == "sqlite":
        return SQLiteStore(where)
    if kind == "sql":
        import sqlalchemy as sa

        return SQLStore(sa.create_engine(where, pool_size=10))
    if kind == "valkey":
        import valkey

        return RedisStore(valkey.Valkey(port=int(where), **timeouts))
    import redis

    if kind == "cluster":
        cluster = redis.RedisCluster(host="127.0.0.1", port=int(where), **timeouts)
        return RedisStore(cluster)
    return RedisStore(redis.Redis(port=int(where), **timeouts))


interface = ServerSideSessionInterface(
    KEY,
    store(os.environ["STORE"]),
    cookie=CookieOptions(name="session", secure=False),
)
# Of what is open now, nothing may harm the children of a server that forks later.
interface.list_sessions("nobody")


def pause(milliseconds: str) -> None:
    """Be slow, as an app that asks others is."""
    threading.Event().wait(float(milliseconds) / 1000)


def races(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    session = get_session(environ)
    query = dict(parse_qsl(environ["QUERY_STRING"]))
    answer: Any = None
    match environ["PATH_INFO"]:
        case "/add":
            session.get("a")
            pause(query.get("ms", "1"))
            session[query["key"]] = query.get("value", "1")
        case "/login":
            session.get("a")
            pause(query.get("ms", "0"))
            session["user_id"] = query["user"]
        case "/logout":
            session.clear()
        case "/regenerate":
            session.get("a")
            pause(query.get("ms", "0"))
            session["user_id"] = session["user_id"]
            session.regenerate()
        case "/empty":
            for key in list(session):
                del session[key]
        case "/end":
            answer = interface.end_sessions(query["user"])
        case "/list":
            answer = len(interface.list_sessions(query["user"]))
        case "/read":
            answer = dict(session)
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(answer).encode()]


app = SessionMiddleware(races, interface)
