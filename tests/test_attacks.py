"""Every known attack on a session, by its identifier, and what we do instead.

The table says which test shows it, here or where the behaviour has its home.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import itertools
import json
import logging
import pickle
import random
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from forge import Signer, b64u, bound, deflated, unb64u
from hypothesis import given
from hypothesis import strategies as st
from itsdangerous import URLSafeTimedSerializer
from storing import Client, Spy, made
from support import (
    ENCRYPTED,
    KEY,
    OLD_KEY,
    Clock,
    every_format,
    needs_extras,
    params_of,
    values_of,
)
from werkzeug.test import create_environ, run_wsgi_app

from cookiesession import (
    FLASK,
    ConfigError,
    CookieOptions,
    JSONTag,
    SecureCookieSession,
    SecureCookieSessionInterface,
    SessionMiddleware,
    SessionTooLarge,
    SessionUnavailable,
    SignedFormat,
    TaggedJSONSerializer,
    get_session,
)
from cookiesession.cookies import find_cookies
from cookiesession.keys import generate

#: What shows that an attack fails: a test of this file, or ``file::test``.
SHOWN: dict[str, tuple[str, ...]] = {
    # -- forgery, keys, cryptography
    # rack-session: what no key opened went to an unauthenticated decoder
    "CVE-2026-39324": ("test_cve_2026_39324_no_unsigned_fallback",),
    # ASP.NET: the MAC was computed, and its outcome discarded
    "CVE-2026-40372": (
        "test_cve_2026_40372_every_changed_byte_is_noticed",
        "test_untrusted_input::test_no_changed_token_is_read",
    ),
    # Flask 3.1.0: signed with the oldest of its fallback keys
    "CVE-2025-47278": ("test_cve_2025_47278_the_newest_key_signs",),
    # gorilla/securecookie: an older key signed where the newest one failed
    "gorilla EncodeMulti": ("test_gorilla_encode_multi_no_fallback_key_ever_signs",),
    # gorilla/securecookie b009e17, itsdangerous: an empty key signs
    "gorilla b009e17": (
        "test_keys::test_a_bad_key_gives_no_session_and_one_error",
        "test_keys::test_a_bad_fallback_key_is_refused_with_its_place",
    ),
    # Flask: the letters of a bare string are keys
    "a string as fallback keys": ("test_keys::test_fallback_keys_are_a_list",),
    # Rack: ``==`` tells how many bytes were right
    "CVE-2013-0263, CVE-2018-1000119": (
        "test_cve_2013_0263_signatures_are_compared_in_constant_time",
    ),
    # Beaker: encrypted in ECB mode
    "CVE-2012-3458": ("test_cve_2012_3458_equal_sessions_give_unequal_cookies",),
    # Tornado 1.0: digits slid from the value into the time
    "BMSA-2010-01": (
        "test_bmsa_2010_01_no_byte_slides_between_fields",
        "test_bmsa_2010_01_salt_and_cookie_name_do_not_slide",
    ),
    # Airflow, Superset, and older: thousands of servers ran with a documented key
    "CVE-2020-17526, CVE-2023-27524, CVE-2008-7311, CVE-2013-7222": (
        "test_cve_2020_17526_a_shipped_key_opens_no_session",
        "test_keys::test_a_placeholder_is_no_key",
        "test_keys::test_a_bad_key_gives_no_session_and_one_error",
    ),
    # rails_multisite, and Laravel in 2020: one site's cookie was good for another
    "CVE-2021-41263": ("test_cve_2021_41263_a_cookie_is_worthless_under_another_name",),
    # iron-session: its version stood outside of the MAC
    "iron-session": ("test_iron_session_the_version_is_authenticated",),
    # itsdangerous: eleven other strings pass for the same signature
    "spellings of itsdangerous": (
        "test_tokens::test_of_all_tokens_of_one_changed_character_only_the_token_is_accepted",
        "test_tokens::test_padding_space_and_other_additions_are_refused",
    ),
    # CGI::Session: ids that can be guessed
    "CVE-2026-56016": (
        "test_cve_2026_56016_nothing_is_guessable",
        "test_package::test_what_must_not_be_guessed_comes_from_the_system",
    ),
    # -- deserialization
    # Beaker: pickle
    "CVE-2013-7489": ("test_package::test_nothing_is_unpickled_or_evaluated",),
    # Laravel, geokit: the key was known, and what it signed was run
    "CVE-2018-15133, CVE-2024-55556, CVE-2023-26153": (
        "test_cve_2018_15133_a_leaked_key_gives_data_never_code",
    ),
    # Flask-Caching, Rails: records in a format that executes; ours is a cookie's token
    "CVE-2021-33026, CVE-2020-8165": (
        "test_tokens::test_a_hostile_payload_is_an_empty_session",
    ),
    # Plug: hostile by shape alone
    "CVE-2017-1000053": (
        "test_cve_2017_1000053_depth_is_limited",
        "test_cve_2017_1000053_depth_is_limited_on_a_small_stack",
    ),
    # -- fixation and lifecycle
    # Fiber, aiohttp-session, Airflow: the id that a client chose became the session's
    "CVE-2024-38513, CVE-2018-1000519, CVE-2022-38054": (
        "test_cve_2024_38513_what_a_client_chose_is_not_adopted",
    ),
    # Rails: the id was taken from the URL
    "CVE-2007-5380, CVE-2007-6077": (
        "test_cve_2007_5380_a_session_comes_from_the_cookie_alone",
        "test_cve_2007_6077_options_are_frozen",
        "test_cookie_options::test_options_cannot_be_changed_afterwards",
    ),
    # passport, @fastify/passport, Symfony: what was planted survived the login
    "CVE-2022-25896, CVE-2023-29019, CVE-2023-46733": (
        "test_cve_2022_25896_a_login_starts_a_new_session",
        "test_cve_2022_25896_a_login_is_written_even_if_nothing_differs",
        "test_serverside_users::test_a_login_moves_the_session_to_a_new_id",
    ),
    # rack-session's pool, Rack: a slow request, or a store, revives a session
    "CVE-2025-46336, CVE-2025-32441": (
        "test_time::test_a_slow_response_renews_nothing",
        "test_time::test_a_slow_response_never_undoes_a_logout",
        "test_serverside_races::test_a_change_to_a_session_that_was_ended_meanwhile_is_dropped",
    ),
    # @fastify/secure-session, koi: a copied cookie outlives the logout
    "CVE-2024-31999, CVE-2026-44511": (
        "test_cve_2024_31999_a_replayed_cookie_ends_with_its_timeouts",
        "test_serverside::test_a_session_that_was_ended_says_so_for_a_minute",
    ),
    # aiohttp-session, @fastify/session: only the browser forgot, or loading prolonged
    "CVE-2018-1000814, CVE-2024-35220": (
        "test_cve_2018_1000814_expiry_is_the_servers",
        "test_time::test_a_browser_that_keeps_the_cookie_too_long_gains_nothing",
        "test_time::test_a_session_in_use_ends_with_its_absolute_window",
    ),
    # Spring Security: no logout lasted
    "CVE-2023-20862": (
        "test_cve_2023_20862_a_logout_is_always_kept",
        "test_serverside::test_a_logout_holds_in_a_response_that_fails",
    ),
    # -- denial of service
    # Django: reading or logging out made records
    "CVE-2015-5143, CVE-2015-5963, CVE-2015-5964": (
        "test_cve_2015_5143_nothing_is_made_for_who_has_nothing",
        "test_serverside::test_an_empty_session_of_a_new_browser_is_not_stored",
    ),
    # Symfony: user names of any size
    "CVE-2016-4423": ("test_cve_2016_4423_a_megabyte_is_refused_with_its_key",),
    # http.cookies, Tornado, cgi: quadratic parsing
    "CVE-2024-7592, CVE-2024-52804, CVE-2025-27219": (
        "test_cve_2024_7592_the_work_grows_as_the_header",
    ),
    # Rails: a pattern over Host and cookie took for ever
    "CVE-2023-22792": ("test_cve_2023_22792_the_work_does_not_grow_as_the_host",),
    # ASP.NET, traefik-oidc-auth 291, h3 1469: as many cookies as the client says
    "chunked cookies": ("test_chunk_counts_are_not_believed",),
    # itsdangerous: inflates whatever it costs
    "a decompression bomb": (
        "test_tokens::test_200_mb_are_not_inflated",
        "test_tokens::test_a_hostile_payload_is_an_empty_session",
    ),
    # many numbers of one hash in a set
    "hash collisions": (
        "test_numbers_that_share_a_hash_are_not_compared_with_each_other",
    ),
    # -- cookie parsing and tossing
    # Hono, Werkzeug and others ("Cookie Chaos", PortSwigger 2025)
    "CVE-2026-39410, CVE-2023-23934": (
        "test_cookies::test_nothing_but_a_space_or_a_tab_may_come_before_the_name",
        "test_cookies::test_a_pair_without_a_name_is_no_cookie_of_ours",
    ),
    # Rack, cgi, ASP.NET, PHP: names were decoded
    "CVE-2020-8184, CVE-2021-41819, CVE-2020-1045, CVE-2022-31629": (
        "test_cookies::test_a_name_is_neither_decoded_nor_folded",
    ),
    # Django, Tornado: a value was split into cookies
    "CVE-2016-7401": ("test_cookies::test_only_a_semicolon_ends_a_cookie",),
    # Jetty, Werkzeug: the cookie sandwich
    "CVE-2023-26049": ("test_cookies::test_a_quoted_value_swallows_no_cookie",),
    # werkzeug.http.parse_cookie: UnicodeDecodeError for ``session=\xff``
    "a byte that is not UTF-8": (
        "test_a_byte_that_is_not_utf_8_is_no_error",
        "test_cookies::test_a_byte_that_is_not_utf_8_hides_nothing",
    ),
    # USENIX Security 2023, twelve CVEs; RFC 6265bis, section 8.6
    "cookie crumbles": (
        "test_cookies::test_junk_of_our_name_does_not_hide_our_cookie",
        "test_cookies::test_of_two_that_verify_the_latest_issue_wins",
        "test_cookies::test_of_two_that_verify_the_earliest_codec_wins",
    ),
    # -- caching and headers
    # Flask, Django: what was read was not said to caches
    "CVE-2026-27205, CVE-2026-35192, CVE-2014-1418, CVE-2023-30861": (
        "test_cve_2026_27205_every_read_is_said_to_caches",
        "test_response_rules::test_every_way_of_reading_gives_vary_cookie",
        "test_cve_2023_30861_a_renewal_is_said_to_caches",
        "test_a_renewal_is_not_given_to_a_shared_cache",
    ),
    # rack-cache: one user's Set-Cookie to the next
    "CVE-2012-2671": (
        "test_cve_2012_2671_no_cache_stores_a_set_cookie",
        "test_a_response_that_may_be_cached_becomes_private_with_a_cookie",
    ),
    # http.cookies, cookie of npm, Tornado, Hono, cgi: a value wrote an attribute
    "CVE-2026-0672, CVE-2026-3644, CVE-2024-47764, CVE-2021-33621": (
        "test_cve_2026_0672_no_option_writes_another_attribute",
        "test_cve_2026_0672_no_value_writes_another_attribute",
    ),
    "GHSA-78cv-mqj4-43f7, CVE-2026-47675": (
        "test_cve_2026_0672_no_option_writes_another_attribute",
    ),
    # on-headers: mangled the headers that it was to watch
    "CVE-2025-7339": (
        "test_middleware::test_header_order_duplicates_and_other_cookies_are_kept",
        "test_middleware::test_exc_info_before_the_headers_are_out_starts_over_from_clean_headers",
    ),
    # Beaker, secure-cookie: a cookie in the app's constant list of headers
    "a shared header list": (
        "test_middleware::test_a_header_list_shared_between_requests_is_never_changed",
    ),
    # -- disclosure
    # Spring Session: printed ids
    "CVE-2023-20866": (
        "test_cve_2023_20866_no_token_is_logged",
        "test_secrets_stay_secret::test_nothing_secret_is_said",
    ),
    # django-two-factor-auth: a password in a session that anyone could read
    "CVE-2020-15105": ("test_cve_2020_15105_an_encrypted_cookie_shows_no_value",),
    # rdiffweb: over http
    "CVE-2022-3174": (
        "test_asvs::test_the_default_cookie_is_the_safest",
        "test_response_rules::test_a_secure_cookie_over_http_warns_once_and_says_what_to_set",
    ),
    # itsdangerous: two seconds in the future are an expired signature
    "clocks of itsdangerous": ("test_a_clock_that_is_ahead_logs_nobody_out",),
    # -- ids and stores
    # Rack, Active Record: an id's lookup leaks it by time; ours is signed, and hashed
    "CVE-2019-16782, CVE-2019-25025": (
        "test_serverside_wire::test_a_forged_cookie_makes_no_call_to_the_store",
        "test_serverside_wire::test_the_store_knows_a_session_by_a_hash_and_a_user_by_another",
    ),
    # Django: a flushed session's id was empty, and shared
    "CVE-2015-3982": (
        "test_serverside::test_what_follows_clear_is_a_new_session",
        "test_serverside_wire::test_no_id_is_given_twice",
        "test_serverside_wire::test_a_forged_cookie_makes_no_call_to_the_store",
    ),
    # Devise: one remembered id for all devices of a user
    "CVE-2015-8314": (
        "test_serverside_wire::test_no_id_is_given_twice",
        "test_serverside_users::test_one_session_of_a_user_is_ended_by_its_handle",
    ),
    # django-user-sessions: ids in the list of a user's sessions
    "CVE-2020-5224": (
        "test_serverside_wire::test_a_handle_opens_nothing",
        "test_serverside_users::test_a_handle_that_is_not_this_users_ends_nothing",
    ),
    # tower-sessions: a new id that collides takes over another session
    "tower-sessions 0.12": ("test_a_new_id_that_collides_takes_over_no_session",),
    # redis-store: a record in a format that executes
    "CVE-2017-1000248": (
        "test_serverside::test_a_record_that_somebody_wrote_over_is_an_empty_session",
        "test_serverside_wire::test_a_record_that_says_nothing_sensible_is_malformed",
        "test_package::test_nothing_is_unpickled_or_evaluated",
    ),
    # Django, Litestar, CherryPy, gorilla, dalli: an id escapes the store's namespace
    "CVE-2011-4136, CVE-2026-25480, CVE-2008-0252, gorilla/sessions 274": (
        "test_serverside_wire::test_a_forged_cookie_makes_no_call_to_the_store",
        "test_serverside_races::test_pitfall_7_keys_and_owners_are_hexadecimal",
    ),
    "CVE-2022-4064": (
        "test_serverside_races::test_pitfall_7_keys_and_owners_are_hexadecimal",
    ),
    # Airflow, Camaleon: a changed password leaves other sessions alive
    "CVE-2023-40273, CVE-2021-25970": (
        "test_serverside_users::test_all_others_are_ended_and_this_one_is_kept",
        "test_serverside_races::test_pitfall_1_a_session_that_regenerates_does_not_survive_the_end_of_all",
    ),
}

NAME = "__Host-session"
PLAIN = CookieOptions(name="session")
NOW = 1_700_000_000
#: Two keys are reserved for our bookkeeping.
keys = st.text(max_size=5).filter(lambda key: key not in ("_cs", "_permanent"))
View = Callable[[SecureCookieSession], object]


def test_every_test_in_the_table_exists() -> None:
    for reference in itertools.chain.from_iterable(SHOWN.values()):
        file, _, test = reference.rpartition("::")
        path = Path(__file__).with_name(f"{file}.py") if file else Path(__file__)
        assert f"\ndef {test}(" in path.read_text(), reference


def test_every_test_of_an_attack_is_in_the_table() -> None:
    shown = {*itertools.chain.from_iterable(SHOWN.values())}
    named = {name for name in globals() if name.startswith(("test_cve_", "test_bmsa_"))}
    assert named - shown == set()
    identifiers = ", ".join(SHOWN).split(", ")
    assert len(identifiers) == len({*identifiers})


@dataclasses.dataclass
class Answer:
    """A response, and what the app made of its session."""

    status: str
    headers: list[tuple[str, str]]
    result: Any

    @property
    def set_cookies(self) -> list[str]:
        return values_of(self.headers, "Set-Cookie")


def request(
    interface: SecureCookieSessionInterface,
    cookie: str | None = None,
    view: View = dict,
    *,
    status: str = "200 OK",
    headers: Iterable[tuple[str, str]] = (),
    url: str = "https://app.example/",
    **environ: Any,
) -> Answer:
    """One request through the middleware; *view* is the app's use of its session."""
    results = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        results.append(view(get_session(environ)))  # type: ignore[arg-type]
        start_response(status, [*headers])
        return [b"ok"]

    whole = create_environ(base_url=url, environ_overrides=environ)
    if cookie is not None:
        whole["HTTP_COOKIE"] = cookie
    body, answered, answer_headers = run_wsgi_app(
        SessionMiddleware(app, interface), whole, buffered=True
    )
    assert list(body) == [b"ok"]
    return Answer(answered, list(answer_headers), results[0])


def rejection(session: SecureCookieSession) -> tuple[dict[str, Any], str | None]:
    return dict(session), session.rejection


def read(
    interface: SecureCookieSessionInterface, cookie: str
) -> tuple[dict[str, Any], str | None]:
    """What is in a cookie, and why not."""
    session = interface.open_session({"HTTP_COOKIE": cookie})
    assert session is not None
    return rejection(session)


def put(**data: Any) -> View:
    return lambda session: session.update(data)


def cookie_of(answer: Answer) -> str:
    """The Cookie header that a browser sends after a response with one Set-Cookie."""
    [set_cookie] = answer.set_cookies
    return set_cookie.partition(";")[0]


def signed(payload: str, issued: int = NOW, name: str = NAME) -> str:
    """A cookie whose signature is right, as a leaked key would make it."""
    return f"{name}={Signer(KEY, bound(name)).token(payload, issued)}"


@contextlib.contextmanager
def recorded_calls() -> Iterator[list[str]]:
    """The names of all functions that are called in the block, of Python or C."""
    calls: list[str] = []

    def record(frame: Any, event: str, arg: Any) -> None:
        if event == "call":
            calls.append(frame.f_code.co_name)
        elif event == "c_call":
            calls.append(arg.__name__)

    sys.setprofile(record)
    try:
        yield calls
    finally:
        sys.setprofile(None)


# -- forgery, keys, cryptography ------------------------------------------------------


@pytest.mark.parametrize("fallback_keys", [(), (OLD_KEY,)], ids=["one key", "two"])
@every_format
def test_cve_2026_39324_no_unsigned_fallback(
    format: SignedFormat, fallback_keys: tuple[str, ...]
) -> None:
    """rack-session: what no key opened went to an unauthenticated decoder."""
    interface = SecureCookieSessionInterface(
        KEY, format=format, fallback_keys=fallback_keys, cookie=PLAIN
    )
    text = b'{"admin":true}'
    for content in (text, zlib.compress(text), pickle.dumps({"admin": True})):
        plain = b64u(content)
        standard = base64.b64encode(content).decode()
        for token in (plain, f".{plain}", f"{plain}.", f"{plain}..", standard):
            answer = request(interface, f"session={token}", rejection)
            assert answer.result[0] == {}
            assert answer.result[1] in ("bad_signature", "malformed")


@every_format
def test_cve_2026_40372_every_changed_byte_is_noticed(format: SignedFormat) -> None:
    """ASP.NET Data Protection: the MAC was computed, and its outcome discarded."""
    interface = SecureCookieSessionInterface(KEY, format=format, cookie=PLAIN)
    cookie = interface.make_cookie({"user": 42})
    start = len("session=")
    assert interface.read_cookie(cookie) == {"user": 42}
    for index in range(start, len(cookie)):
        for other in "A", "B", "-", ".", "~":
            changed = cookie[:index] + other + cookie[index + 1 :]
            if changed != cookie:
                assert interface.read_cookie(changed) == {}
        assert interface.read_cookie(cookie[:index] + cookie[index + 1 :]) == {}
        assert interface.read_cookie(cookie[:index]) == {}


@every_format
def test_cve_2025_47278_the_newest_key_signs(format: SignedFormat) -> None:
    """Flask 3.1.0 signed with the oldest of its fallback keys."""
    rotated = SecureCookieSessionInterface(KEY, fallback_keys=[OLD_KEY], format=format)
    cookie = rotated.make_cookie({"a": 1})
    new = SecureCookieSessionInterface(KEY, format=format)
    old = SecureCookieSessionInterface(OLD_KEY, format=format)
    assert new.read_cookie(cookie) == {"a": 1}
    assert old.read_cookie(cookie) == {}
    reissued = cookie_of(request(rotated, old.make_cookie({"a": 1})))
    assert new.read_cookie(reissued) == {"a": 1}


@pytest.mark.parametrize("bad", [None, "", "short", "changeme" * 4, "a" * 32])
def test_gorilla_encode_multi_no_fallback_key_ever_signs(bad: str | None) -> None:
    """gorilla/securecookie signed with an older key where the newest one failed.

    A bad secret_key is no error of ours at construction: the design gives a null
    session instead, in which nothing can be stored.
    """
    interface = SecureCookieSessionInterface(bad, fallback_keys=[OLD_KEY])
    assert interface.open_session({}) is None
    with pytest.raises(SessionUnavailable):
        interface.make_cookie({"a": 1})
    with pytest.raises(SessionUnavailable):
        request(interface, None, put(a=1))


@every_format
def test_cve_2013_0263_signatures_are_compared_in_constant_time(
    format: SignedFormat,
) -> None:
    """Also CVE-2018-1000119 (Rack): ``==`` tells how many bytes were right.

    However many are, the same is done; and what compares does so in constant time.
    """
    interface = SecureCookieSessionInterface(KEY, format=format, cookie=PLAIN)
    cookie = interface.make_cookie({"user": 42})
    interface.read_cookie(cookie[:-1])  # what is made once, by anyone, is made now
    done = []
    for index in range(len(cookie) - 25, len(cookie) - 1, 6):
        wrong = "B" if cookie[index] == "A" else "A"
        forged = cookie[:index] + wrong * (len(cookie) - index - 1) + cookie[-1]
        with recorded_calls() as calls:
            assert interface.read_cookie(forged) == {}
        done.append(calls)
    assert all(calls == done[0] for calls in done)
    compares = "decrypt" if format is ENCRYPTED else "compare_digest"
    assert done[0].count(compares) == 1


@needs_extras
def test_cve_2012_3458_equal_sessions_give_unequal_cookies() -> None:
    """Beaker encrypted in ECB mode: equal blocks were equal in the cookie."""
    interface = SecureCookieSessionInterface(KEY, format=ENCRYPTED)
    data = {"a": "0123456789abcdef" * 64}
    tokens = [interface.make_cookie(data).partition("=")[2] for _ in range(2)]
    blocks = [
        raw[start : start + 16]
        for raw in map(unb64u, tokens)
        for offset in range(1, 17)
        for start in range(offset, len(raw) - 16, 16)
    ]
    assert tokens[0] != tokens[1]
    assert len(set(blocks)) == len(blocks)


@given(st.dictionaries(keys, st.integers(), max_size=3), st.data())
def test_bmsa_2010_01_no_byte_slides_between_fields(
    data: dict[str, int], draw: st.DataObject
) -> None:
    """Tornado 1.0 signed ``value + timestamp``: digits slid over, and so the expiry."""
    interface = SecureCookieSessionInterface(KEY)
    token = interface.make_cookie(data).partition("=")[2]
    letters = token.replace(".", "")
    dots = sorted(
        draw.draw(
            st.lists(st.integers(0, len(letters)), min_size=1, max_size=4, unique=True)
        )
    )
    parts = [letters[i:j] for i, j in itertools.pairwise([0, *dots, len(letters)])]
    moved = ".".join(parts)
    if moved != token:
        assert read(interface, f"{NAME}={moved}") == ({}, "bad_signature")


@pytest.mark.parametrize(
    "format", params_of({"signed": SignedFormat(), "encrypted": ENCRYPTED})
)
def test_bmsa_2010_01_salt_and_cookie_name_do_not_slide(format: SignedFormat) -> None:
    """The same between the two words that a key is bound to."""
    names = [("salt-a", "b"), ("salt-", "ab"), ("salt", "-ab"), ("salt-ab", "x")]
    interfaces = [
        SecureCookieSessionInterface(
            KEY,
            format=dataclasses.replace(format, salt=salt),
            cookie=CookieOptions(name=name),
        )
        for salt, name in names
    ]
    for writer, reader in itertools.permutations(interfaces, 2):
        token = writer.make_cookie({"a": 1}).partition("=")[2]
        assert reader.read_cookie(f"{reader.cookie.name}={token}") == {}
    with pytest.raises(ConfigError, match="NUL"):
        dataclasses.replace(format, salt="salt\0b")


@pytest.mark.parametrize(
    "key",
    [
        "temporary_key",
        "cccccccccccccccccccc",
        "\2\1thisismyscretkey\1\2\\e\\y\\y\\h",
        "CHANGE_ME_TO_A_COMPLEX_RANDOM_SECRET",
        "your-secret-key-here",
        "secret",
        "changeme",
        "dev",
    ],
    ids=ascii,
)
def test_cve_2020_17526_a_shipped_key_opens_no_session(key: str) -> None:
    """Airflow; also CVE-2023-27524 (Superset), CVE-2008-7311, CVE-2013-7222: thousands
    of servers ran with the key of the documentation. More keys are in test_keys.py."""
    forged = URLSafeTimedSerializer(key, "cookie-session").dumps({"user_id": 1})
    interface = SecureCookieSessionInterface(
        key, format=FLASK, cookie=CookieOptions(name="s")
    )
    assert request(interface, f"s={forged}").result == {}
    with pytest.raises(SessionUnavailable, match="keygen"):
        request(interface, None, put(a=1))


@pytest.mark.parametrize(
    "format", params_of({"signed": SignedFormat(), "encrypted": ENCRYPTED})
)
def test_cve_2021_41263_a_cookie_is_worthless_under_another_name(
    format: SignedFormat,
) -> None:
    """rails_multisite, and Laravel in 2020: one site's cookie was good for another.

    Flask's format cannot bind the name, or Flask could not read it.
    """
    one, two = (
        SecureCookieSessionInterface(
            KEY, format=format, cookie=CookieOptions(name=name)
        )
        for name in ("one", "two")
    )
    token = one.make_cookie({"a": 1}).partition("=")[2]
    assert one.read_cookie(f"one={token}") == {"a": 1}
    assert request(two, f"two={token}", rejection).result == ({}, "bad_signature")


@needs_extras
def test_iron_session_the_version_is_authenticated() -> None:
    """iron-session's version stood outside of the MAC and could be taken away."""
    interface = SecureCookieSessionInterface(KEY, format=ENCRYPTED)
    raw = unb64u(interface.make_cookie({"a": 1}).partition("=")[2])
    versions = [bytes([version]) + raw[1:] for version in range(256) if version != 1]
    for changed in (*versions, raw[1:], b"\1" + raw):
        token = b64u(changed)
        assert interface.read_cookie(f"{NAME}={token}") == {}


# -- deserialization ------------------------------------------------------------------


class Bomb:
    """What runs when it is unpickled."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return pytest.fail, ("a payload was executed",)


@pytest.mark.parametrize(
    "payload",
    [
        pickle.dumps(Bomb()),
        pickle.dumps({"a": Bomb()}),
        b"!!python/object/apply:pytest.fail ['a payload was executed']",
        b'{"py/object": "pytest.fail"}',
        b'{" p": "pytest.fail"}',
        b'O:8:"stdClass":0:{}',
    ],
    ids=["pickle", "pickle in a dict", "yaml", "jsonpickle", "a tag", "php"],
)
def test_cve_2018_15133_a_leaked_key_gives_data_never_code(payload: bytes) -> None:
    """Also CVE-2024-55556 (Laravel), CVE-2023-26153 (geokit): the key was known, and
    what it signed was run."""
    interface = SecureCookieSessionInterface(KEY, clock=Clock())
    for encoded in (b64u(payload), deflated(payload)):
        data, why = request(interface, signed(encoded), rejection).result
        # jsonpickle's is a plain dict to us.
        assert (data, why) == ({}, "malformed") or data == json.loads(payload)


#: What nests, innermost first, and closes again; alone, each is the session's own.
NESTING = {
    "lists": ("[", "]"),
    "dicts": ('{"a":', "}"),
    "tuples": ('{" t":[', "]}"),
    "sets": ('{" fs":[', "]}"),
    "escaped dicts": ('{" di":[" t",', "]}"),
    "dicts, spaced": ('{ "a" : ', " }"),
    "lists behind brackets in a string": ('["]]]\\"]",', "]"),
}
nesting = pytest.mark.parametrize(
    ("opener", "closer"), NESTING.values(), ids=NESTING.keys()
)


def nested(opener: str, closer: str, depth: int) -> bytes:
    return f'{{"a":{opener * depth}1{closer * depth}}}'.encode()


@nesting
def test_cve_2017_1000053_depth_is_limited(opener: str, closer: str) -> None:
    """Plug: a term in a session can be hostile by its shape alone."""
    interface = SecureCookieSessionInterface(KEY, clock=Clock())
    for depth in (1, 10):
        text = nested(opener, closer, depth)
        assert read(interface, signed(b64u(text)))[1] is None
    times = 60_000 // len(opener + closer)
    for text in (
        nested(opener, closer, 70),
        nested(opener, closer, 2_000 // len(opener + closer)),
        nested(opener, closer, times),
        nested(opener, "", times),
    ):
        assert read(interface, signed(deflated(text))) == ({}, "malformed")


SMALL_STACK = """
import sys, threading
from cookiesession import SecureCookieSessionInterface

interface = SecureCookieSessionInterface(sys.argv[1], clock=lambda: 1_700_000_000)
results = []

def answer():
    for header in sys.argv[2:]:
        session = interface.open_session({"HTTP_COOKIE": header})
        results.append((session.rejection, dict(session)))

sys.setrecursionlimit(1_000_000)  # as some apps do
threading.stack_size(256 * 1024)
thread = threading.Thread(target=answer)
thread.start()
thread.join()
print(results)
"""


def test_cve_2017_1000053_depth_is_limited_on_a_small_stack() -> None:
    """CPython 3.12 and 3.13 bound a decoder's recursion by a number that a stack of
    1 MB, as musl and macOS give to threads, does not hold: they crash."""
    cookies = [
        signed(deflated(nested(opener, closer, size // len(opener + closer))))
        for opener, full in NESTING.values()
        for closer in (full, "")
        for size in (60_000, 1_000)
    ]
    run = subprocess.run(
        [sys.executable, "-c", SMALL_STACK, KEY, *cookies],
        env={"PYTHONPATH": ":".join(filter(None, sys.path))},
        capture_output=True,
        text=True,
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.strip() == str([("malformed", {})] * len(cookies))


# -- fixation and lifecycle -----------------------------------------------------------


def test_cve_2024_38513_what_a_client_chose_is_not_adopted() -> None:
    """Fiber; also CVE-2018-1000519 (aiohttp-session), CVE-2022-38054 (Airflow): the id
    that a client chose became the session's."""
    interface = SecureCookieSessionInterface(KEY)
    planted = f"{NAME}=QUFB.QUFB.{'A' * 43}"
    answer = request(interface, planted, put(user=1))
    assert cookie_of(answer) != planted
    assert interface.read_cookie(cookie_of(answer)) == {"user": 1}


def test_cve_2007_5380_a_session_comes_from_the_cookie_alone() -> None:
    """Also CVE-2007-6077 (Rails): the id was taken from the URL."""
    interface = SecureCookieSessionInterface(KEY)
    cookie = interface.make_cookie({"a": 1})
    answer = request(
        interface,
        None,
        QUERY_STRING=cookie,
        PATH_INFO=f"/;{cookie}",
        HTTP_COOKIE2=cookie,
        HTTP_AUTHORIZATION=cookie,
        HTTP_X_COOKIE=cookie,
        HTTP_SET_COOKIE=cookie,
    )
    assert answer.result == {}


def test_cve_2007_6077_options_are_frozen() -> None:
    interface = SecureCookieSessionInterface(KEY)
    with pytest.raises(dataclasses.FrozenInstanceError):
        interface.cookie.name = "other"  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        FLASK.salt = "other"  # type: ignore[misc]


def test_cve_2022_25896_a_login_starts_a_new_session(clock: Clock) -> None:
    """passport; also CVE-2023-29019 (@fastify/passport), CVE-2023-46733 (Symfony): what
    was planted before the login survived it. At login one calls ``clear()``."""
    interface = SecureCookieSessionInterface(KEY, clock=clock)
    before = interface.make_cookie({"csrf": "planted", "cart": [1]})
    clock.advance(minutes=5)

    def login(session: SecureCookieSession) -> None:
        session.permanent = True
        session.clear()
        session["user"] = 7

    answer = request(interface, before, login)
    now = int(clock())
    read = request(interface, cookie_of(answer), lambda s: (dict(s), s.created_at))
    assert read.result == ({"user": 7}, now)
    assert "Expires" not in answer.set_cookies[0]  # nor is it permanent any more


def test_cve_2022_25896_a_login_is_written_even_if_nothing_differs(
    clock: Clock,
) -> None:
    interface = SecureCookieSessionInterface(KEY, clock=clock)
    cookie = interface.make_cookie({"user": 7})
    clock.advance(minutes=5)

    def login(session: SecureCookieSession) -> None:
        session.clear()
        session["user"] = 7

    assert cookie_of(request(interface, cookie, login)) != cookie


@every_format
def test_cve_2024_31999_a_replayed_cookie_ends_with_its_timeouts(
    format: SignedFormat, clock: Clock
) -> None:
    """@fastify/secure-session; also CVE-2026-44511 (koi): a copied cookie outlives the
    logout.

    The timeouts bound the replay, and use cannot push the absolute one. A session in a
    store ends at once.
    """
    interface = SecureCookieSessionInterface(
        KEY,
        format=format,
        clock=clock,
        idle_timeout=timedelta(days=7),
        absolute_timeout=timedelta(days=30),
    )
    copied = interface.make_cookie({"user": 7})
    for _ in range(6):
        clock.advance(days=5)
        answer = request(interface, copied)
        assert answer.result == {"user": 7}
        copied = cookie_of(answer)
    clock.advance(seconds=1)
    assert request(interface, copied, rejection).result == ({}, "absolute_expired")


@every_format
def test_cve_2018_1000814_expiry_is_the_servers(
    format: SignedFormat, clock: Clock
) -> None:
    """Also CVE-2024-35220 (@fastify/session): it was only the browser that forgot, or
    loading a session prolonged it."""
    interface = SecureCookieSessionInterface(KEY, format=format, clock=clock)
    cookie = interface.make_cookie({"user": 7})
    for _ in range(3):
        clock.advance(days=10)
        assert interface.read_cookie(cookie) == {"user": 7}
    clock.advance(days=1, seconds=1)
    assert request(interface, cookie, rejection).result == ({}, "idle_expired")


@pytest.mark.parametrize("status", ["200 OK", "302 Found", "404 -", "500 -", "503 -"])
def test_cve_2023_20862_a_logout_is_always_kept(status: str) -> None:
    """Spring Security: an empty state could not be saved, so no logout lasted."""
    interface = SecureCookieSessionInterface(KEY)
    cookie = interface.make_cookie({"user": 7})
    answer = request(interface, cookie, SecureCookieSession.clear, status=status)
    [deletion] = answer.set_cookies
    assert deletion.startswith(f"{NAME}=; ")
    assert "Max-Age=0" in deletion


@needs_extras
def test_cve_2026_56016_nothing_is_guessable() -> None:
    """CGI::Session made ids that could be guessed. Our randomness is the system's."""
    keys, tokens = set(), set()
    for _ in range(2):
        random.seed(0)
        keys.add(generate())
        tokens.add(ENCRYPTED.bind(KEY.encode(), NAME).seal("{}", NOW, NOW))
    assert (len(keys), len(tokens)) == (2, 2)


# -- denial of service ----------------------------------------------------------------


@pytest.mark.parametrize(
    "view",
    [dict, len, SecureCookieSession.clear, lambda s: s.pop("a", None)],
    ids=["read", "len", "logout", "pop"],
)
def test_cve_2015_5143_nothing_is_made_for_who_has_nothing(view: View) -> None:
    """Django, also CVE-2015-5963 and -5964: reading or logging out made records."""
    interface = SecureCookieSessionInterface(KEY)
    assert request(interface, None, view).set_cookies == []


def test_cve_2016_4423_a_megabyte_is_refused_with_its_key() -> None:
    """Symfony kept user names of any size. Nothing is cut, and nothing is sent."""
    interface = SecureCookieSessionInterface(KEY)
    with pytest.raises(SessionTooLarge) as caught:
        request(interface, None, put(small=1, name="x" * 1_000_000))
    assert caught.value.biggest[0][0] == "name"
    assert caught.value.limit == 65_536


@pytest.mark.parametrize(
    "unit",
    [";", "=", '"', "\\", " ", "; ", NAME, f"{NAME}=", f"{NAME}=;", f"{NAME};", "a=b; ",
     f"{NAME}=a.b.c; ", f"{NAME}\xa0=a; ", '"\\', "\xff"],
    ids=ascii,
)  # fmt: skip
def test_cve_2024_7592_the_work_grows_as_the_header(unit: str) -> None:
    """http.cookies; CVE-2024-52804 (Tornado), CVE-2025-27219 (cgi): quadratic parsing.

    Calls are counted, and each is to a method of str that is linear by itself; times
    are measured by tests/fuzz/linear_time.py.
    """
    calls = []
    for size in (10_000, 40_000):
        header = unit * (size // len(unit))
        with recorded_calls() as recorded:
            find_cookies(header, NAME)
        calls.append(len(recorded))
    assert calls[1] <= 4.1 * calls[0] + 20


@pytest.mark.parametrize(
    "unit", ["a.", "1", "1.", "[", "[::1", ":", "1:", ".localhosts", "]", " ", "\xff"]
)
def test_cve_2023_22792_the_work_does_not_grow_as_the_host(
    unit: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Rails: a regular expression over Host and cookie took forever.

    Ours is looked at for a warning, by splitting: the same few calls for any host.
    """
    interface = SecureCookieSessionInterface(KEY)
    url = "http://app.example/"
    calls = []
    for size in (1_000, 4_000, 400_000):
        host = unit * (size // len(unit))
        with recorded_calls() as recorded:
            answer = request(interface, None, put(a=1), url=url, HTTP_HOST=host)
        assert len(answer.set_cookies) == 1
        calls.append(len(recorded))
    assert calls[2] <= calls[1] + 50
    assert "browsers drop it" in caplog.text


@pytest.mark.parametrize("number", ["2147483647", "-1", "99999999999999999999", "1"])
def test_chunk_counts_are_not_believed(number: str) -> None:
    """ASP.NET, traefik-oidc-auth 291, h3 1469: two thousand million Set-Cookie headers,
    because the client said so. A session is one cookie here."""
    interface = SecureCookieSessionInterface(KEY)
    header = f"{NAME}=chunks-{number}; {NAME}C1=a; {NAME}.0=b; {NAME}_1=c"
    assert request(interface, header).set_cookies == []
    assert len(request(interface, header, put(a=1)).set_cookies) == 1


# -- cookie parsing: the whole rule is in test_cookies.py ----------------------------


@pytest.mark.parametrize("byte", range(0x80, 0x100), ids="{:02X}".format)
def test_a_byte_that_is_not_utf_8_is_no_error(byte: int) -> None:
    """werkzeug.http.parse_cookie raises UnicodeDecodeError for ``session=\\xff``."""
    interface = SecureCookieSessionInterface(KEY)
    own = interface.make_cookie({"user": "victim"})
    alone = request(interface, f"{NAME}={chr(byte)}", rejection)
    assert (alone.status, alone.result) == ("200 OK", ({}, "bad_signature"))
    behind = request(interface, f"{own}{chr(byte)}", rejection)
    assert (behind.status, behind.result) == ("200 OK", ({}, "bad_signature"))
    for header in (f"{NAME}={chr(byte)}; {own}", f"{own}; {chr(byte)}{NAME}=junk"):
        assert request(interface, header, rejection).result == (
            {"user": "victim"},
            None,
        )


# -- caching and headers --------------------------------------------------------------

#: What Flask did not count; all that there is to read is in test_response_rules.py.
READS: dict[str, View] = {
    "in": lambda s: "a" in s,
    "not in": lambda s: "b" not in s,
    "len": len,
    "keys": lambda s: s.keys(),
    "a missing key": lambda s: s.pop("b", None),
}


@pytest.mark.parametrize("cookie", [True, False], ids=["a cookie", "no cookie"])
@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_cve_2026_27205_every_read_is_said_to_caches(read: View, cookie: bool) -> None:
    """Flask up to 3.1.2: ``in`` and ``len`` did not say ``Vary: Cookie``; also
    CVE-2023-30861 (Flask), CVE-2026-35192, CVE-2014-1418 (Django)."""
    interface = SecureCookieSessionInterface(KEY)
    header = interface.make_cookie({"a": 1}) if cookie else None

    answer = request(interface, header, read)
    assert values_of(answer.headers, "Vary") == ["Cookie"]


def test_cve_2023_30861_a_renewal_is_said_to_caches(clock: Clock) -> None:
    """Flask refreshed the cookie of a session that the app had not touched, without a
    word to caches. Ours is renewed only when it is touched, and never silently."""
    interface = SecureCookieSessionInterface(KEY, clock=clock)
    cookie = interface.make_cookie({"a": 1})
    clock.advance(days=20)
    untouched = request(interface, cookie, lambda session: None)
    assert untouched.headers == []
    touched = request(interface, cookie, len)
    assert len(touched.set_cookies) == 1
    assert values_of(touched.headers, "Vary") == ["Cookie"]
    assert values_of(touched.headers, "Cache-Control") == ["private"]


@pytest.mark.parametrize(
    "view", [put(a=2), SecureCookieSession.clear], ids=["set", "delete"]
)
def test_cve_2012_2671_no_cache_stores_a_set_cookie(view: View) -> None:
    """rack-cache handed out one user's Set-Cookie to the next."""
    interface = SecureCookieSessionInterface(KEY)
    answer = request(interface, interface.make_cookie({"a": 1}), view)
    assert len(answer.set_cookies) == 1
    assert values_of(answer.headers, "Vary") == ["Cookie"]
    assert values_of(answer.headers, "Cache-Control") == ["private"]


@pytest.mark.parametrize("character", ";\r\n\0\x7f\xe9\u2028", ids=ascii)
@pytest.mark.parametrize("option", ["name", "path", "domain", "samesite"])
def test_cve_2026_0672_no_option_writes_another_attribute(
    option: str, character: str
) -> None:
    """http.cookies; also CVE-2026-3644, CVE-2024-47764 (cookie of npm),
    GHSA-78cv-mqj4-43f7 (Tornado), CVE-2026-47675 (Hono), CVE-2021-33621 (cgi)."""
    good = {"name": "s", "path": "/a", "domain": "a.example", "samesite": "Lax"}
    options: dict[str, Any] = {**good, option: f"{good[option]}{character}"}
    with pytest.raises(ConfigError, match=option):
        CookieOptions(**options)
    with pytest.raises(ConfigError, match=option):
        dataclasses.replace(CookieOptions(name="s"), **{option: options[option]})


@every_format
@given(data=st.dictionaries(keys, st.text(), max_size=3))
def test_cve_2026_0672_no_value_writes_another_attribute(
    format: SignedFormat, data: dict[str, str]
) -> None:
    interface = SecureCookieSessionInterface(KEY, format=format, cookie=PLAIN)
    token = interface.make_cookie(data).partition("=")[2]
    assert set(token) <= set(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."
    )


# -- disclosure -----------------------------------------------------------------------


def test_cve_2023_20866_no_token_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Spring Session printed ids; more is in test_secrets_stay_secret.py."""
    caplog.set_level(logging.DEBUG)
    interface = SecureCookieSessionInterface(KEY)
    cookie = interface.make_cookie({"user": 7})
    token = cookie.partition("=")[2]
    assert request(interface, cookie[:-1], rejection).result == ({}, "bad_signature")
    assert [record.getMessage() for record in caplog.records] == [
        "a session cookie was rejected: bad_signature"
    ]
    assert token[:10] not in repr([vars(record) for record in caplog.records])


@needs_extras
def test_cve_2020_15105_an_encrypted_cookie_shows_no_value() -> None:
    """django-two-factor-auth kept a password in a session that anyone could read."""
    interface = SecureCookieSessionInterface(KEY, format=ENCRYPTED)
    cookies = [
        interface.make_cookie({"password": password})
        for password in ("correct horse battery", "x", "")
    ]
    for cookie in cookies:
        raw = unb64u(cookie.partition("=")[2])
        assert b"password" not in raw
        assert b"correct" not in raw
    assert len(set(map(len, cookies))) == 1  # nor does the length tell


# -- what other libraries do to their own users ---------------------------------------


@pytest.mark.parametrize("ahead", [1, 2, 5, 60])
def test_a_clock_that_is_ahead_logs_nobody_out(ahead: int, clock: Clock) -> None:
    """itsdangerous takes two seconds in the future for an expired signature."""
    cookie = SecureCookieSessionInterface(
        KEY, clock=lambda: clock() + ahead
    ).make_cookie({"a": 1})
    interface = SecureCookieSessionInterface(KEY, clock=clock)
    assert request(interface, cookie).result == {"a": 1}


@needs_extras
@pytest.mark.parametrize("created", ["-1", "1.5", "null", '"a"', "[]", "true", "1e3"])
def test_a_creation_time_that_cannot_be_is_malformed(created: str) -> None:
    """A leaked key must not make the server fail, only lie. Found by fuzzing."""
    interface = SecureCookieSessionInterface(
        KEY,
        format=ENCRYPTED,
        accept=[SignedFormat()],
        absolute_timeout=None,
        clock=Clock(),
    )
    text = f'{{"a":1,"_cs":{created}}}'.encode()
    answer = request(interface, signed(b64u(text)), rejection)
    assert answer.result == ({}, "malformed")


@needs_extras
@pytest.mark.parametrize("created", [1_700_000_001, 2**63, 2**64, 10**30])
def test_a_creation_after_the_issue_buys_no_time(created: int, clock: Clock) -> None:
    """Found by fuzzing: it was an OverflowError where the session was written again."""
    interface = SecureCookieSessionInterface(
        KEY,
        format=ENCRYPTED,
        accept=[SignedFormat()],
        absolute_timeout=timedelta(days=20),
        clock=clock,
    )
    text = f'{{"a":1,"_cs":{created}}}'.encode()
    came = signed(b64u(text))
    written = cookie_of(request(interface, came, put(b=2)))
    clock.advance(days=20)
    assert read(interface, came) == ({"a": 1}, None)
    assert read(interface, written) == ({"a": 1, "b": 2}, None)
    clock.advance(seconds=1)
    assert read(interface, came) == ({}, "absolute_expired")
    assert read(interface, written) == ({}, "absolute_expired")


# -- found by review -----------------------------------------------------------------


SLOW_TO_COMPARE = [
    *(f"{2**61 - 1}{'0' * (4200 - k)}" for k in range(7)),
    *(f'{{" n":"{2**61 - 1}E{k}"}}' for k in range(1000)),
]


@pytest.mark.parametrize("tag", [" s", " fs"])
def test_numbers_that_share_a_hash_are_not_compared_with_each_other(
    tag: str, interface: SecureCookieSessionInterface
) -> None:
    # The same 1,007 numbers take milliseconds in a list, and took seconds in a set.
    numbers = ",".join(SLOW_TO_COMPARE)
    text = f'{{"a":{{"{tag}":[{numbers}]}}}}'.encode()

    assert read(interface, signed(deflated(text))) == ({}, "malformed")
    # Of -1 and -2 the hash is the same, too.
    few = signed(b64u(f'{{"a":{{"{tag}":[-1,-2]}}}}'.encode()))
    assert interface.read_cookie(few) == {"a": {-1, -2}}


@pytest.mark.parametrize(
    "value",
    [
        '{" d":"2020-01-01T00:00:00+01:00:00.000001"}',
        '{" time":"00:00:00+01:00:00.5"}',
    ],
)
def test_what_could_not_be_written_again_is_not_read(
    value: str, interface: SecureCookieSessionInterface
) -> None:
    cookie = signed(b64u(f'{{"a":{value}}}'.encode()))

    assert read(interface, cookie) == ({}, "malformed")


@pytest.mark.parametrize(
    ("options", "old_name"),
    [
        (CookieOptions(name="session", domain="example.com"), "__Host-session"),
        (CookieOptions(name="session", secure=False), "__Secure-session"),
        (CookieOptions(name="session", path="/app"), "__Host-session"),
        (CookieOptions(name="session", httponly=False), "__Http-session"),
    ],
    ids=["domain", "secure", "path", "httponly"],
)
def test_an_old_cookie_that_could_not_be_deleted_is_not_accepted(
    options: CookieOptions, old_name: str
) -> None:
    with pytest.raises(ConfigError, match=f"accept, cookie '{old_name}'"):
        SecureCookieSessionInterface(
            KEY, cookie=options, accept=[SignedFormat(cookie_name=old_name)]
        )


# -- what a response says itself ------------------------------------------------------


@pytest.mark.parametrize(
    "value", ["max-age=600", "must-revalidate, Max-Age=1", "no-cache", "x-public", ""]
)
def test_a_response_that_may_be_cached_becomes_private_with_a_cookie(
    value: str,
) -> None:
    """RFC 9111, section 3: without ``private`` a shared cache may keep it, and its
    ``Vary: Cookie`` matches every newcomer, who gets the first one's session."""
    interface = SecureCookieSessionInterface(KEY)
    own = [("Cache-Control", value)]
    answer = request(interface, None, put(csrf="a"), headers=own)
    assert len(answer.set_cookies) == 1
    assert values_of(answer.headers, "Cache-Control") == [
        f"{value}, private" if value else "private"
    ]


def old_cookie(clock: Clock, why: str) -> str:
    """A cookie that is due to be issued again, for its time or for its key."""
    key = OLD_KEY if why == "key" else KEY
    cookie = SecureCookieSessionInterface(key, clock=clock).make_cookie({"a": 1})
    if why == "time":
        clock.advance(days=20)
    return cookie


for_either_reason = pytest.mark.parametrize("why", ["time", "key"])


@pytest.fixture
def renewing(clock: Clock) -> SecureCookieSessionInterface:
    return SecureCookieSessionInterface(KEY, fallback_keys=[OLD_KEY], clock=clock)


@for_either_reason
@pytest.mark.parametrize("value", ["public", "max-age=9, Public", "S-MaxAge = 600"])
def test_a_renewal_is_not_given_to_a_shared_cache(
    value: str,
    why: str,
    renewing: SecureCookieSessionInterface,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    cookie, own = old_cookie(clock, why), [("Cache-Control", value)]
    for _ in range(3):
        answer = request(renewing, cookie, headers=own)
        assert answer.headers == [*own, ("Vary", "Cookie")]
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert "shared cache" in record.getMessage()
    assert request(
        renewing, cookie, headers=[("Cache-Control", "no-cache")]
    ).set_cookies


OWN_COOKIES = {
    "a deletion": f"{NAME}=; Max-Age=0; Path=/; Secure",
    "another value": f"{NAME}=theirs; Path=/; Secure",
}
own_cookies = pytest.mark.parametrize("own", OWN_COOKIES.values(), ids=OWN_COOKIES)


@for_either_reason
@own_cookies
def test_a_renewal_never_undoes_what_the_app_says_of_the_cookie(
    own: str,
    why: str,
    renewing: SecureCookieSessionInterface,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """An app that deletes the cookie by hand has logged its user out."""
    cookie = old_cookie(clock, why)
    answer = request(renewing, cookie, headers=[("set-cookie", own)])
    assert answer.set_cookies == [own]
    assert caplog.records == []
    assert request(renewing, cookie, headers=[("Set-Cookie", "a=1")]).set_cookies[1:]


@own_cookies
def test_a_change_replaces_what_the_app_says_of_the_cookie_and_says_so_once(
    own: str, caplog: pytest.LogCaptureFixture
) -> None:
    interface = SecureCookieSessionInterface(KEY)
    for number in range(3):
        answer = request(interface, None, put(n=number), headers=[("Set-Cookie", own)])
        assert interface.read_cookie(cookie_of(answer)) == {"n": number}
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert f"sets the cookie {NAME!r} itself" in record.getMessage()


def test_flask_s_session_lives_on_beside_ours_that_reads_its_cookie(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """``accept=[FLASK]`` is for an app that has moved; this one goes on using it."""
    flask: Any = pytest.importorskip("flask")
    app = flask.Flask(__name__)
    app.secret_key = KEY

    def count() -> str:
        theirs, ours = flask.session, get_session(flask.request.environ)
        theirs["n"] = theirs.get("n", 0) + 1
        if "ours" in flask.request.args:
            ours["m"] = ours.get("m", 0) + 1
        return f"{theirs['n']} {ours.get('m')}"

    app.add_url_rule("/", view_func=count)
    interface = SecureCookieSessionInterface(KEY, accept=[FLASK])
    app.wsgi_app = SessionMiddleware(app.wsgi_app, interface)
    client = app.test_client()
    paths = ["/", "/?ours", "/?ours", "/", "/?ours"]
    texts = [client.get(path, base_url="https://localhost").text for path in paths]
    assert texts == ["1 None", "2 1", "3 2", "4 2", "5 3"]
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert "sets the cookie 'session'" in record.getMessage()
    assert "`accept`" in record.getMessage()


def test_what_is_taken_over_does_not_hide_what_the_response_itself_sets(
    clock: Clock,
) -> None:
    """From the next request on ours would be looked at first, with older contents."""
    flask = SecureCookieSessionInterface(KEY, format=FLASK, cookie=PLAIN, clock=clock)
    interface = SecureCookieSessionInterface(KEY, accept=[FLASK], clock=clock)
    cookie, newer = (f"{flask.make_cookie({'n': n})}" for n in (1, 2))
    answer = request(interface, cookie, headers=[("Set-Cookie", newer)])
    assert answer.set_cookies == [newer]


def test_a_logout_holds_though_the_app_took_the_cookies_out_of_its_environ() -> None:
    """As one does before a sub-request. The old cookie would bring the session back."""
    flask = SecureCookieSessionInterface(KEY, format=FLASK, cookie=PLAIN)

    def app(environ: Any, start_response: Any) -> list[bytes]:
        session = get_session(environ)
        environ.clear()
        session.clear()
        start_response("200 OK", [])
        return []

    interface = SecureCookieSessionInterface(KEY, accept=[FLASK])
    cookie = flask.make_cookie({"user": 7})
    environ = create_environ(base_url="https://app.example", headers={"Cookie": cookie})
    _, _, headers = run_wsgi_app(SessionMiddleware(app, interface), environ)
    assert [v.partition(";")[0] for v in headers.getlist("Set-Cookie")] == [
        f"{NAME}=",
        "session=",
    ]


@pytest.mark.parametrize(
    "host", ["notlocalhost", "evil-localhost:80", "localhost.example", "my.localhosts"]
)
def test_a_host_that_only_looks_local_is_warned_of(
    host: str, caplog: pytest.LogCaptureFixture
) -> None:
    interface = SecureCookieSessionInterface(KEY)
    request(interface, None, put(a=1), url="http://app.example", HTTP_HOST=host)
    assert "browsers drop it" in caplog.text


# -- what a value can do to us --------------------------------------------------------


class Item:
    """What an application keeps in its database; only its number is stored."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __bool__(self) -> bool:
        raise LookupError(self.number)


class ItemTag(JSONTag):
    """Looks items up when it reads them."""

    key = " item"

    def __init__(self) -> None:
        self.known = {number: Item(number) for number in range(10)}

    def check(self, value: Any) -> bool:
        return type(value) is Item

    def to_json(self, value: Any) -> Any:
        return value.number

    def to_python(self, stored: Any) -> Any:
        return self.known[stored]


@pytest.fixture
def shop() -> ItemTag:
    return ItemTag()


@pytest.fixture
def selling(shop: ItemTag) -> SecureCookieSessionInterface:
    """Its sessions hold items."""
    serializer = TaggedJSONSerializer(tags=[shop])
    return SecureCookieSessionInterface(
        KEY, format=SignedFormat(serializer=serializer), clock=Clock()
    )


CARTS: dict[str, Callable[[Item], Any]] = {
    "a list": lambda item: [item],
    "a dict": lambda item: {"item": item},
    "a set": lambda item: {item, 1},
    "nested": lambda item: [[frozenset([item, 2])]],
}
CHANGES: dict[str, View] = {
    "inside": lambda s: s["log"].append(1),
    "beside": put(log=[1]),
    "assigned again": lambda s: s.update(cart=s["cart"], log=[1]),
    "a dict": lambda s: s.update(s.copy(), log=[1]),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("cart", CARTS.values(), ids=CARTS)
def test_a_type_that_can_be_read_no_more_breaks_no_response(
    cart: Callable[[Item], Any],
    change: View,
    shop: ItemTag,
    selling: SecureCookieSessionInterface,
) -> None:
    """The item is deleted while the request that has it in its cart goes on."""
    item = shop.known[7]
    cookie = selling.make_cookie({"cart": cart(item), "log": []})

    def view(session: SecureCookieSession) -> None:
        assert session["cart"]
        del shop.known[7]
        change(session)

    answer = request(selling, cookie, view)
    assert answer.status == "200 OK"
    shop.known[7] = item
    assert selling.read_cookie(cookie_of(answer))["log"] == [1]
    del shop.known[7]
    assert read(selling, cookie_of(answer)) == ({}, "malformed")


def test_a_mark_that_cannot_be_told_true_or_false_is_malformed(
    selling: SecureCookieSessionInterface,
) -> None:
    """Who has the key may write anything where our bookkeeping stands."""
    text = b'{"a":1,"_permanent":{" item":7}}'
    assert read(selling, signed(b64u(text))) == ({}, "malformed")


#: A key, and whatever must not reach a terminal, a log line or a UTF-8 encoder.
HOSTILE_KEYS = [
    *("a\nERROR forged", "\r\n", "\x1b[31mred", "\x9b31m", "\x00", "\x7f", "\ud800"),
    *("a\udfff", "\u2028", "\u202eevil", "\ufeff", "\x85", ""),
]


@pytest.mark.parametrize("key", HOSTILE_KEYS, ids=ascii)
def test_a_key_reaches_no_message_and_no_log_as_it_is(
    key: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Keys may come from a form, and messages go to logs and terminals."""
    uses: list[View] = [
        lambda session: session.update({key: object()}),
        lambda session: session.update({key: [{"a": object()}]}),
        lambda session: session.update({"a": {key: object()}}),
        lambda session: session.update({"a": [{key: {key: {1: 2}}}]}),
        lambda session: session.setdefault("a", {}).update({key: object()}),
    ]
    if "\ud7ff" < key[-1:] < "\ue000":
        uses.append(lambda session: session.update({key: 1}))
        uses.append(lambda session: session.update({"a": {key: 1}}))
    else:
        uses.append(lambda session: session.update({key: "x" * 70_000}))
    interface = SecureCookieSessionInterface(KEY)
    caplog.set_level(logging.DEBUG)
    for use in uses:
        with pytest.raises((TypeError, SessionTooLarge)) as caught:
            request(interface, None, use)
        assert str(caught.value).isprintable()
        assert str(caught.value).encode()
    for record in caplog.records:
        assert record.getMessage().isprintable()


# -- ids and stores -------------------------------------------------------------------


def test_a_new_id_that_collides_takes_over_no_session(clock: Clock) -> None:
    """tower-sessions 0.12 saved a new session over the one that had its id."""
    store = Spy(clock)
    client = Client(made(store, clock))
    session = client.open()
    session["a"] = 1
    taken = session.handle
    assert taken
    assert store.create(taken, b"theirs", ttl=99, life=99, owner=None)
    client.save(session)
    assert store.load(taken) == (b"theirs", 0)
    assert client.key != taken
    assert client.visit() == {"a": 1}


# -- what must stay in this process ---------------------------------------------------


def test_neither_an_interface_nor_a_session_is_pickled() -> None:
    """A pickled interface would carry its keys; a session leads to its interface."""
    interface = SecureCookieSessionInterface(KEY, fallback_keys=[OLD_KEY])
    fresh, loaded = (
        interface.open_session({"HTTP_COOKIE": interface.make_cookie({"a": 1})})
        for _ in range(2)
    )
    assert loaded is not None
    assert loaded == {"a": 1}
    for kept, remedy in (
        (interface, "make it in every process"),
        (fresh, r"pickle dict\(session\)"),
        (loaded, r"pickle dict\(session\)"),
    ):
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            with pytest.raises(TypeError, match=remedy) as caught:
                pickle.dumps(kept, protocol)
            assert KEY not in str(caught.value)
    assert pickle.loads(pickle.dumps(loaded.copy())) == {"a": 1}


def test_the_repr_of_what_was_opened_shows_nothing_of_it() -> None:
    """It may stand in a traceback that shows local variables."""
    codec = SignedFormat().bind(KEY.encode(), NAME)
    token = codec.seal('{"card":"4111"}', NOW, NOW)
    opened = codec.open(token.encode())
    assert opened is not None
    assert opened.data == {"card": "4111"}
    for text in (repr(opened), str(opened), f"{[opened]}"):
        assert "4111" not in text
        assert "card" not in text
        assert KEY not in text
