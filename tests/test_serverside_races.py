"""Requests that overlap: nothing is lost, nobody is revived. Each race by its name; all
interleavings are in test_interleavings.py."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from storing import Client, Killed, Spy, clear, made, rejection
from support import KEY, OLD_KEY, Clock

from cookiesession import (
    FLASK,
    JSONTag,
    ServerSideSessionInterface,
    SessionTooLarge,
    SessionUnavailable,
    SignedFormat,
    TaggedJSONSerializer,
)

DROPPED = "a change was dropped: its session has been ended meanwhile"
View = Callable[[Any], Any]


@pytest.fixture
def client(store: Spy, clock: Clock) -> Client:
    """A browser that has logged in."""
    client = Client(made(store, clock))
    client.write(user_id=1, a=0)
    store.calls.clear()
    return client


def race(client: Client, slow: View, fast: View) -> None:
    """The slow request reads first and is saved last; the other comes in between."""
    session = client.open()
    slow(session)
    client.visit(fast)
    client.save(session)


def regenerate(session: Any) -> Any:
    return session.regenerate()


def sets(**values: Any) -> View:
    return lambda session: session.update(values)


def pops(key: str) -> View:
    return lambda session: session.pop(key)


# -- merging ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("slow", "fast", "left"),
    [
        pytest.param(sets(b=1), sets(c=1), {"a": 0, "b": 1, "c": 1}, id="two keys"),
        pytest.param(sets(a=1), sets(a=2), {"a": 1}, id="the later write wins"),
        pytest.param(sets(a=2), sets(a=2), {"a": 2}, id="the same"),
        pytest.param(pops("a"), sets(a=2), {}, id="the later deletion wins"),
        pytest.param(sets(a=2), pops("a"), {"a": 2}, id="a change after a deletion"),
        pytest.param(sets(b=2), pops("a"), {"b": 2}, id="a key beside a deletion"),
        pytest.param(pops("a"), pops("a"), {}, id="two deletions"),
        pytest.param(sets(a=0, b=1), sets(a=2), {"a": 2, "b": 1}, id="an equal value"),
        pytest.param(sets(a=False), sets(b=1), {"a": False, "b": 1}, id="another type"),
    ],
)
def test_two_changes_at_once_are_merged_by_top_level_key(
    slow: View, fast: View, left: dict[str, Any], client: Client
) -> None:
    race(client, slow, fast)
    merged = client.visit()
    assert merged == {"user_id": 1, **left}
    assert {k: type(v) for k, v in merged.items() if k == "a"} == (
        {k: type(v) for k, v in left.items() if k == "a"}
    )
    assert client.set_cookies == []


def test_a_change_deep_inside_is_a_change_of_its_key(client: Client) -> None:
    client.write(cart=[{"n": 1}], seen=[1])
    race(
        client,
        lambda session: (session["cart"][0].update(n=2), len(session["seen"])),
        lambda session: session["seen"].append(2),
    )
    assert client.visit() == {"user_id": 1, "a": 0, "cart": [{"n": 2}], "seen": [1, 2]}


def test_permanent_is_merged_as_a_key_is(client: Client) -> None:
    race(client, sets(b=1), lambda session: setattr(session, "permanent", True))
    assert "Expires" in client.set_cookies[0]  # as the other response said
    race(client, lambda session: setattr(session, "permanent", False), sets(c=1))
    assert client.visit(lambda session: session.permanent) is False
    assert client.visit() == {"user_id": 1, "a": 0, "b": 1, "c": 1}


def test_what_is_merged_may_be_too_large_and_then_says_so(client: Client) -> None:
    with pytest.raises(SessionTooLarge):
        race(client, sets(b="x" * 40_000), sets(c="x" * 40_000))
    assert "c" in client.visit()


def test_an_emptied_session_keeps_what_was_added_meanwhile(client: Client) -> None:
    def empty(session: Any) -> None:
        for key in list(session):
            del session[key]

    race(client, empty, sets(b=1))
    assert client.visit() == {"b": 1}
    race(client, empty, pops("b"))  # nobody added anything
    assert client.visit() == {}


def test_a_login_keeps_what_was_added_meanwhile(store: Spy, clock: Clock) -> None:
    client = Client(made(store, clock))
    client.write(cart=[])
    race(client, sets(user_id=1), sets(cart=[1]))
    assert client.visit() == {"cart": [1], "user_id": 1}
    assert len(client.interface.list_sessions(1)) == 1  # the first try was ended


def test_a_regenerated_session_keeps_what_was_added_meanwhile(
    client: Client, clock: Clock
) -> None:
    clock.advance(hours=1)
    race(client, regenerate, sets(b=1))
    assert client.visit() == {"user_id": 1, "a": 0, "b": 1}
    assert client.visit(lambda session: session.created_at) == clock.now


def test_a_record_in_another_format_is_merged_by_what_it_can_hold(
    store: Spy, clock: Clock
) -> None:
    client = Client(made(store, clock, format=FLASK))
    client.write(price=1, b=0)
    client.interface = made(store, clock, accept=[FLASK])
    race(client, sets(price=Decimal("1.50")), sets(b=1))
    assert client.visit() == {"price": Decimal("1.50"), "b": 1}


def test_a_tag_that_fails_the_second_time_loses_nothing_of_this_request(
    store: Spy, clock: Clock
) -> None:
    class Odd:
        pass

    class OddTag(JSONTag):
        key = " odd"
        fails = False

        def check(self, value: Any) -> bool:
            return type(value) is Odd

        def to_json(self, value: Any) -> Any:
            return 1

        def to_python(self, stored: Any) -> Any:
            if self.fails:
                raise ValueError
            return Odd()

    tag = OddTag()
    format = SignedFormat(serializer=TaggedJSONSerializer(tags=[tag]))
    client = Client(made(store, clock, format=format))
    client.write(odd=Odd(), b=0)
    session = client.open()
    session["b"] = 1
    client.visit(pops("odd"))
    tag.fails = True
    client.save(session)
    tag.fails = False
    assert client.visit()["b"] == 1


def test_many_conflicts_are_tried_through(client: Client, store: Spy) -> None:
    others = iter(range(4))

    def interfere() -> None:
        number = next(others, None)
        if number is not None:
            client.visit(sets(b=number))
            store.meanwhile["replace"] = interfere

    session = client.open()
    session["c"] = 1
    store.meanwhile["replace"] = interfere
    client.save(session)
    assert client.visit() == {"user_id": 1, "a": 0, "b": 3, "c": 1}


def test_conflicts_without_end_fail_loudly(store: Spy, clock: Clock) -> None:
    class Impatient(ServerSideSessionInterface):
        patience = 0

    client = Client(Impatient(KEY, store, clock=clock))
    client.write(a=0)
    session = client.open()
    session["c"] = 1
    client.write(a=1)

    def interfere() -> None:
        client.write(a=2)

    store.meanwhile["load"] = lambda: store.meanwhile.update(replace=interfere)
    with pytest.raises(SessionUnavailable, match="changed by so many requests at once"):
        client.save(session)
    assert client.visit() == {"a": 2}


def test_threads_that_change_keys_of_their_own_lose_none(client: Client) -> None:
    # The browser is one, its requests are many.
    def add(number: int) -> None:
        for _ in range(10):
            mine = Client(client.interface, client.header)
            mine.visit(lambda s: s.update({str(number): s.get(str(number), 0) + 1}))

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(add, range(4)))
    assert client.visit() == {"user_id": 1, "a": 0, **{str(n): 10 for n in range(4)}}


def pass_time(clock: Clock, **duration: float) -> float:
    clock.advance(**duration)
    return clock.now


# -- too late --------------------------------------------------------------------------

ENDS: dict[str, Callable[[Client, Clock], object]] = {
    "logged out": lambda client, clock: client.visit(clear),
    "ended by its handle": lambda c, _: c.interface.end_session(1, c.key),
    "ended with all": lambda client, clock: client.interface.end_sessions(1),
    "emptied": lambda c, _: c.visit(lambda s: (s.pop("a"), s.pop("user_id"))),
    "regenerated": lambda client, clock: client.visit(regenerate),
    "moved to another user": lambda client, clock: client.write(user_id=2),
    "expired": lambda client, clock: pass_time(clock, days=32),
    "ended five minutes ago": lambda client, clock: (
        client.visit(clear),
        pass_time(clock, minutes=5),
    ),
}
every_end = pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)


@every_end
@pytest.mark.parametrize(
    "change",
    [
        pytest.param(sets(b=1), id="a change"),
        pytest.param(pops("a"), id="a deletion"),
        pytest.param(regenerate, id="a new id"),
        pytest.param(pops("user_id"), id="a logout by pop"),
        pytest.param(sets(user_id=9), id="another user"),
        pytest.param(lambda s: (s.pop("a"), s.pop("user_id")), id="emptied"),
    ],
)
def test_a_change_to_a_session_that_was_ended_meanwhile_is_dropped(
    change: View,
    end: Callable[[Client, Clock], object],
    client: Client,
    store: Spy,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    session = client.open()
    change(session)
    end(client, clock)
    live = [client.interface.list_sessions(user) for user in (1, 2, 9)]
    cookies = dict(client.cookies)
    caplog.set_level(logging.INFO)
    caplog.clear()

    client.save(session)  # and nothing is raised

    assert client.set_cookies == []
    assert client.cookies == cookies
    assert caplog.record_tuples == [("cookiesession", logging.INFO, DROPPED)]
    assert [client.interface.list_sessions(user) for user in (1, 2, 9)] == live


def test_a_change_to_a_record_that_somebody_wrote_over_is_dropped(
    client: Client, store: Spy, caplog: pytest.LogCaptureFixture
) -> None:
    session = client.open()
    session["b"] = 1
    record = store.load(client.key)
    assert record is not None
    store.replace(client.key, b"something", ttl=999, version=record.version)
    caplog.set_level(logging.INFO)
    client.save(session)
    assert caplog.messages == [DROPPED]
    assert client.set_cookies == []


@every_end
def test_a_session_that_was_only_read_is_not_written_again_after_its_end(
    end: Callable[[Client, Clock], object],
    client: Client,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock.advance(days=16)  # it would be renewed
    session = client.open()
    end(client, clock)
    caplog.set_level(logging.INFO)
    caplog.clear()
    client.save(session)
    assert client.set_cookies == []
    assert caplog.messages == []


ANONYMOUS_ENDS = {name: end for name, end in ENDS.items() if "handle" not in name}


@pytest.mark.parametrize("end", ANONYMOUS_ENDS.values(), ids=ANONYMOUS_ENDS)
def test_a_login_always_succeeds(
    end: Callable[[Client, Clock], object], store: Spy, clock: Clock
) -> None:
    client = Client(made(store, clock))
    client.write(a=0, user_id=None)
    session = client.open()
    session.update(user_id=5, b=1)
    end(client, clock)
    client.save(session)
    if end is not ENDS["ended with all"]:  # this one was nobody's
        assert client.visit() == {"user_id": 5, "b": 1}  # what it wrote
    assert client.visit()["user_id"] == 5
    assert client.visit(lambda session: session.handle) == session.handle
    assert client.visit(lambda session: session.created_at) >= clock.now - 300


def test_a_login_sent_twice_is_logged_in_whichever_response_arrives_last(
    store: Spy, clock: Clock
) -> None:
    client = Client(made(store, clock))
    client.write(cart=[1])
    first, second = client.open(), client.open()
    first["user_id"] = second["user_id"] = 1
    client.save(first)
    one = dict(client.cookies)
    client.save(second)
    assert client.visit()["user_id"] == 1
    client.cookies = one
    assert client.visit()["user_id"] == 1


def test_a_logout_that_begins_with_clear_and_a_message_holds(client: Client) -> None:
    session = client.open()
    session["b"] = 1

    def leave(session: Any) -> None:
        session.clear()
        session["flash"] = "Goodbye"

    client.visit(leave)
    client.save(session)
    assert client.visit() == {"flash": "Goodbye"}


# -- the pitfalls of earlier versions --------------------------------------------------


def test_pitfall_1_a_session_that_regenerates_does_not_survive_the_end_of_all(
    client: Client, store: Spy
) -> None:
    # It has the new id before the end of all has read where it is listed.
    store.meanwhile["end"] = lambda: client.visit(regenerate)
    client.interface.end_sessions(1)
    assert client.interface.list_sessions(1) == []
    assert client.visit(rejection) == "ended"


def test_pitfall_1_nor_does_one_whose_new_id_comes_right_after_the_look(
    client: Client, store: Spy
) -> None:
    session = client.open()
    session.regenerate()
    store.meanwhile["end"] = lambda: client.interface.end_sessions(1)
    client.save(session)
    assert client.interface.list_sessions(1) == []
    assert client.visit(rejection) == "ended"


def test_pitfall_3_a_create_that_meets_a_tombstone_revives_nothing(
    client: Client, store: Spy
) -> None:
    session = client.open()
    session.regenerate()
    new_key = session.handle
    assert new_key is not None

    def end_all_of_the_index() -> None:
        store.create(new_key, b"", ttl=60, life=60, owner=None)
        store.end(new_key)
        store.end(client.key)

    store.meanwhile["create"] = end_all_of_the_index
    client.save(session)
    assert client.set_cookies == []
    assert client.interface.list_sessions(1) == []


def test_pitfall_4_a_record_says_how_long_its_owner_may_list_it(
    client: Client, store: Spy, clock: Clock
) -> None:
    clock.advance(days=80)
    Client(made(store, clock)).write(user_id=1)
    [(_, _, how)] = store.calls
    assert how["life"] == 90 * 86_400  # as long as it can live, not only the idle time
    assert how["ttl"] == 31 * 86_400


def test_pitfall_6_a_login_past_its_password_check_comes_after_the_end_of_all(
    store: Spy, clock: Clock
) -> None:
    client = Client(made(store, clock))
    session = client.open()
    session["user_id"] = 1  # the password was right
    client.interface.end_sessions(1)
    client.save(session)
    assert client.visit() == {"user_id": 1}


def test_pitfall_7_keys_and_owners_are_hexadecimal(client: Client, store: Spy) -> None:
    client.visit(regenerate)
    client.interface.end_sessions("Ada'; -- \x00€")
    names = [args[0] for _, args, _ in store.calls]
    names += [how["owner"] for _, _, how in store.calls if "owner" in how]
    assert len(names) > 4
    for name in names:
        assert re.fullmatch("[0-9a-f]{64}", name)
    owner = hashlib.sha256(b"owner\0" + b"1").hexdigest()
    assert owner in names


def test_pitfall_9_a_login_of_the_same_second_as_the_end_of_all_lives(
    client: Client, store: Spy, clock: Clock
) -> None:
    client.interface.end_sessions(1)
    client.write(user_id=1)
    slow_clock = Clock(clock.now - 30)
    behind = Client(made(store, slow_clock))
    behind.write(user_id=1)
    assert client.visit() == behind.visit() == {"user_id": 1}
    assert client.interface.end_sessions(1) == 2


# -- crashes, slow requests, clocks, rolling changes -----------------------------------


@pytest.mark.parametrize("change", [regenerate, sets(user_id=2)])
def test_a_crash_between_create_and_end_leaves_the_old_session(
    change: View, client: Client, store: Spy, clock: Clock
) -> None:
    store.kills = {"end"}
    with pytest.raises(Killed):
        client.visit(change)
    store.kills = set()
    assert client.visit() == {"user_id": 1, "a": 0}  # nobody is logged out
    clock.advance(days=32)
    assert client.visit(rejection) == "gone"  # for its time-outs
    assert client.interface.list_sessions(1) == []


def test_a_request_of_five_minutes_loses_and_revives_nothing(
    client: Client, clock: Clock
) -> None:
    session = client.open()
    session["b"] = 1
    clock.advance(minutes=4)
    client.write(c=1)
    clock.advance(minutes=1)
    client.save(session)
    assert client.visit() == {"user_id": 1, "a": 0, "b": 1, "c": 1}


@pytest.mark.parametrize("minutes", [-2, 2])
def test_clocks_two_minutes_apart_drop_no_change(
    minutes: int, store: Spy, clock: Clock
) -> None:
    leeway = timedelta(minutes=5)
    here = made(store, clock, leeway=leeway)
    there = made(store, Clock(clock.now + 60 * minutes), leeway=leeway)
    client = Client(here)
    client.write(user_id=1)
    session = client.open()
    session["b"] = 1
    client.interface = there
    client.write(c=1)
    client.interface = here
    client.save(session)
    for client.interface in (here, there):
        assert client.visit() == {"user_id": 1, "b": 1, "c": 1}
        assert client.visit(lambda session: session.created_at) <= clock.now


def test_a_merge_looks_at_no_times(client: Client, store: Spy, clock: Clock) -> None:
    here, there = client.interface, made(store, Clock(clock.now + 120))
    session = client.open()
    session["b"] = 1
    client.interface = there
    client.write(c=1)  # issued in two minutes, for a leeway of one
    client.interface = here
    client.save(session)
    assert client.visit() == {"user_id": 1, "a": 0, "b": 1, "c": 1}


def test_clocks_that_differ_by_more_than_the_leeway_end_nothing(
    store: Spy, clock: Clock
) -> None:
    ahead = Client(made(store, Clock(clock.now + 120)))
    ahead.write(user_id=1)
    behind = Client(made(store, clock), ahead.header)
    assert behind.visit(rejection) == "not_yet_valid"
    assert behind.set_cookies == []
    clock.advance(minutes=1)
    assert behind.visit() == {"user_id": 1}


def test_a_rolling_change_of_the_key_logs_nobody_out(store: Spy, clock: Clock) -> None:
    old = made(store, clock, OLD_KEY)
    learns = made(store, clock, OLD_KEY, fallback_keys=[KEY])
    signs = made(store, clock, KEY, fallback_keys=[OLD_KEY])
    new = made(store, clock, KEY)
    client = Client(old)
    client.write(n=0)
    steps = [old, learns, old, learns, signs, learns, signs, signs, new, new]
    for number, client.interface in enumerate(steps, 1):
        assert client.visit(lambda session: session["n"]) == number - 1
        client.write(n=number)
        race(client, sets(slow=number), sets(fast=number))
    assert client.visit() == {"n": 10, "slow": 10, "fast": 10}


def test_a_rolling_change_of_the_format_logs_nobody_out(
    store: Spy, clock: Clock
) -> None:
    digest = SignedFormat(digest="sha512")
    old = made(store, clock)
    learns = made(store, clock, accept=[digest])
    writes = made(store, clock, format=digest, accept=[SignedFormat()])
    new = made(store, clock, format=digest)
    client = Client(old)
    client.write(user_id=1, n=0)
    one_id = client.id
    steps = [old, learns, old, learns, writes, learns, writes, writes, new, new]
    for number, client.interface in enumerate(steps, 1):
        assert client.visit(lambda session: session["n"]) == number - 1
        client.write(n=number)
    assert client.id == one_id
    assert len(client.interface.list_sessions(1)) == 1


def test_machines_that_write_different_formats_merge(store: Spy, clock: Clock) -> None:
    digest = SignedFormat(digest="sha512")
    learns = made(store, clock, accept=[digest])
    writes = made(store, clock, format=digest, accept=[SignedFormat()])
    client = Client(learns)
    client.write(a=0)
    for here, there in ((learns, writes), (writes, learns)):
        client.interface = here
        session = client.open()
        session["slow"] = id(here)
        client.interface = there
        client.write(fast=id(there))
        client.interface = here
        client.save(session)
        assert client.visit() == {"a": 0, "slow": id(here), "fast": id(there)}
