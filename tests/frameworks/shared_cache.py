"""A shared cache between a middleware and an app, as some apps have it inside."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from werkzeug import Response

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class SharedCache:
    """Obeys Vary and Cache-Control (RFC 9111), as far as sessions speak of them."""

    def __init__(self, app: WSGIApplication) -> None:
        self.app = app
        self.stored: list[tuple[str, str | None, Response]] = []

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        path, cookie = environ["PATH_INFO"], environ.get("HTTP_COOKIE")
        for stored_path, stored_cookie, response in self.stored:
            varies = "cookie" in response.vary
            if stored_path == path and not (varies and stored_cookie != cookie):
                return response(environ, start_response)
        response = Response.from_app(self.app, environ, buffered=True)
        if not response.cache_control.private:
            self.stored.append((path, cookie, response))
        return response(environ, start_response)
