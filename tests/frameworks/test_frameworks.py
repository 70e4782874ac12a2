"""Six frameworks mounted in one process, under one middleware: one cookie, one counter.

In each a view reaches the session through the environ and changes it; what comes of the
change when the view then redirects, aborts, fails or streams is the table.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from wsgiref.validate import validator

import pytest
from frameworks.apps import APPS, ELSEWHERE, BrokenView, app
from support import KEY
from werkzeug.test import Client

from cookiesession import (
    CookieOptions,
    SecureCookieSessionInterface,
    SessionMiddleware,
)

COOKIE = CookieOptions().name


@dataclass(frozen=True, kw_only=True)
class Framework:
    """Where the frameworks differ from each other."""

    redirect: int = 302
    #: Whether a view's exception becomes an error page; else the server gets it.
    error_page: bool = True
    #: What a change makes that comes with the first chunk of a streamed body. Most
    #: frameworks have started the response by then.
    late: str = "refused"


FRAMEWORKS = {
    "flask": Framework(),
    "django": Framework(),
    "pyramid": Framework(error_page=False),
    "bottle": Framework(redirect=303, late="counted"),
    "falcon": Framework(),
    "cherrypy": Framework(redirect=303),
}
every_framework = pytest.mark.parametrize("framework", FRAMEWORKS)


@pytest.fixture
def client() -> Client:
    interface = SecureCookieSessionInterface(KEY)
    return Client(validator(SessionMiddleware(app, interface)))


def count(client: Client, framework: str = "flask") -> int:
    """Count once more, in a framework, and say what was counted before."""
    with client.get(f"/{framework}/count") as response:
        assert response.status_code == 200
        return int(response.get_data(as_text=True)) - 1


def test_the_table_speaks_of_every_app() -> None:
    assert FRAMEWORKS.keys() == APPS.keys()


@pytest.mark.parametrize(("one", "other"), list(permutations(APPS, 2)))
def test_a_framework_sees_the_change_of_another(
    client: Client, one: str, other: str
) -> None:
    assert count(client, one) == 0
    assert count(client, other) == 1
    assert count(client, one) == 2


@every_framework
def test_one_cookie_is_set_once(client: Client, framework: str) -> None:
    with client.get(f"/{framework}/count") as response:
        (cookie,) = response.headers.getlist("Set-Cookie")
        assert cookie.startswith(f"{COOKIE}=")
        assert response.headers.getlist("Vary") == ["Cookie"]


@every_framework
def test_a_redirect_saves_the_change(client: Client, framework: str) -> None:
    with client.get(f"/{framework}/redirect") as response:
        assert response.status_code == FRAMEWORKS[framework].redirect
        assert response.headers["Location"] == ELSEWHERE
    assert count(client) == 1


@every_framework
def test_an_aborted_view_saves_the_change(client: Client, framework: str) -> None:
    with client.get(f"/{framework}/missing") as response:
        assert response.status_code == 404
    assert count(client) == 1


@every_framework
def test_a_broken_view_changes_nothing(client: Client, framework: str) -> None:
    count(client)
    if FRAMEWORKS[framework].error_page:
        with client.get(f"/{framework}/broken") as response:
            assert response.status_code == 500
            assert "Set-Cookie" not in response.headers
    else:
        with pytest.raises(BrokenView):
            client.get(f"/{framework}/broken")
    assert count(client) == 1


@every_framework
def test_a_stream_saves_what_was_changed_before(client: Client, framework: str) -> None:
    with client.get(f"/{framework}/stream") as response:
        assert response.get_data(as_text=True) == "1 and more"
    assert count(client) == 1


@every_framework
def test_a_change_within_a_stream_is_saved_or_refused(
    client: Client, framework: str
) -> None:
    late = FRAMEWORKS[framework].late
    with client.get(f"/{framework}/late") as response:
        assert response.get_data(as_text=True) == late
    assert count(client) == (2 if late == "counted" else 1)
