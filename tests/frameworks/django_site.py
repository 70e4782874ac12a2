"""A small Django project: its settings, and what views do to ``request.session``."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from itertools import count
from typing import Any

import django
from django.conf import settings

MIDDLEWARE = [
    "cookiesession.bridges.django.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]


def configure() -> None:
    """Configure Django, once in a process: for the views below, and for others'."""
    if settings.configured:
        return
    settings.configure(
        ALLOWED_HOSTS=["localhost", "testserver"],
        ROOT_URLCONF="frameworks.apps",
        SECRET_KEY="tests-only-django-key-0123456789-ABCDEF",
        SESSION_ENGINE="cookiesession.bridges.django",
        INSTALLED_APPS=[
            "django.contrib.admin",
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.messages",
            "django.contrib.sessions",
        ],
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "APP_DIRS": True,
                "OPTIONS": {
                    "context_processors": [
                        "django.template.context_processors.request",
                        "django.contrib.auth.context_processors.auth",
                        "django.contrib.messages.context_processors.messages",
                    ]
                },
            }
        ],
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": "file:cookiesession?mode=memory&cache=shared",
            }
        },
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        MESSAGE_STORAGE="django.contrib.messages.storage.session.SessionStorage",
        USE_TZ=True,
    )
    django.setup()


configure()

from django.contrib import admin, auth, messages  # noqa: E402
from django.http import (  # noqa: E402
    HttpRequest,
    HttpResponse,
    JsonResponse,
    StreamingHttpResponse,
)
from django.middleware.csrf import get_token  # noqa: E402
from django.urls import path  # noqa: E402
from django.utils.safestring import SafeString  # noqa: E402
from django.views.decorators.cache import cache_control, cache_page  # noqa: E402
from django.views.decorators.csrf import csrf_exempt  # noqa: E402
from django.views.decorators.vary import vary_on_cookie  # noqa: E402

from cookiesession import get_session  # noqa: E402

TODAY = datetime(2024, 2, 29, 12, tzinfo=timezone.utc)
EXPIRIES: dict[str, Any] = {
    "close": 0,
    "minute": 60,
    "delta": timedelta(minutes=1),
    "past": datetime(2020, 1, 1, tzinfo=timezone.utc),
    "none": None,
}
NUMBERS = count()
#: What may stand below ``cache_page``.
BELOW: dict[str, Any] = {
    "nothing": lambda view: view,
    "vary_on_cookie": vary_on_cookie,
    "private": cache_control(private=True),
}


def show(request: HttpRequest) -> HttpResponse:
    return JsonResponse(dict(request.session.items()))


def store(request: HttpRequest, key: str, value: str) -> HttpResponse:
    request.session[key] = value
    response = HttpResponse()
    response.set_cookie("theirs", "1")
    return response


def types(request: HttpRequest) -> HttpResponse:
    values = {"when": TODAY, "pair": (1, 2), "safe": SafeString("<b>")}
    request.session.update(values)
    return HttpResponse()


def check_types(request: HttpRequest) -> HttpResponse:
    session = request.session
    return HttpResponse(repr([session["when"] == TODAY, session["pair"]]))


def append(request: HttpRequest) -> HttpResponse:
    request.session.setdefault("list", []).append(1)
    return HttpResponse()


def drop(request: HttpRequest, key: str) -> HttpResponse:
    return HttpResponse(request.session.pop(key, default="nothing"))


def force(request: HttpRequest) -> HttpResponse:
    request.session.modified = True
    return HttpResponse()


def save(request: HttpRequest) -> HttpResponse:
    request.session.save()
    return HttpResponse()


def own_cookie(request: HttpRequest) -> HttpResponse:
    response = show(request)
    response.set_cookie(settings.SESSION_COOKIE_NAME, "theirs")
    return response


def nothing(request: HttpRequest) -> HttpResponse:
    return HttpResponse("nothing")


def broken(request: HttpRequest) -> HttpResponse:
    request.session["broken"] = True
    return HttpResponse(status=500)


def broken_logout(request: HttpRequest) -> HttpResponse:
    auth.logout(request)
    return HttpResponse(status=500)


def late(request: HttpRequest) -> StreamingHttpResponse:
    def body() -> Any:
        try:
            request.session["late"] = True
        except RuntimeError as error:
            yield type(error).__name__

    return StreamingHttpResponse(body())


def late_read(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(str(request.session.get("key")) for _ in "1")


def late_key(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(str(request.session.session_key) for _ in "1")


def late_pop(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(request.session.pop("key", "nothing") for _ in "1")


def clear(request: HttpRequest) -> HttpResponse:
    request.session.clear()
    return HttpResponse()


def unused(request: HttpRequest) -> HttpResponse:
    request.session.get("key")
    request.session.accessed = False
    return HttpResponse()


def hello(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"hello {request.session.get('name', 'stranger')}")


def number(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(request.session.setdefault("number", next(NUMBERS))))


def expire(request: HttpRequest, expiry: str) -> HttpResponse:
    request.session.set_expiry(EXPIRIES[expiry])
    return HttpResponse(str(request.session.get_expire_at_browser_close()))


def key(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(request.session.session_key))


def create(request: HttpRequest) -> HttpResponse:
    if not request.session.session_key:
        request.session.create()
    return HttpResponse(str(request.session.session_key))


def end(request: HttpRequest, key: str) -> HttpResponse:
    known = request.session.exists(key)
    request.session.delete(key)
    return HttpResponse(f"{known} {request.session.exists(key)}")


def same(request: HttpRequest) -> HttpResponse:
    get_session(request.META)["same"] = True
    return HttpResponse(str(request.session.get("same")))


@csrf_exempt
def login(request: HttpRequest) -> HttpResponse:
    user = auth.authenticate(request, username=request.POST["user"], password="secret")
    auth.login(request, user)
    return HttpResponse()


def logout(request: HttpRequest) -> HttpResponse:
    auth.logout(request)
    return HttpResponse()


def who(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.user.get_username())


def password(request: HttpRequest) -> HttpResponse:
    request.user.set_password("secret")  # with another salt
    request.user.save()
    auth.update_session_auth_hash(request, request.user)
    return HttpResponse()


def end_others(request: HttpRequest) -> HttpResponse:
    interface: Any = settings.SESSION_INTERFACE
    ended = interface.end_sessions(request.user.pk, keep=get_session(request.META))
    return HttpResponse(str(ended))


def password_and_end_others(request: HttpRequest) -> HttpResponse:
    password(request)
    return end_others(request)


def say(request: HttpRequest, text: str) -> HttpResponse:
    messages.info(request, text)
    return HttpResponse()


def said(request: HttpRequest) -> HttpResponse:
    return HttpResponse(", ".join(map(str, messages.get_messages(request))))


def form(request: HttpRequest) -> HttpResponse:
    return HttpResponse("accepted" if request.method == "POST" else get_token(request))


async def aset(request: HttpRequest) -> HttpResponse:
    session = request.session
    await session.aset("key", "value")
    await session.aupdate({"more": 1, "gone": 1})
    found = [await session.aget("more"), await session.ahas_key("gone")]
    found += [await session.apop("gone"), await session.ahas_key("gone")]
    return HttpResponse(repr(found))


async def aexpire(request: HttpRequest) -> HttpResponse:
    await request.session.aset_expiry(60)
    at_close = await request.session.aget_expire_at_browser_close()
    await request.session.asave()
    return HttpResponse(str(at_close))


async def acycle(request: HttpRequest) -> HttpResponse:
    before = request.session.session_key
    await request.session.acycle_key()
    return HttpResponse(str(before != request.session.session_key))


async def aflush(request: HttpRequest) -> HttpResponse:
    await request.session.aflush()
    return HttpResponse()


async def alogin(request: HttpRequest) -> HttpResponse:
    user = await auth.aauthenticate(request, username="ada", password="secret")
    await auth.alogin(request, user)
    return HttpResponse()


async def awho(request: HttpRequest) -> HttpResponse:
    return HttpResponse((await request.auser()).get_username())


async def adelete(request: HttpRequest) -> HttpResponse:
    await request.session.adelete()
    return HttpResponse()


SIMPLE = [
    *(show, types, check_types, append, force, nothing, broken, broken_logout, late),
    *(late_read, hello, key, create, same, login, logout, who, password, end_others),
    *(password_and_end_others, said, form, aset, aexpire, acycle, aflush, alogin, awho),
    *(adelete, late_key, late_pop, clear, unused, save, own_cookie),
]
urlpatterns = [
    *(path(view.__name__, view) for view in SIMPLE),
    *(
        path(f"cached/{name}/{view.__name__}", cache_page(60)(below(view)))
        for name, below in BELOW.items()
        for view in (hello, number)
    ),
    path("store/<key>/<value>", store),
    path("drop/<key>", drop),
    path("expire/<expiry>", expire),
    path("end/<key>", end),
    path("say/<text>", say),
    path("admin/", admin.site.urls),
]
