"""Where you are logged in: gunicorn --chdir examples --threads 4 logins:app

Log in as ada or bob, password "open sesame", in two browsers, and end one of the two
sessions from the other, or all others at once. The sessions are in ``sessions.db``,
beside the key that the first worker makes; an app of your own gets SECRET_KEY.
"""

from __future__ import annotations

import hmac
import os
import secrets
from collections.abc import Iterable
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup
from werkzeug import Request, Response
from werkzeug.exceptions import Forbidden, HTTPException, NotFound
from werkzeug.security import check_password_hash, generate_password_hash
from werkzeug.utils import redirect

from cookiesession import (
    ServerSideSessionInterface,
    SessionMiddleware,
    SessionMixin,
    get_session,
)
from cookiesession.stores import SQLiteStore

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

HERE = Path(os.environ.get("DATA", ".")).resolve()
PAGE = Path(__file__).with_suffix(".html").read_text(encoding="utf-8")
PASSWORDS = {name: generate_password_hash("open sesame") for name in ("ada", "bob")}
NOBODY = generate_password_hash(secrets.token_hex())


def key() -> str:
    """From the environment, or, to try this out, from a file that is made once."""
    if "SECRET_KEY" in os.environ:
        return os.environ["SECRET_KEY"]
    file = HERE / "sessions.key"
    try:
        with os.fdopen(
            os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w"
        ) as f:
            f.write(secrets.token_urlsafe(32))
    except FileExistsError:
        pass
    return file.read_text()


interface = ServerSideSessionInterface(key(), SQLiteStore(HERE / "sessions.db"))


# -- what frameworks have, in a few lines each -------------------------------------


def flash(session: SessionMixin, message: str, category: str = "message") -> None:
    """Say something on the next page: the key and the shape are Flask's."""
    session["_flashes"] = [*session.get("_flashes", []), (category, message)]


def flashed(session: SessionMixin) -> list[tuple[str, str]]:
    """What was flashed, once."""
    return session.pop("_flashes") if "_flashes" in session else []


def csrf_token(session: SessionMixin) -> str:
    """What a form of ours has and another site's has not."""
    token: str = session.setdefault("csrf_token", secrets.token_urlsafe(32))
    return token


def check_csrf(request: Request, session: SessionMixin) -> None:
    given = request.form.get("csrf_token", "").encode()
    if not hmac.compare_digest(given, str(session.get("csrf_token")).encode()):
        raise Forbidden(
            "This form is too old. Go back, load the page again, and retry."
        )


# -- the app -------------------------------------------------------------------------


def log_in(request: Request, session: SessionMixin) -> None:
    name = request.form.get("name", "").lower().strip()
    password = request.form.get("password", "")
    # A name that nobody has takes as long as one that somebody has.
    if not check_password_hash(PASSWORDS.get(name, NOBODY), password):
        flash(session, "That name and password do not go together.", "error")
        return
    session.clear()  # nothing of the visitor before goes into the login
    session["user_id"] = name
    session["device"] = request.user_agent.string[:120]
    session["since"] = datetime.now(timezone.utc)
    flash(session, f"Welcome, {name}.")


def log_out(request: Request, session: SessionMixin) -> None:
    session.clear()
    flash(session, "You are logged out.")


def end_one(request: Request, session: SessionMixin) -> None:
    ended = interface.end_session(session["user_id"], request.form.get("handle", ""))
    flash(session, "It is logged out." if ended else "It was logged out already.")


def end_others(request: Request, session: SessionMixin) -> None:
    count = interface.end_sessions(session["user_id"], keep=session)
    flash(session, f"Logged out elsewhere: {count}.")


FOR_ALL = {"/login": log_in}
FOR_USERS = {"/logout": log_out, "/end": end_one, "/end-others": end_others}


def respond(request: Request, session: SessionMixin) -> Response:
    if request.method != "POST":
        if request.path != "/":
            raise NotFound
        return Response(page(session), mimetype="text/html")
    check_csrf(request, session)
    handlers = FOR_ALL | (FOR_USERS if "user_id" in session else {})
    if request.path not in handlers:
        raise Forbidden("Log in first.")
    handlers[request.path](request, session)
    return redirect(f"{request.root_path}/", 303)


def page(session: SessionMixin) -> str:
    messages = Markup().join(
        Markup('<p class="{}" role="status">{}</p>').format(category, message)
        for category, message in flashed(session)
    )
    token = Markup('<input type="hidden" name="csrf_token" value="{}">').format(
        csrf_token(session)
    )
    known = "user_id" in session
    body = members_part(session, token) if known else LOGIN.format(token=token)
    return Markup(PAGE).format(messages=messages, body=body)


LOGIN = Markup("""
<form method="post" action="login">{token}
  <label>Name <input name="name" autocomplete="username" required></label>
  <label>Password <input name="password" type="password"
    autocomplete="current-password" required></label>
  <button>Log in</button>
  <p>This example knows ada and bob; their password is <q>open sesame</q>.</p>
</form>""")

ROW = Markup("""
<tr><td>{device}</td><td>{since:%Y-%m-%d %H:%M} UTC</td><td>{action}</td></tr>""")

END = Markup("""<form method="post" action="end">{token}
<input type="hidden" name="handle" value="{handle}"><button>Log out</button></form>""")

LIST = Markup("""
<table><thead><tr><th>Device</th><th>Since</th><th></th></tr></thead>
<tbody>{rows}</tbody></table>
<form method="post" action="end-others">{token}<button>Log out everywhere else</button>
</form>
<form method="post" action="logout">{token}<button>Log out here</button></form>""")


def members_part(session: SessionMixin, token: Markup) -> Markup:
    rows = Markup()
    for info in interface.list_sessions(session["user_id"]):
        here = info.handle == session.handle
        action: Any = (
            "this one" if here else END.format(token=token, handle=info.handle)
        )
        rows += ROW.format(
            device=info.data["device"], since=info.data["since"], action=action
        )
    return LIST.format(rows=rows, token=token)


def logins(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    request = Request(environ)
    try:
        response: Any = respond(request, get_session(environ))
    except HTTPException as error:
        response = error
    return response(environ, start_response)  # type: ignore[no-any-return]


app = SessionMiddleware(logins, interface)
