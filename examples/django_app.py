"""A visit counter in Django: gunicorn --chdir examples django_app:app

The key comes from the environment: SECRET_KEY=$(python -m cookiesession keygen).
Without it an error is logged, and a change to a session raises SessionUnavailable.
"""

from __future__ import annotations

import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.views.decorators.http import require_POST

from cookiesession import SecureCookieSessionInterface, SessionMiddleware, get_session

settings.configure(
    ALLOWED_HOSTS=["localhost", "127.0.0.1", "[::1]"], ROOT_URLCONF=__name__
)


def visits(request: HttpRequest) -> HttpResponse:
    session = get_session(request.environ)
    session["visits"] = session.get("visits", 0) + 1
    return HttpResponse(f"Visit {session['visits']}, says Django.\n")


@require_POST
def forget(request: HttpRequest) -> HttpResponse:
    get_session(request.environ).clear()
    return HttpResponseRedirect(reverse("visits"))


urlpatterns = [
    path("", visits, name="visits"),
    path("forget", forget, name="forget"),
]

app = SessionMiddleware(
    get_wsgi_application(), SecureCookieSessionInterface(os.environ.get("SECRET_KEY"))
)
