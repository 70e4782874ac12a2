"""A client that keeps its cookies, without any WSGI server or app around it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cookiesession import SecureCookieSession, SecureCookieSessionInterface


class Browser:
    """One client's cookies, and one request at a time through an interface."""

    def __init__(self, *cookies: str) -> None:
        self.cookies = dict(cookie.split("=", 1) for cookie in cookies)
        self.set_cookies: list[str] = []  # of the last response

    @property
    def header(self) -> str:
        return "; ".join(f"{name}={value}" for name, value in self.cookies.items())

    def visit(
        self,
        interface: SecureCookieSessionInterface,
        view: Callable[[SecureCookieSession], Any] = dict,
        *,
        status: str = "200 OK",
        headers: Sequence[tuple[str, str]] = (),
    ) -> Any:
        """What *view* makes of the session; ``dict`` just reads it."""
        environ = {"HTTP_COOKIE": self.header, "wsgi.url_scheme": "https"}
        session = interface.open_session(environ)
        assert isinstance(session, SecureCookieSession)
        result = view(session)
        response = list(headers)
        interface.save_session(environ, session, status, response)
        self.set_cookies = [v for name, v in response if name == "Set-Cookie"]
        for cookie in self.set_cookies:
            name, value = cookie.partition(";")[0].split("=", 1)
            self.cookies[name] = value
            if "Max-Age=0" in cookie:
                del self.cookies[name]
        return result
