"""See what a signed-cookie session is: gunicorn --chdir examples --threads 4 page:app

Then open http://localhost:8000, where browsers keep Secure cookies. This is the first
file to read: first the handlers, one per button, then what the page shows; its markup
and styles are in page.html and page.css. An app of your own needs only what ``count``
does, and this:

    app = SessionMiddleware(app, SecureCookieSessionInterface(os.environ["SECRET_KEY"]))

Here the keys and the store live in the memory of one process, so that buttons can
change them: keep to one worker, which is gunicorn's default. Threads are for browsers,
which open more connections than they use.
"""

from __future__ import annotations

import inspect
import os
import re
import secrets
import time
import zlib
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from markupsafe import Markup
from werkzeug import Request, Response
from werkzeug.exceptions import Forbidden, MethodNotAllowed, NotFound
from werkzeug.utils import redirect

from cookiesession import (
    ConfigError,
    CookieOptions,
    EncryptedFormat,
    SecureCookieSessionInterface,
    ServerSideSessionInterface,
    SessionMiddleware,
    SessionMixin,
    SessionTooLarge,
    SessionUnavailable,
    SignedFormat,
    get_session,
)
from cookiesession.stores import MemoryStore

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

COOKIE = CookieOptions()
IDLE, ABSOLUTE = timedelta(minutes=30), timedelta(hours=8)
CAN_ENCRYPT = find_spec("cryptography") is not None
HERE = Path(__file__)
STYLE = HERE.with_suffix(".css").read_text(encoding="utf-8")
PAGE, _, REST = HERE.with_suffix(".html").read_text("utf-8").partition("\n<!-- ")
PARTS = dict(re.findall(r'(?s)<template id="(\w+)">\n(.*?)\n</template>', REST))
TEAS = (("Assam", "4.20"), ("Sencha", "6.50"), ("Rooibos", "3.80"))


class Setup:
    """What is configured once elsewhere: here buttons change it while the app runs."""

    def __init__(self, first_key: str) -> None:
        self._lock = Lock()
        self.keys: tuple[tuple[int, str], ...] = ((1, first_key),)  # the newest first
        self.encrypts = False
        self.uses_store = False
        self.store = MemoryStore()

    def rotate_key(self) -> None:
        with self._lock:
            new = (self.keys[0][0] + 1, secrets.token_urlsafe(32))
            self.keys = (new, *self.keys[:2])
            sessions.interface = self.make_interface()

    def switch_encryption(self) -> None:
        with self._lock:
            self.encrypts = not self.encrypts
            sessions.interface = self.make_interface()

    def switch_store(self) -> None:
        with self._lock:
            self.uses_store = not self.uses_store
            sessions.interface = self.make_interface()

    def make_interface(
        self, *keys: str
    ) -> SecureCookieSessionInterface | ServerSideSessionInterface:
        """The first key signs; what the others signed is accepted, and signed again."""
        key, *older = keys or [key for _, key in self.keys]
        formats = [SignedFormat(), *([EncryptedFormat()] if CAN_ENCRYPT else [])]
        if self.encrypts:
            formats.reverse()
        options: dict[str, Any] = {
            "fallback_keys": older,
            "cookie": COOKIE,
            "format": formats[0],
            "accept": formats,  # with a store: whole sessions, which it takes over
            "idle_timeout": IDLE,
            "absolute_timeout": ABSOLUTE,
        }
        if self.uses_store:
            return ServerSideSessionInterface(
                key, self.store, user_key="user", **options
            )
        return SecureCookieSessionInterface(key, **options)

    def number_of_key(self, cookie_header: str) -> int | None:
        """Which of the keys made the cookie, and with a store its record: the older."""
        keys = []
        for number, key in self.keys:
            keys.append(key)
            if self.make_interface(*keys).read_cookie(cookie_header):
                return number
        return None


# -- one handler per button ------------------------------------------------------------


def count(request: Request, session: SessionMixin) -> Response:
    session["count"] = session.get("count", 0) + 1
    return done("count")


def cart(request: Request, session: SessionMixin) -> Response:
    carts = session.setdefault("carts", [{"shop": "Teahouse", "items": []}])
    items = carts[0]["items"]
    tea, price = TEAS[len(items) % len(TEAS)]
    now = datetime.now(timezone.utc).replace(microsecond=0)
    items.append({"tea": tea, "price": Decimal(price), "added": now})
    return done("cart")


def login(request: Request, session: SessionMixin) -> Response:
    session.clear()
    session["user"] = request.form.get("name", "").strip()[:40] or "Ada"
    return done("login")


def logout(request: Request, session: SessionMixin) -> Response:
    session.clear()
    return done("logout")


def tamper(request: Request, session: SessionMixin) -> Response:
    token = request.cookies.get(COOKIE.name, "")
    i = len(token) // 4
    other = "A" if token[i : i + 1] != "A" else "B"
    forged = token[:i] + other + token[i + 1 :]
    response = done("tamper")
    response.set_cookie(COOKIE.name, forged, secure=True, httponly=True)
    return response


def rotate(request: Request, session: SessionMixin) -> Response:
    setup.rotate_key()
    return redirect("/touch?done=rotate", 303)


def encryption(request: Request, session: SessionMixin) -> Response:
    if CAN_ENCRYPT:
        setup.switch_encryption()
    return redirect("/touch?done=encryption", 303)


def store(request: Request, session: SessionMixin) -> Response:
    if setup.uses_store:
        session.clear()  # the id in the cookie will lead nowhere
    setup.switch_store()
    return redirect("/touch?done=store", 303)


def end(request: Request, session: SessionMixin) -> Response:
    interface = sessions.interface
    if isinstance(interface, ServerSideSessionInterface) and session.handle:
        interface.end_session(session.get("user", ""), session.handle)
    return done("end")


def touch(request: Request, session: SessionMixin) -> Response:
    """Reading is enough to get an older key's or another format's cookie anew."""
    len(session)
    return done(request.args.get("done", ""))


def done(action: str) -> Response:
    """Redirect after POST: a reload of the page repeats nothing."""
    return redirect(f"/?done={action}" if action in ACTIONS else "/", 303)


ACTIONS: dict[str, Callable[[Request, SessionMixin], Response]] = {
    each.__name__: each
    for each in (count, cart, login, logout, rotate, encryption, store, tamper, end)
}


@Request.application
def view(request: Request) -> Response:
    session = get_session(request.environ)
    name = request.path[1:]
    if name == "page.css":
        headers = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}
        return Response(STYLE, mimetype="text/css", headers=headers)
    if name in ("", "touch"):
        if request.method not in ("GET", "HEAD"):
            raise MethodNotAllowed(["GET", "HEAD"])
        return touch(request, session) if name else show(request, session)
    if name not in ACTIONS:
        raise NotFound
    if request.method != "POST":
        raise MethodNotAllowed(["POST"])
    if comes_from_elsewhere(request):
        raise Forbidden("Another site sent this request.")
    return ACTIONS[name](request, session)


def comes_from_elsewhere(request: Request) -> bool:
    """Whether a form on another site was sent: browsers say where from."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = request.headers.get("Origin")
    return origin is not None and urlsplit(origin).netloc != request.host


setup = Setup(os.environ.get("SECRET_KEY") or secrets.token_urlsafe(32))
sessions = SessionMiddleware(view, setup.make_interface())


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """What the server runs: the view in its session, and what can go wrong with it."""
    try:
        return sessions(environ, start_response)
    except SessionTooLarge:
        response = redirect("/?done=too_large", 303)
    except (SessionUnavailable, ConfigError) as error:
        response = Response(f"{error}\n", 503, mimetype="text/plain")
    return response(environ, start_response)


# -- what the page shows ---------------------------------------------------------------

TITLE = "A session in a signed cookie"
IN_COOKIE = (
    "The server remembers nothing of you. What the app knows is in one cookie, which"
    " your browser keeps and nobody can change unnoticed."
)
IN_STORE = (
    "The server keeps the session in a store. The cookie holds no more than the"
    " session's id, signed, so the server can end the session whenever it wants to."
)
WELCOME = "Press a button and watch the cookie."
NOTES = {
    "count": "The session is a dict. This assignment changed it, so the response set"
    " the cookie anew.",
    "cart": "The list grew three levels deep, and nothing was assigned to the session."
    " It was noticed all the same; Decimal and datetime come back as what they were.",
    "login": "clear() begins a new session, with a new creation time. Without it, what"
    " someone had planted in this browser before the login, with a cookie of theirs,"
    " would be part of your session, and its old creation time would count: session"
    " fixation. They would not learn your session itself: the login makes another"
    " cookie.",
    "logout": "clear() emptied the session, so the response deleted the cookie. A copy"
    " of it would still be good until its time is over; only a store can end it.",
    "rotate": "A new key signs, and the older ones are still accepted. So your cookie"
    " was good, and came back re-issued under the new key. Nobody was logged out.",
    "encryption": "The format was switched, and the other one is still accepted. So"
    " your cookie was good, and came back re-issued in the new format.",
    "store": "Sessions are in the cookie again. An id is no session, so there is"
    " nothing to take back: clear() ended the one in the store, and the next change"
    " starts a new one.",
    "tamper": "One character of the cookie was changed. Its signature no longer fits,"
    " so the app sees an empty session. The next change starts a new one.",
    "end": "Nothing was ended: no store keeps this session, and a cookie is good until"
    " its time is over.",
    "too_large": "That no longer fits. SessionTooLarge was raised and nothing was sent:"
    " your cookie is as it was before. A browser would have dropped the larger one.",
}
STORE_NOTES = {
    "count": "The session is a dict. This assignment changed it, so its record was"
    " written anew. The cookie stays as it is: the id is the same.",
    "login": "clear() begins a new session, under a new id, and ends the one before."
    " With a store a login gets a new id by itself, so that an id that someone planted"
    " in this browser leads nowhere; clear() is still there to keep what they put into"
    " that session, and its old creation time, out of yours.",
    "logout": "clear() ended the session: its record is gone, so a copy of the cookie"
    " opens nothing, and the response deleted yours.",
    "rotate": "A new key signs, and the older ones are still accepted. So your cookie"
    " and its record were good, and both were written again under the new key.",
    "encryption": "The format of the records was switched, and the other one is still"
    " accepted. The cookie stays a signed id: there is nothing in it to hide.",
    "store": "Sessions are in a store now. The one that your cookie held whole was"
    " taken over, so nobody was logged out, and the cookie holds a signed id.",
    "end": "The session was ended in the store, as by its user on another device. The"
    " cookie is as it was, its signature is good, and it opens nothing.",
}
TOO_LATE = (
    "This change was dropped: the session has just been ended, and for a minute no"
    " request that is still under way can revive it. Log in to begin a new one."
)
NOT_KEPT = (
    "Your browser did not keep the cookie. It is Secure, so it needs https, or"
    " http://localhost in Chromium or Firefox."
)
REJECTIONS = {
    "bad_signature": "no key of this server made this signature. The cookie was"
    " changed, or its key has been retired.",
    "idle_expired": "it was not used for too long.",
    "absolute_expired": "the session was begun too long ago, however much it was used.",
    "not_yet_valid": "it was made in the future. The clock of a machine is wrong.",
    "malformed": "it is not what cookiesession writes.",
    "ended": "it was ended in the store, a moment ago. Nothing can revive it.",
    "gone": "the store has no session under this id: it was ended, or it has expired.",
    "too_large": "it is longer than any cookie that browsers keep.",
}


def show(request: Request, session: SessionMixin) -> Response:
    token = request.cookies.get(COOKIE.name, "")
    action = request.args.get("done", "")
    size = len(COOKIE.name) + len(token) if token else 0
    key = setup.number_of_key(request.headers.get("Cookie", "")) if token else None
    html = Markup(PAGE).format(
        title="A session in a store" if setup.uses_store else TITLE,
        lead=IN_STORE if setup.uses_store else IN_COOKIE,
        **draw_buttons(action, token, session),
        hint="" if CAN_ENCRYPT else part("no_encryption"),
        note=draw_note(action, token, session),
        verdict=draw_verdict(session, token, key),
        token=draw_token(token),
        record=draw_store(session) if setup.uses_store else "",
        size=size,
        percent=round(100 * size / COOKIE.max_size),
        limit=COOKIE.max_size,
        contents=draw_value(dict(session)) if session else part("empty"),
        times=part("no_times") if session.new else draw_times(session),
        keys=draw_keys(),
        format=describe_format(),
    )
    return Response(html, mimetype="text/html", headers=PAGE_HEADERS)


PAGE_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src data:;"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


def part(name: str, /, *values: Any, **named: Any) -> Markup:
    """A part of the page, by its id in page.html."""
    return Markup(PARTS[name]).format(*values, **named)


def draw_buttons(action: str, token: str, session: SessionMixin) -> dict[str, Markup]:
    labels = {
        "count": "Count",
        "cart": "Put tea in the cart",
        "login": "Log in",
        "logout": "Log out",
        "rotate": "Rotate the key",
        "encryption": f"Switch encryption {'off' if setup.encrypts else 'on'}",
        "store": f"Keep it in {'the cookie' if setup.uses_store else 'a store'}",
        "tamper": "Tamper with it",
        "end": "End it from elsewhere",
    }
    enabled = {
        "logout": bool(token),
        "encryption": CAN_ENCRYPT,
        "tamper": bool(token),
        "end": setup.uses_store and "user" in session,
    }

    def button(name: str, label: str) -> Markup:
        # The button that was pressed has the focus again: Enter, Enter, Enter counts.
        is_on = enabled.get(name, True)
        state = " autofocus" * (name == action) if is_on else " disabled"
        field = part("name_field") if name == "login" else ""
        return part("button", name=name, label=label, field=field, state=state)

    return {name: button(name, label) for name, label in labels.items()}


def draw_note(action: str, token: str, session: SessionMixin) -> Markup:
    if action in ("count", "cart", "login") and not token:
        return part("note", NOT_KEPT)
    if action in ("count", "cart") and session.rejection == "ended":
        return part("note", TOO_LATE)
    notes = NOTES | STORE_NOTES if setup.uses_store else NOTES
    note = part("note", notes.get(action, WELCOME))
    if action not in ACTIONS:
        return note
    return note + part("code", inspect.getsource(ACTIONS[action]))


def draw_verdict(session: SessionMixin, token: str, key: int | None) -> Markup:
    newest = setup.keys[0][0]
    kind, word, why = "good", "Accepted", f"Key {key} made it."
    if not token:
        kind, word, why = "none", "No cookie came", "The app has stored nothing."
    elif session.rejection:
        kind, word = "bad", "Refused"
        why = part("refusal", session.rejection, REJECTIONS[session.rejection])
    elif key != newest:
        why = f"Key {key} made it; this response brings it again under key {newest}."
    return part("verdict", kind=kind, word=word, why=why)


def draw_token(token: str) -> Markup:
    parts = token.rsplit(".", 2)
    if len(parts) != 3:
        return part("opaque", token) if token else Markup("")
    payload, stamp, signature = parts
    if is_id(payload):
        what, meaning = "Id", part("id")
    else:
        json = decode_payload(payload)
        how = "compressed JSON" if payload.startswith(".") else "JSON"
        hint = part("created") if '"_cs":' in json else ""
        what, meaning = "Payload", part("payload", how=how, json=json, hint=hint)
    return part(
        "signed",
        payload=payload,
        stamp=stamp,
        signature=signature,
        what=what,
        meaning=meaning,
        time=decode_time(stamp),
    )


def draw_store(session: SessionMixin) -> Markup:
    record = setup.store.load(session.handle or "")
    if record is not None and record.data:
        token = draw_token(record.data.decode())
        return part("store", part("record", key=session.handle, token=token))
    if session:
        return part("store", part("note", "Nothing yet: this response puts it there."))
    return part("store", part("note", "Nothing under an id of yours."))


def decode(part: str) -> bytes:
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))


def is_id(payload: str) -> bool:
    """Whether it is 32 random bytes instead of a JSON object."""
    try:
        raw = decode(payload)
    except ValueError:
        return False
    return len(raw) == 32 and (raw[:1], raw[-1:]) != (b"{", b"}")


def decode_payload(payload: str) -> str:
    """The JSON: there is no key in this function, and anyone can do the same."""
    try:
        if payload.startswith("."):
            inflater = zlib.decompressobj()
            return inflater.decompress(decode(payload[1:]), 65_536).decode()
        return decode(payload).decode(errors="replace")
    except (ValueError, zlib.error):
        return "it does not decode any more"


def decode_time(stamp: str) -> Markup | str:
    try:
        return draw_time(int.from_bytes(decode(stamp), "big"))
    except (ValueError, OverflowError, OSError):
        return "it is none"


def draw_time(seconds: int) -> Markup:
    moment = datetime.fromtimestamp(seconds, timezone.utc)
    return part("time", moment.isoformat(), moment)


def draw_times(session: SessionMixin) -> Markup:
    idle_end = session.issued_at + int(IDLE.total_seconds())
    written = "Record written" if setup.uses_store else "Cookie issued"
    end = session.created_at + int(ABSOLUTE.total_seconds())
    rows = Markup("").join(
        part("time_row", label, draw_time(moment), describe(moment - int(time.time())))
        for label, moment in (
            ("Session created", session.created_at),
            (written, session.issued_at),
            ("Ends if not used", idle_end),
            ("Ends in any case", end),
        )
    )
    return part("times", rows)


def describe(seconds: int) -> str:
    """How far away a moment is, in the largest unit that fits."""
    for unit, size in (("hour", 3600), ("minute", 60), ("second", 1)):
        if abs(seconds) >= size:
            amount = round(abs(seconds) / size)
            text = f"{amount} {unit}{'s' * (amount > 1)}"
            return f"in {text}" if seconds > 0 else f"{text} ago"
    return "now"


def draw_value(value: Any) -> Markup:
    """A value with its type, as nested lists."""
    if not isinstance(value, (dict, list)):
        text = repr(value) if isinstance(value, str) else str(value)
        return part("value", text, type(value).__name__)
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    rows = (part("pair", key, draw_value(each)) for key, each in pairs)
    return part("box", type(value).__name__, Markup("").join(rows))


def draw_keys() -> Markup:
    (newest, _), *older = setup.keys
    rows = [(newest, "signs"), *((number, "is still accepted") for number, _ in older)]
    return Markup("").join(part("key", *row) for row in rows)


def describe_format() -> str:
    kind = "encrypted and authenticated" if setup.encrypts else "signed"
    if setup.uses_store:
        return f"New records are {kind}, and cookies hold a signed id."
    return f"New cookies are {kind}."
