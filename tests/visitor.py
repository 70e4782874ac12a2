"""A visitor of a real server: raw HTTP, and a cookie jar kept by hand."""

from __future__ import annotations

import http.client
from dataclasses import dataclass
from ssl import SSLContext


@dataclass(frozen=True)
class Reply:
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def values(self, name: str) -> list[str]:
        """The values of all headers of a name, in their order."""
        return [value for key, value in self.headers if key.lower() == name.lower()]


class Visitor:
    """Sends all cookies always: neither Secure nor a path is looked at.

    :param tls: How the server's certificate is verified; ``None`` for plain http.
    """

    def __init__(self, port: int, tls: SSLContext | None = None) -> None:
        self.port = port
        self.tls = tls
        self.cookies: dict[str, str] = {}

    def visit(
        self,
        path: str,
        *,
        form: str | None = None,
        host: str | None = None,
        neighbour: str = "",
    ) -> Reply:
        """One request, on a connection of its own.

        :param form: What to POST; without one it is a GET.
        :param neighbour: A cookie to send before the others; its letters are bytes.
        """
        own = [f"{name}={value}" for name, value in self.cookies.items()]
        headers = {"Cookie": "; ".join([neighbour, *own] if neighbour else own)}
        if host:
            headers["Host"] = host
        if form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        method = "GET" if form is None else "POST"
        connection = self._connect()
        try:
            connection.request(method, path, form, headers)
            response = connection.getresponse()
            reply = Reply(response.status, response.getheaders(), response.read())
        finally:
            connection.close()
        self._keep(reply.values("Set-Cookie"))
        return reply

    def _connect(self) -> http.client.HTTPConnection:
        if self.tls is None:
            return http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        return http.client.HTTPSConnection(
            "127.0.0.1", self.port, timeout=10, context=self.tls
        )

    def _keep(self, set_cookies: list[str]) -> None:
        for set_cookie in set_cookies:
            pair, *attributes = set_cookie.split("; ")
            name, _, value = pair.partition("=")
            if "Max-Age=0" in attributes:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value
