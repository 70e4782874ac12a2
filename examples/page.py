"""See what a signed-cookie session is: gunicorn --chdir examples --threads 4 page:app

Then open http://localhost:8000, where browsers keep Secure cookies. This is the first
file to read: first the handlers, one per button, then what the page shows, then its
looks. An app of your own needs only what ``count`` does, and this:

    app = SessionMiddleware(app, SecureCookieSessionInterface(os.environ["SECRET_KEY"]))

Here the keys live in the memory of one process, so that a button can rotate them: keep
to one worker, which is gunicorn's default. Threads are for browsers, which open more
connections than they use.
"""

from __future__ import annotations

import hashlib
import inspect
import os
import secrets
import time
import zlib
from base64 import b64encode, urlsafe_b64decode
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from importlib.util import find_spec
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
    SecureCookieSession,
    SecureCookieSessionInterface,
    SessionMiddleware,
    SessionTooLarge,
    SessionUnavailable,
    SignedFormat,
    get_session,
)

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

COOKIE = CookieOptions()
IDLE, ABSOLUTE = timedelta(minutes=30), timedelta(hours=8)
CAN_ENCRYPT = find_spec("cryptography") is not None
TEAS = (("Assam", "4.20"), ("Sencha", "6.50"), ("Rooibos", "3.80"))


class Setup:
    """What is configured once elsewhere: here buttons change it while the app runs."""

    def __init__(self, first_key: str) -> None:
        self._lock = Lock()
        self.keys: tuple[tuple[int, str], ...] = ((1, first_key),)  # the newest first
        self.encrypts = False

    def rotate_key(self) -> None:
        with self._lock:
            new = (self.keys[0][0] + 1, secrets.token_urlsafe(32))
            self.keys = (new, *self.keys[:2])
            sessions.interface = self.make_interface()

    def switch_encryption(self) -> None:
        with self._lock:
            self.encrypts = not self.encrypts
            sessions.interface = self.make_interface()

    def make_interface(self, *keys: str) -> SecureCookieSessionInterface:
        """The first key signs; what the others signed is accepted, and signed again."""
        key, *older = keys or [key for _, key in self.keys]
        formats = [SignedFormat(), *([EncryptedFormat()] if CAN_ENCRYPT else [])]
        if self.encrypts:
            formats.reverse()
        return SecureCookieSessionInterface(
            key,
            fallback_keys=older,
            cookie=COOKIE,
            format=formats[0],
            accept=formats[1:],
            idle_timeout=IDLE,
            absolute_timeout=ABSOLUTE,
        )

    def number_of_key(self, cookie_header: str) -> int | None:
        """Which of the keys made the cookie."""
        for number, key in self.keys:
            if self.make_interface(key).read_cookie(cookie_header):
                return number
        return None


# -- one handler per button ------------------------------------------------------------


def count(request: Request, session: SecureCookieSession) -> Response:
    session["count"] = session.get("count", 0) + 1
    return done("count")


def cart(request: Request, session: SecureCookieSession) -> Response:
    carts = session.setdefault("carts", [{"shop": "Teahouse", "items": []}])
    items = carts[0]["items"]
    tea, price = TEAS[len(items) % len(TEAS)]
    now = datetime.now(timezone.utc).replace(microsecond=0)
    items.append({"tea": tea, "price": Decimal(price), "added": now})
    return done("cart")


def login(request: Request, session: SecureCookieSession) -> Response:
    session.clear()
    session["user"] = request.form.get("name", "").strip()[:40] or "Ada"
    return done("login")


def logout(request: Request, session: SecureCookieSession) -> Response:
    session.clear()
    return done("logout")


def tamper(request: Request, session: SecureCookieSession) -> Response:
    token = request.cookies.get(COOKIE.name, "")
    i = len(token) // 4
    other = "A" if token[i : i + 1] != "A" else "B"
    forged = token[:i] + other + token[i + 1 :]
    response = done("tamper")
    response.set_cookie(COOKIE.name, forged, secure=True, httponly=True)
    return response


def rotate(request: Request, session: SecureCookieSession) -> Response:
    setup.rotate_key()
    return redirect("/touch?done=rotate", 303)


def encryption(request: Request, session: SecureCookieSession) -> Response:
    if CAN_ENCRYPT:
        setup.switch_encryption()
    return redirect("/touch?done=encryption", 303)


def touch(request: Request, session: SecureCookieSession) -> Response:
    """Reading is enough to get an older key's or another format's cookie anew."""
    len(session)
    return done(request.args.get("done", ""))


def done(action: str) -> Response:
    """Redirect after POST: a reload of the page repeats nothing."""
    return redirect(f"/?done={action}" if action in ACTIONS else "/", 303)


ACTIONS: dict[str, Callable[[Request, SecureCookieSession], Response]] = {
    each.__name__: each
    for each in (count, cart, login, logout, rotate, tamper, encryption)
}


@Request.application
def view(request: Request) -> Response:
    session = get_session(request.environ)
    assert isinstance(session, SecureCookieSession)
    name = request.path[1:]
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

WELCOME = "Nothing is stored on the server. Press a button and watch the cookie."
NOTES = {
    "count": "The session is a dict. This assignment changed it, so the response set"
    " the cookie anew.",
    "cart": "The list grew three levels deep, and nothing was assigned to the session."
    " It was noticed all the same; Decimal and datetime come back as what they were.",
    "login": "clear() begins a new session, with a new creation time. Without it,"
    " someone who had planted their cookie in this browser before the login would know"
    " a session that is now yours: session fixation.",
    "logout": "clear() emptied the session, so the response deleted the cookie.",
    "rotate": "A new key signs, and the older ones are still accepted. So your cookie"
    " was good, and came back re-issued under the new key. Nobody was logged out.",
    "tamper": "One character of the cookie was changed. Its signature no longer fits,"
    " so the app sees an empty session. The next change starts a new one.",
    "encryption": "The format was switched, and the other one is still accepted. So"
    " your cookie was good, and came back re-issued in the new format.",
    "too_large": "That no longer fits. SessionTooLarge was raised and nothing was sent:"
    " your cookie is as it was before. A browser would have dropped the larger one.",
}
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
    "too_large": "it is longer than any cookie that browsers keep.",
}


def show(request: Request, session: SecureCookieSession) -> Response:
    token = request.cookies.get(COOKIE.name, "")
    action = request.args.get("done", "")
    size = len(COOKIE.name) + len(token) if token else 0
    key = setup.number_of_key(request.headers.get("Cookie", "")) if token else None
    html = PAGE.format(
        style=STYLE,
        buttons=draw_buttons(action, token),
        note=draw_note(action, token),
        verdict=draw_verdict(session, token, key),
        token=draw_token(token),
        size=size,
        percent=round(100 * size / COOKIE.max_size),
        limit=COOKIE.max_size,
        contents=draw_value(session.copy()) if session else EMPTY,
        times=NO_TIMES if session.new else draw_times(session),
        keys=draw_keys(),
        format="encrypted and authenticated" if setup.encrypts else "signed",
    )
    return Response(html, mimetype="text/html", headers=PAGE_HEADERS)


def draw_buttons(action: str, token: str) -> Markup:
    def button(name: str, label: str, field: str = "", enabled: bool = True) -> Markup:
        # The button that was pressed has the focus again: Enter, Enter, Enter counts.
        state = " autofocus" * (name == action) if enabled else " disabled"
        return BUTTON.format(name=name, label=label, field=field, state=state)

    return BUTTONS.format(
        count=button("count", "Count"),
        cart=button("cart", "Put tea in the cart"),
        login=button("login", "Log in", NAME_FIELD),
        logout=button("logout", "Log out", enabled=bool(token)),
        rotate=button("rotate", "Rotate the key"),
        encryption=button(
            "encryption",
            f"Switch encryption {'off' if setup.encrypts else 'on'}",
            enabled=CAN_ENCRYPT,
        ),
        tamper=button("tamper", "Tamper with it", enabled=bool(token)),
        hint="" if CAN_ENCRYPT else NO_ENCRYPTION,
    )


def draw_note(action: str, token: str) -> Markup:
    if action in ("count", "cart", "login") and not token:
        return Markup("<p>{}</p>").format(NOT_KEPT)
    note = Markup("<p>{}</p>").format(NOTES.get(action, WELCOME))
    if action not in ACTIONS:
        return note
    return note + CODE.format(inspect.getsource(ACTIONS[action]))


def draw_verdict(session: SecureCookieSession, token: str, key: int | None) -> Markup:
    newest = setup.keys[0][0]
    if not token:
        return VERDICT.format("none", "No cookie came", "The app has stored nothing.")
    if session.rejection:
        why = REFUSAL.format(session.rejection, REJECTIONS[session.rejection])
        return VERDICT.format("bad", "Refused", why)
    if key == newest:
        return VERDICT.format("good", "Accepted", f"Key {key} made it.")
    again = f"Key {key} made it; this response brings it again under key {newest}."
    return VERDICT.format("good", "Accepted", again)


def draw_token(token: str) -> Markup:
    parts = token.rsplit(".", 2)
    if len(parts) == 3:
        payload, stamp, signature = parts
        json = decode_payload(payload)
        return SIGNED_TOKEN.format(
            payload=payload,
            stamp=stamp,
            signature=signature,
            how="compressed JSON" if payload.startswith(".") else "JSON",
            json=json,
            hint=CREATED if '"_cs":' in json else "",
            time=decode_time(stamp),
        )
    return OPAQUE_TOKEN.format(token) if token else Markup("")


def decode(part: str) -> bytes:
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))


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
    return Markup('<time datetime="{}">{:%d %b %Y, %H:%M:%S} UTC</time>').format(
        moment.isoformat(), moment
    )


def draw_times(session: SecureCookieSession) -> Markup:
    idle_end = session.issued_at + int(IDLE.total_seconds())
    end = session.created_at + int(ABSOLUTE.total_seconds())
    rows = Markup("").join(
        TIME_ROW.format(label, draw_time(moment), describe(moment - int(time.time())))
        for label, moment in (
            ("Session created", session.created_at),
            ("Cookie issued", session.issued_at),
            ("Ends if not used", idle_end),
            ("Ends in any case", end),
        )
    )
    return Markup('<dl class="pairs">{}</dl>').format(rows)


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
        return VALUE.format(text, type(value).__name__)
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    rows = (Markup("<li><b>{}</b> {}</li>").format(k, draw_value(v)) for k, v in pairs)
    return BOX.format(type(value).__name__, Markup("").join(rows))


def draw_keys() -> Markup:
    (newest, _), *older = setup.keys
    rows = [(newest, "signs"), *((number, "is still accepted") for number, _ in older)]
    return Markup("").join(Markup("<li>Key {} {}</li>").format(*row) for row in rows)


# -- what it looks like ----------------------------------------------------------------

BUTTON = Markup(
    '<form method="post" action="/{name}">{field}'
    '<button name="press" value="{name}"{state}>{label}</button></form>'
)
NAME_FIELD = Markup(
    '<label for="name">Name</label>'
    '<input id="name" name="name" maxlength="40" autocomplete="off" placeholder="Ada">'
)
BUTTONS = Markup("""
<div role="group" aria-labelledby="use"><h2 id="use">Use the session</h2>
<div>{count}{cart}</div></div>
<div role="group" aria-labelledby="log"><h2 id="log">Log in and out</h2>
<div>{login}{logout}</div></div>
<div role="group" aria-labelledby="run"><h2 id="run">Run the server</h2>
<div>{rotate}{encryption}</div></div>
<div role="group" aria-labelledby="hit"><h2 id="hit">Attack the cookie</h2>
<div>{tamper}</div></div>
{hint}
""")
NO_ENCRYPTION = Markup(
    "<p>Encryption needs <code>pip install 'cookiesession[encryption]'</code></p>"
)
CODE = Markup("<pre><code>{}</code></pre>")
CREATED = Markup("<small>(_cs is when the session was created)</small>")
REFUSAL = Markup("<code>{}</code>: {}")
VERDICT = Markup('<p class="verdict {}"><strong>{}</strong> {}</p>')
EMPTY = Markup("<p>An empty session.</p>")
NO_TIMES = Markup("<p>A session begins when something is put into it.</p>")
TIME_ROW = Markup("<dt>{}</dt><dd>{} <small>{}</small></dd>")
VALUE = Markup("<code>{}</code> <small>{}</small>")
BOX = Markup("<small>{}</small><ul>{}</ul>")
SIGNED_TOKEN = Markup("""
<p class="token"><code><span class="payload">{payload}</span>.<span
class="stamp">{stamp}</span>.<span class="signature">{signature}</span></code></p>
<dl class="pairs">
<dt><span class="payload">Payload</span></dt>
<dd>{how} in base64url, which anyone can read: <code>{json}</code> {hint}</dd>
<dt><span class="stamp">Timestamp</span></dt>
<dd>when the cookie was issued: {time}</dd>
<dt><span class="signature">Signature</span></dt>
<dd>HMAC-SHA256 over the other two, which nobody can make without the key</dd>
</dl>
""")
OPAQUE_TOKEN = Markup("""
<p class="token"><code class="opaque">{}</code></p>
<dl class="pairs">
<dt><span class="opaque">One block</span></dt>
<dd>of AES-256-GCM: contents and times are inside, and only the server can read or
change them. Padding hides how long they are.</dd>
</dl>
""")

STYLE = Markup("""
:root { color-scheme: light dark; --ground: #f5f5f2; --card: #fff; --ink: #1d1f23;
  --soft: #5a5e66; --line: #dcdcd6; --accent: #24489b; --on-accent: #fff;
  --payload: #1d4bb8; --stamp: #87450a; --signature: #14633a; --opaque: #6434a3;
  --bad: #a01d17 }
@media (prefers-color-scheme: dark) { :root { --ground: #14161a; --card: #1c1f24;
  --ink: #e8e9eb; --soft: #a7abb3; --line: #343840; --accent: #a4bcff;
  --on-accent: #14171d; --payload: #9cb9ff; --stamp: #f0b873; --signature: #85d9a6;
  --opaque: #cfaef8; --bad: #ffa39b } }
* { box-sizing: border-box }
body { margin: 0 auto; padding: 2.25rem clamp(1rem, 4vw, 3rem); max-width: 76rem;
  background: var(--ground); color: var(--ink); font: 1rem/1.55 system-ui, sans-serif }
h1, h2, p, dl, dd, ul, pre { margin: 0 }
h1 { font-size: clamp(1.6rem, 4vw, 2.1rem); line-height: 1.2; margin-bottom: .5rem }
h2 { font-size: 1rem }
p, li { max-width: 68ch }
small, footer, .lead, nav h2 { color: var(--soft) }
code { font: .875rem/1.5 ui-monospace, Menlo, Consolas, monospace;
  overflow-wrap: anywhere }
pre, .token { max-width: none; padding: .7rem 1rem; border-radius: .4rem;
  background: var(--ground); white-space: pre-wrap }
.token { word-break: break-all }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px }
.skip { position: absolute; left: -99rem; color: var(--accent) }
.skip:focus { left: 1rem; top: .5rem }
nav { display: flex; flex-wrap: wrap; gap: 1rem 1.25rem; margin: 1.75rem 0 }
nav div div { display: flex; flex-wrap: wrap; gap: .5rem; margin-top: .3rem }
nav h2 { font-size: .875rem; font-weight: 400 }
form { display: flex; gap: .5rem; align-items: center }
button, input { font: inherit; font-size: .9375rem; padding: .4rem .8rem;
  border-radius: .4rem; border: 1px solid var(--accent); background: var(--card) }
button { cursor: pointer; color: var(--accent) }
button:hover:enabled { background: var(--accent); color: var(--on-accent) }
button:disabled { cursor: not-allowed; border-color: var(--line); color: var(--soft) }
input { width: 7rem; border-color: var(--soft); color: var(--ink) }
::placeholder { color: var(--soft); opacity: 1 }
main, main > div { display: grid; gap: 1rem; align-content: start }
section { display: grid; gap: .75rem; align-content: start; padding: 1.1rem 1.25rem;
  border: 1px solid var(--line); border-radius: .6rem; background: var(--card) }
@media (min-width: 56rem) {
  main { grid-template-columns: 1fr 1fr }
  .wide { grid-column: 1 / -1 }
  .note:has(pre) { grid-template-columns: 1fr 2fr; column-gap: 2rem }
  .note h2 { grid-column: 1 / -1 }
}
.pairs { display: grid; gap: .4rem 1rem }
dt { font-weight: 600 }
dd time + small { white-space: nowrap }
@media (min-width: 32rem) { .pairs { grid-template-columns: max-content 1fr } }
.token span, .token .opaque, dt span, strong { padding: .1rem .2rem;
  border-radius: .25rem; box-decoration-break: clone; color: var(--hue);
  background: color-mix(in srgb, var(--hue) 12%, transparent) }
dt span, strong { padding: .1rem .5rem }
.payload { --hue: var(--payload) }
.stamp { --hue: var(--stamp) }
.signature, .good { --hue: var(--signature) }
.opaque { --hue: var(--opaque) }
.bad { --hue: var(--bad) }
.none { --hue: var(--soft) }
ul { padding-left: 1.1rem }
meter { width: 100%; height: 1.5rem }
footer { margin-top: 1.5rem }
""")
PAGE = Markup("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>A session in a signed cookie</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>
<body>
<a class="skip" href="#cookie">Skip to the cookie</a>
<header>
<h1>A session in a signed cookie</h1>
<p class="lead">The server remembers nothing of you. What the app knows is in one
cookie, which your browser keeps and nobody can change unnoticed.</p>
</header>
<nav aria-label="Change the session">{buttons}</nav>
<main>
<section class="wide note" aria-labelledby="note-title">
<h2 id="note-title">What happened</h2>
{note}
</section>
<section class="wide" id="cookie" tabindex="-1" aria-labelledby="cookie-title">
<h2 id="cookie-title">The cookie that your browser sent</h2>
{verdict}
{token}
</section>
<div>
<section aria-labelledby="contents-title">
<h2 id="contents-title">What the app sees</h2>
<div id="contents">{contents}</div>
</section>
<section id="server" aria-labelledby="server-title">
<h2 id="server-title">The server</h2>
<ul>{keys}</ul>
<p>New cookies are {format}.</p>
</section>
</div>
<div>
<section aria-labelledby="size-title">
<h2 id="size-title"><label for="size">Size</label></h2>
<meter id="size" min="0" max="{limit}" low="2800" high="3600" optimum="0"
value="{size}">{size} bytes</meter>
<p><b>{size} of {limit} bytes</b> ({percent} %), name and value together. Browsers
drop a larger cookie without a word; cookiesession raises SessionTooLarge.</p>
</section>
<section id="times" aria-labelledby="times-title">
<h2 id="times-title">Time</h2>
{times}
</section>
</div>
</main>
<footer>
<p>This page is one file, examples/page.py, and uses no JavaScript.</p>
</footer>
</body>
</html>
""")
STYLE_HASH = b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
PAGE_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{STYLE_HASH}';"
    " img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
