"""One adapter per peer that keeps sessions in a store: for the costs and for the races.

Each is as its documentation says, with a client that waits for nothing longer than a
second. Under gunicorn, ``store_peers:racing("<name>", "<port>", "<URL>", "<folder>")``
is an app that races are run against.
"""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import tempfile
import threading
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import peers
from payloads import SECRET
from peers import Headers, Peer, Request, Touch, WSGIApp
from stores.engines import VERSIONS, postgres, redis_server

from cookiesession import CookieOptions, ServerSideSessionInterface, SessionMiddleware
from cookiesession.stores import RedisStore, SessionStore, SQLiteStore, SQLStore

_COOKIE = CookieOptions(name="session", secure=False)
_TIMEOUTS = {"socket_timeout": 1, "socket_connect_timeout": 1}  # seconds


class Where(NamedTuple):
    """The engines that run."""

    redis: str  # its port on 127.0.0.1
    postgres: str  # SQLAlchemy's URL
    folder: str  # for what is kept in files

    @property
    def redis_url(self) -> str:
        return f"redis://127.0.0.1:{self.redis}/0"

    def redis_client(self) -> Any:
        return import_module("redis").Redis(port=int(self.redis), **_TIMEOUTS)

    def path(self, name: str) -> str:
        return str(Path(self.folder, name))


class Visit:
    """What a request of a race does with its session, whoever keeps it."""

    def __init__(self, path: str, query: str) -> None:
        self.path = path
        self.query = dict(parse_qsl(query))
        #: What the session said of the keys that the races use.
        self.seen: dict[str, Any] = {}
        #: Whether the session is to be saved, where one has to say so;
        self.changed = False
        #: and whether it is to be ended, in the words that the peer has for it.
        self.ended = False

    def of(self, session: Any) -> Generator[float, None, None]:
        """Use the session; gives the seconds to pause for."""
        key, seconds = self.query.get("key", ""), float(self.query.get("ms", 0)) / 1000
        if self.path == "/logout":
            self.ended = True
        elif self.path == "/read":
            self.seen = {key: session.get(key) for key in ("user_id", "a", "b")}
        else:
            found = session.get(key)
            yield seconds
            if self.path == "/count":
                session[key] = (found or 0) + 1
            else:
                session[key] = self.query["value"]
            self.changed = True

    @property
    def answer(self) -> bytes:
        return json.dumps({**self.seen, "pid": os.getpid()}).encode()


def _visit(visit: Visit, session: Any) -> None:
    for seconds in visit.of(session):
        threading.Event().wait(seconds)


class StorePeer(Peer):
    """A session layer with a store."""

    def racing(self) -> WSGIApp:
        """The app that the races are run against."""
        raise NotImplementedError


# -- WSGI middlewares


class _Middleware(peers.Middleware, StorePeer):
    #: Ends a session.
    end: Callable[[Any], Any] = staticmethod(lambda session: session.clear())

    def racing(self) -> WSGIApp:
        def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            visit = Visit(environ["PATH_INFO"], environ["QUERY_STRING"])
            session = environ[self._key]
            _visit(visit, session)
            if visit.ended:
                self.end(session)
            elif visit.changed and self._save:
                session.save()
            start_response("200 OK", [("Content-Type", "application/json")])
            return [visit.answer]

        return self._wrap(app)


class Ours(_Middleware):
    def __init__(self, name: str, store: SessionStore) -> None:
        interface = ServerSideSessionInterface(SECRET, store, cookie=_COOKIE)
        super().__init__(
            name,
            lambda app: SessionMiddleware(app, interface),
            "cookiesession.session",
            looks_inside=True,
        )


class Beaker(_Middleware):
    end = staticmethod(lambda session: session.delete())

    def __init__(self, name: str, **options: Any) -> None:
        warnings.filterwarnings("ignore", message="Invalidating corrupt session")
        wrap = import_module("beaker.middleware").SessionMiddleware
        config = {
            "session.key": "session",
            "session.secret": SECRET,
            "session.data_serializer": "json",
            "session.httponly": True,
            **{f"session.{option}": value for option, value in options.items()},
        }
        super().__init__(
            name, lambda app: wrap(app, dict(config)), "beaker.session", save=True
        )


# -- frameworks


class FlaskSession(peers.Flask, StorePeer):
    def __init__(self, name: str, client: Any) -> None:
        super().__init__(name)
        self._client = client

    def _keep(self, app: Any) -> Any:
        app.config.update(SESSION_TYPE="redis", SESSION_REDIS=self._client)
        import_module("flask_session").Session(app)
        return app.session_interface

    def through(self, touch: Touch | None, body: str) -> Request:
        interface = self._keep(import_module("flask").Flask(__name__))
        return self._request(touch, interface)

    def racing(self) -> WSGIApp:
        flask = import_module("flask")
        app = flask.Flask(__name__)
        self._keep(app)

        def view(path: str) -> bytes:
            request = flask.request
            visit = Visit(request.path, request.query_string.decode())
            _visit(visit, flask.session)
            if visit.ended:
                flask.session.clear()
            return visit.answer

        app.add_url_rule("/<path>", view_func=view)
        wsgi_app: WSGIApp = app.wsgi_app
        return wsgi_app


class Django(peers.Django, StorePeer):
    """One of Django's backends; its settings, and so its database, are a process's."""

    def __init__(self, name: str, engine: str, where: Where, database: str) -> None:
        self._engine = f"django.contrib.sessions.backends.{engine}"
        configure_django(self._engine, where, database)
        super().__init__(name)
        wrap = self._middleware
        store = import_module(self._engine).SessionStore

        def middleware(view: Any) -> Any:
            made = wrap(view)
            made.SessionStore = store
            return made

        self._middleware = middleware

    def racing(self) -> WSGIApp:
        app: WSGIApp = import_module("django.core.handlers.wsgi").WSGIHandler()
        return app


def django_view(request: Any) -> Any:
    visit = Visit(request.path_info, request.META["QUERY_STRING"])
    _visit(visit, request.session)
    if visit.ended:
        request.session.flush()
    return import_module("django.http").HttpResponse(visit.answer)


def configure_django(engine: str, where: Where, database: str) -> None:
    """Settings, once for a process, and the table of the sessions."""
    settings = import_module("django.conf").settings
    if settings.configured:
        return
    settings.configure(
        SECRET_KEY=SECRET,
        ALLOWED_HOSTS=["*"],
        INSTALLED_APPS=["django.contrib.sessions"],
        MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware"],
        ROOT_URLCONF=(import_module("django.urls").re_path("", django_view),),
        USE_TZ=True,
        SESSION_ENGINE=engine,
        DATABASES={"default": _database(where, database)},
        CACHES={
            "default": {
                "BACKEND": "django.core.cache.backends.redis.RedisCache",
                "LOCATION": where.redis_url,
                "OPTIONS": _TIMEOUTS,
            }
        },
    )
    import_module("django").setup()


def _database(where: Where, kind: str) -> dict[str, Any]:
    """With connections that stay open, as ours do."""
    if kind == "sqlite":
        pragmas = "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL"
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": where.path("django.db"),
            "CONN_MAX_AGE": None,
            "OPTIONS": {"init_command": pragmas, "transaction_mode": "IMMEDIATE"},
        }
    url = urlsplit(where.postgres)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": url.path.strip("/"),
        "USER": url.username,
        "HOST": url.hostname,
        "PORT": url.port,
        "CONN_MAX_AGE": None,
    }


def create_tables(where: Where, database: str) -> None:
    """The tables that want to be made before they are used."""
    if database == "postgres":
        sqlalchemy = import_module("sqlalchemy")
        engine = sqlalchemy.create_engine(where.postgres)
        SQLStore(engine).create_table()
        engine.dispose()
    configure_django("django.contrib.sessions.backends.db", where, database)
    model = import_module("django.contrib.sessions.models").Session
    connection = import_module("django.db").connection
    if model._meta.db_table not in connection.introspection.table_names():
        with connection.schema_editor() as editor:
            editor.create_model(model)
    connection.close()


# -- ASGI


class Starsessions(StorePeer):
    """Its ASGI middleware, on an event loop of its own."""

    def __init__(self, name: str, url: str) -> None:
        super().__init__(name)
        client = import_module("redis.asyncio").Redis.from_url(url, **_TIMEOUTS)
        self._star = import_module("starsessions")
        stores = import_module("starsessions.stores.redis")
        self._store = stores.RedisStore(connection=client)
        self._connection = import_module("starlette.requests").HTTPConnection
        self._loop = asyncio.new_event_loop()

    def bare(self, body: str) -> Request:
        return self._drive(peers.asgi_app(None))

    def through(self, touch: Touch | None, body: str) -> Request:
        view = peers.asgi_app(touch)

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await self._star.load_session(self._connection(scope))
            await view(scope, receive, send)

        return self._drive(self._wrap(app))

    def racing(self) -> WSGIApp:
        """Its responses, from an event loop that the server's threads hand them to."""
        threading.Thread(target=self._loop.run_forever, daemon=True).start()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await self._star.load_session(self._connection(scope))
            visit = Visit(scope["path"], scope["query_string"].decode())
            for seconds in visit.of(scope["session"]):
                await asyncio.sleep(seconds)
            if visit.ended:
                scope["session"].clear()
            start = {"type": "http.response.start", "status": 200, "headers": []}
            await send(start)
            await send({"type": "http.response.body", "body": visit.answer})

        wrapped = self._wrap(app)

        def wsgi(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            cookie = environ.get("HTTP_COOKIE", "")
            path, query = environ["PATH_INFO"], environ["QUERY_STRING"]
            response = self._respond(wrapped, cookie, path, query)
            future = asyncio.run_coroutine_threadsafe(response, self._loop)
            headers, body = future.result()
            start_response("200 OK", headers)
            return [body]

        return wsgi

    def _wrap(self, app: Any) -> Any:
        return self._star.SessionMiddleware(
            app,
            self._store,
            lifetime=31 * peers.DAY,
            rolling=True,
            cookie_https_only=False,
        )

    def _drive(self, app: Any) -> Request:
        def request(cookie: str) -> Headers:
            response = self._respond(app, cookie, "/", "")
            return self._loop.run_until_complete(response)[0]

        return request

    async def _respond(
        self, app: Any, cookie: str, path: str, query: str
    ) -> tuple[Headers, bytes]:
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request"}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        headers = [(b"host", b"localhost")]
        if cookie:
            headers.append((b"cookie", cookie.encode()))
        scope = {
            "type": "http",
            "method": "GET",
            "path": path,
            "query_string": query.encode(),
            "headers": headers,
        }
        await app(scope, receive, send)
        start, body = sent
        found = [(name.decode(), value.decode()) for name, value in start["headers"]]
        return found, body["body"]


# -- who there is


def _sql(where: Where, **options: Any) -> SQLStore:
    sqlalchemy = import_module("sqlalchemy")
    return SQLStore(sqlalchemy.create_engine(where.postgres, pool_size=10, **options))


#: By engine and name. The first of an engine is what its others are compared with.
PEERS: dict[str, dict[str, Callable[[str, Where], StorePeer]]] = {
    "Redis": {
        "this": lambda name, at: Ours(name, RedisStore(at.redis_client())),
        "Flask-Session": lambda name, at: FlaskSession(name, at.redis_client()),
        "Django, cache": lambda name, at: Django(name, "cache", at, "postgres"),
        "Django, cached_db": lambda name, at: Django(name, "cached_db", at, "postgres"),
        "Beaker": lambda name, at: Beaker(
            name, type="ext:redis", url=at.redis_client()
        ),
        "starsessions": lambda name, at: Starsessions(name, at.redis_url),
    },
    "files": {
        "this, SQLite": lambda name, at: Ours(name, SQLiteStore(at.path("ours.db"))),
        "Django, db, SQLite": lambda name, at: Django(name, "db", at, "sqlite"),
        "Beaker, files": lambda name, at: Beaker(
            name, type="file", data_dir=at.path("beaker")
        ),
    },
    "PostgreSQL": {
        "this": lambda name, at: Ours(name, _sql(at)),
        "this, AUTOCOMMIT": lambda name, at: Ours(
            name, _sql(at, isolation_level="AUTOCOMMIT")
        ),
        "Django, db": lambda name, at: Django(name, "db", at, "postgres"),
    },
}
_PACKAGES = (
    "flask-session",
    "django",
    "beaker",
    "starsessions",
    "redis",
    "sqlalchemy",
    "psycopg",
    "gunicorn",
)


def racing(engine: str, name: str, *where: str) -> WSGIApp:
    """An app for gunicorn."""
    return PEERS[engine][name](name, Where(*where)).racing()


# -- what both benchmarks share


@contextmanager
def engines() -> Iterator[Where]:
    """Redis, PostgreSQL and a folder for files, for the time of the block."""
    with ExitStack() as stack:
        redis = stack.enter_context(redis_server())
        url = stack.enter_context(postgres())
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="sessions-"))
        yield Where(str(redis.port), url, folder)


def versions() -> str:
    """Those of the peers, their clients and the engines, in one line."""
    packages = [f"{package} {version(package)}" for package in _PACKAGES]
    packages.append(f"SQLite {sqlite3.sqlite_version}")
    return ", ".join([*packages, *VERSIONS.values()])


def publish(page: Path, tables: dict[str, str]) -> None:
    """Put each table into a page, between ``<!-- name -->`` and ``<!-- /name -->``."""
    text = page.read_text(encoding="utf-8")
    for name, told in tables.items():
        before, start, rest = text.partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition(f"<!-- /{name} -->")
        if not start or not end:
            raise ValueError(f"{page} has no marks {name}")
        text = before + start + told + end + after
    page.write_text(text, encoding="utf-8")
