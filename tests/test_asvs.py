"""OWASP ASVS 5.0: which requirement is shown by which test, and which are not ours."""

from __future__ import annotations

import ast
import functools
import inspect
import json
import logging
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from forge import Signer, b64u, bound
from support import KEY, Clock, open_session, save_session, values_of

from cookiesession import (
    SecureCookieSessionInterface,
    SignedFormat,
    TaggedJSONSerializer,
)

NAME = "__Host-session"

#: Each requirement that a session can be tested on: what shows it, as ``file::test``.
SHOWN: dict[str, tuple[str, ...]] = {
    # Secure, and the __Host- prefix
    "3.3.1": ("test_asvs::test_the_default_cookie_is_the_safest",),
    # SameSite, explicitly
    "3.3.2": (
        "test_asvs::test_the_default_cookie_is_the_safest",
        "test_cookie_options::test_options_that_browsers_refuse_are_refused",
    ),
    # __Host- unless the cookie is to be shared with other hosts
    "3.3.3": (
        "test_asvs::test_the_default_cookie_is_the_safest",
        "test_cookie_options::test_options_that_browsers_refuse_are_refused",
    ),
    # HttpOnly, and the value in no other header
    "3.3.4": (
        "test_asvs::test_the_default_cookie_is_the_safest",
        "test_asvs::test_the_token_is_in_no_other_header",
    ),
    # at most 4096 bytes
    "3.3.5": (
        "test_response_rules::test_the_limit_is_4096_bytes_by_default",
        "test_response_rules::test_the_limit_is_name_plus_value_to_the_byte",
        "test_attacks::test_cve_2016_4423_a_megabyte_is_refused_with_its_key",
    ),
    # documented timeouts
    "7.1.1": ("test_asvs::test_both_timeouts_have_the_documented_defaults",),
    # verified by the server alone
    "7.2.1": (
        "test_attacks::test_cve_2018_1000814_expiry_is_the_servers",
        "test_attacks::test_cve_2026_40372_every_changed_byte_is_noticed",
    ),
    # reference tokens of 128 bits: of 256, where there is a store
    "7.2.3": (
        "test_serverside_wire::test_the_cookie_is_a_signed_random_id_of_256_bits",
    ),
    # a new token at login
    "7.2.4": (
        "test_attacks::test_cve_2022_25896_a_login_starts_a_new_session",
        "test_attacks::test_cve_2022_25896_a_login_is_written_even_if_nothing_differs",
        "test_serverside_users::test_a_login_moves_the_session_to_a_new_id",
        "test_sessions::test_regenerate_goes_on_with_the_same_contents_as_a_new_session",
    ),
    # idle timeout, absolute timeout
    "7.3.1": ("test_attacks::test_cve_2018_1000814_expiry_is_the_servers",),
    "7.3.2": (
        "test_attacks::test_cve_2024_31999_a_replayed_cookie_ends_with_its_timeouts",
        "test_attacks::test_a_creation_after_the_issue_buys_no_time",
    ),
    # logout; what a copied cookie can still do, a store takes from it
    "7.4.1": (
        "test_attacks::test_cve_2023_20862_a_logout_is_always_kept",
        "test_serverside::test_a_session_that_was_ended_says_so_for_a_minute",
    ),
    # end all sessions of a user, at a change of the password, by an administrator
    "7.4.2": (
        "test_serverside_users::test_all_sessions_of_a_user_are_ended_at_the_call",
    ),
    "7.4.3": ("test_serverside_users::test_all_others_are_ended_and_this_one_is_kept",),
    "7.4.5": (
        "test_serverside_users::test_all_sessions_of_a_user_are_ended_at_the_call",
    ),
    # users list and end their own
    "7.5.2": (
        "test_serverside_users::test_the_sessions_of_a_user_are_listed_the_last_written_first",
        "test_serverside_users::test_one_session_of_a_user_is_ended_by_its_handle",
        "test_serverside_users::test_a_handle_that_is_not_this_users_ends_nothing",
    ),
    # no session without an action of the app
    "7.6.2": (
        "test_attacks::test_cve_2015_5143_nothing_is_made_for_who_has_nothing",
        "test_attacks::test_cve_2023_30861_a_renewal_is_said_to_caches",
    ),
    # verified before it is parsed
    "9.1.1": ("test_asvs::test_nothing_is_parsed_before_it_was_verified",),
    # algorithms of the configuration, never of the token
    "9.1.2": (
        "test_asvs::test_the_token_does_not_choose_its_algorithm",
        "test_attacks::test_cve_2026_39324_no_unsigned_fallback",
    ),
    # keys of the configuration
    "9.1.3": (
        "test_attacks::test_cve_2025_47278_the_newest_key_signs",
        "test_keys::test_every_bad_fallback_key_is_named",
    ),
    # times in the token, with a leeway
    "9.2.1": (
        "test_attacks::test_cve_2018_1000814_expiry_is_the_servers",
        "test_attacks::test_a_clock_that_is_ahead_logs_nobody_out",
    ),
    # a token for one purpose and one audience
    "9.2.2": ("test_attacks::test_bmsa_2010_01_salt_and_cookie_name_do_not_slide",),
    "9.2.3": (
        "test_attacks::test_cve_2021_41263_a_cookie_is_worthless_under_another_name",
    ),
    "9.2.4": (
        "test_attacks::test_cve_2021_41263_a_cookie_is_worthless_under_another_name",
    ),
    # vetted cryptography: itsdangerous and cryptography
    "11.2.1": (
        "test_vectors::test_a_signed_token_is_hmac_of_base64url",
        "test_vectors::test_an_encrypted_token_is_aes_gcm_under_a_key_per_message",
    ),
    # algorithms and keys can be replaced with nobody logged out
    "11.2.2": (
        "test_attacks::test_cve_2025_47278_the_newest_key_signs",
        "test_cookies::test_of_two_that_verify_the_earliest_codec_wins",
    ),
    # 128 bits and more; SHA-256
    "11.2.3": ("test_keys::test_a_made_key_is_good",),
    "11.4.1": ("test_asvs::test_sha_256_is_the_default",),
    "11.4.3": ("test_asvs::test_sha_256_is_the_default",),
    # constant time
    "11.2.4": (
        "test_attacks::test_cve_2013_0263_signatures_are_compared_in_constant_time",
    ),
    # fails closed, in one way
    "11.2.5": (
        "test_attacks::test_cve_2026_40372_every_changed_byte_is_noticed",
        "test_untrusted_input::test_no_changed_token_is_read",
    ),
    # authenticated encryption, a nonce once
    "11.3.2": ("test_attacks::test_cve_2012_3458_equal_sessions_give_unequal_cookies",),
    "11.3.3": ("test_attacks::test_iron_session_the_version_is_authenticated",),
    "11.3.4": ("test_attacks::test_cve_2012_3458_equal_sessions_give_unequal_cookies",),
    # random values from the system
    "11.5.1": ("test_attacks::test_cve_2026_56016_nothing_is_guessable",),
    # keys from outside of the source; expiry by rotation
    "13.3.1": (
        "test_keys::test_without_a_key_there_is_no_session",
        "test_attacks::test_cve_2020_17526_a_shipped_key_opens_no_session",
    ),
    "13.3.4": ("test_attacks::test_cve_2025_47278_the_newest_key_signs",),
    # never in a URL
    "14.2.1": (
        "test_attacks::test_cve_2007_5380_a_session_comes_from_the_cookie_alone",
    ),
    # not in shared caches
    "14.2.2": (
        "test_attacks::test_cve_2026_27205_every_read_is_said_to_caches",
        "test_attacks::test_cve_2012_2671_no_cache_stores_a_set_cookie",
    ),
    "14.3.2": ("test_attacks::test_cve_2012_2671_no_cache_stores_a_set_cookie",),
    # contents hidden in the cookie: one switch
    "14.3.3": ("test_attacks::test_cve_2020_15105_an_encrypted_cookie_shows_no_value",),
    # threads
    "15.4.1": ("test_threads::test_sessions_of_many_threads_never_mix",),
    # no insecure deserializer
    "1.5.2": (
        "test_package::test_nothing_is_unpickled_or_evaluated",
        "test_attacks::test_cve_2018_15133_a_leaked_key_gives_data_never_code",
    ),
    # what is logged: events, but no secret, and nothing that a client wrote
    "16.2.5": ("test_secrets_stay_secret::test_nothing_secret_is_said",),
    "16.3.3": ("test_asvs::test_every_rejection_is_one_line_that_says_why",),
    "16.3.4": ("test_asvs::test_every_rejection_is_one_line_that_says_why",),
    "16.4.1": (
        "test_asvs::test_every_rejection_is_one_line_that_says_why",
        "test_attacks::test_cve_2023_20866_no_token_is_logged",
    ),
    # generic messages; a failure of what we need is no failure of the site
    "16.5.1": (
        "test_secrets_stay_secret::test_what_cannot_be_stored_is_named_by_path_and_type_alone",
    ),
    "16.5.2": ("test_keys::test_a_bad_key_gives_no_session_and_one_error",),
    "16.5.3": ("test_untrusted_input::test_any_header_is_answered",),
}

#: Why a requirement is not tested here.
NOT_OURS = {
    "7.5.1": "a fresh login before sensitive changes is the app's to ask for;"
    " issued_at and created_at say how old the session is",
    "7.5.3": "as 7.5.1",
    "11.1.1": "a policy for keys is the operator's; the README says how to rotate",
    "11.3.5": "encrypt-then-MAC concerns composed modes; AES-GCM is none",
    "14.3.1": "Clear-Site-Data concerns all of the site's data; the app may send it",
    "15.4.2": "check and use of shared state: a store compares and sets, for which"
    " see test_interleavings",
    "15.4.3": "locks: there are none",
}


@functools.cache
def defined_in(path: Path) -> set[str]:
    return {
        node.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


@pytest.mark.parametrize("requirement", SHOWN)
def test_every_test_in_the_table_exists(requirement: str) -> None:
    folder = Path(__file__).parent
    for reference in SHOWN[requirement]:
        file, _, test = reference.partition("::")
        assert test in defined_in(folder / f"{file}.py")


def test_no_requirement_is_both_shown_and_excused() -> None:
    assert not SHOWN.keys() & NOT_OURS.keys()


def test_the_default_cookie_is_the_safest() -> None:
    interface = SecureCookieSessionInterface(KEY)
    session = open_session(interface)
    session["a"] = 1
    [cookie] = values_of(save_session(interface, session), "Set-Cookie")
    value, *attributes = cookie.split("; ")
    assert value.startswith("__Host-session=")
    assert sorted(attributes) == ["HttpOnly", "Path=/", "SameSite=Lax", "Secure"]


def test_the_token_is_in_no_other_header() -> None:
    interface = SecureCookieSessionInterface(KEY)
    session = open_session(interface)
    session["a"] = 1
    headers = save_session(interface, session)
    [cookie] = values_of(headers, "Set-Cookie")
    token = cookie.partition("=")[2].partition(";")[0]
    assert [name for name, value in headers if token in value] == ["Set-Cookie"]


def test_both_timeouts_have_the_documented_defaults(clock: Clock) -> None:
    parameters = inspect.signature(SecureCookieSessionInterface).parameters
    assert parameters["idle_timeout"].default == timedelta(days=31)
    assert parameters["absolute_timeout"].default == timedelta(days=90)
    assert parameters["leeway"].default == timedelta(seconds=60)


def test_sha_256_is_the_default() -> None:
    assert SignedFormat().digest == "sha256"
    token = SecureCookieSessionInterface(KEY).make_cookie({}).rpartition(".")[2]
    assert len(token) == 43


class Watched(TaggedJSONSerializer):
    """Counts what it is given to parse."""

    def __init__(self) -> None:
        super().__init__()
        self.parsed = 0

    def loads(self, text: str) -> dict[str, Any]:
        self.parsed += 1
        return super().loads(text)


def test_nothing_is_parsed_before_it_was_verified() -> None:
    serializer = Watched()
    interface = SecureCookieSessionInterface(
        KEY, format=SignedFormat(serializer=serializer)
    )
    cookie = interface.make_cookie({"a": 1})
    for forged in (cookie[:-1], cookie + "A", cookie.replace("=", "=A")):
        assert interface.read_cookie(forged) == {}
    assert serializer.parsed == 0
    assert interface.read_cookie(cookie) == {"a": 1}
    assert serializer.parsed == 1


def cookie_of(payload: bytes, algorithm: str = "sha256") -> str:
    """Made with the right key, perhaps by another algorithm."""
    signer = Signer(KEY, bound(NAME), algorithm)
    return f"{NAME}={signer.token(b64u(payload), 1_700_000_000)}"


@pytest.mark.parametrize("algorithm", ["sha1", "sha384", "sha512", "md5"])
def test_the_token_does_not_choose_its_algorithm(
    algorithm: str, interface: SecureCookieSessionInterface
) -> None:
    assert interface.read_cookie(cookie_of(b'{"a":1}')) == {"a": 1}
    assert interface.read_cookie(cookie_of(b'{"a":1}', algorithm)) == {}
    header, payload = b64u(json.dumps({"alg": "none"}).encode()), b64u(b'{"a":1}')
    for unsigned in (f"{header}.{payload}.", f"{payload}.ZVPxAA."):
        assert interface.read_cookie(f"{NAME}={unsigned}") == {}


def rejected_cookies(interface: SecureCookieSessionInterface) -> dict[str, str]:
    cookie = interface.make_cookie({"a": 1})
    return {
        "bad_signature": cookie[:-1],
        "malformed": cookie_of(b"[]"),
        "too_large": f"{cookie}{'A' * 4096}",
        "idle_expired": cookie,
        "absolute_expired": cookie,
        "not_yet_valid": cookie,
    }


LOGGED = {
    "bad_signature": (0, logging.INFO),
    "malformed": (0, logging.INFO),
    "too_large": (0, logging.INFO),
    "idle_expired": (32, logging.DEBUG),
    "absolute_expired": (91, logging.DEBUG),
    "not_yet_valid": (-1, logging.INFO),
}


@pytest.mark.parametrize("reason", LOGGED)
def test_every_rejection_is_one_line_that_says_why(
    reason: str, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    idle = None if reason == "absolute_expired" else timedelta(days=31)
    interface = SecureCookieSessionInterface(KEY, idle_timeout=idle, clock=clock)
    cookie = rejected_cookies(interface)[reason]
    days, level = LOGGED[reason]
    clock.advance(days=days)
    caplog.set_level(logging.DEBUG, "cookiesession")
    session: Any = interface.open_session({"HTTP_COOKIE": f"{cookie}; evil\r\nline=1"})
    for _ in range(3):
        assert session.rejection == reason
        assert dict(session) == {}
    assert [(r.levelno, r.getMessage()) for r in caplog.records] == [
        (level, f"a session cookie was rejected: {reason}")
    ]
