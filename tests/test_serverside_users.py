"""Who is logged in, and where: new ids, handles, the list of a user's sessions, and its
end."""

from __future__ import annotations

import hashlib
from typing import Any
from uuid import UUID

import pytest
from storing import Client, Spy, clear, made, rejection
from support import KEY, Clock, name_of

from cookiesession import SecureCookieSessionInterface, SessionInfo, SessionMixin

ADA, BOB = 1, "bob"
SOMEBODY = UUID("12345678-1234-5678-1234-567812345678")


@pytest.fixture
def client(store: Spy, clock: Clock) -> Client:
    return logged_in(store, clock)


def logged_in(store: Spy, clock: Clock, user: Any = ADA, **data: Any) -> Client:
    """A browser in which a user has logged in."""
    client = Client(made(store, clock))
    client.write(user_id=user, **data)
    store.calls.clear()
    return client


def regenerate(session: Any) -> Any:
    return session.regenerate()


def handle(session: SessionMixin) -> str:
    assert session.handle is not None
    return session.handle


# -- a new id --------------------------------------------------------------------------


def test_a_login_moves_the_session_to_a_new_id(store: Spy, clock: Clock) -> None:
    client = Client(made(store, clock))
    client.write(cart=[1])
    before = client.key
    planted = dict(client.cookies)
    store.calls.clear()
    client.write(user_id=ADA)
    assert store.names == ["load", "create", "end"]  # in this order
    assert client.key != before
    assert client.visit() == {"cart": [1], "user_id": ADA}
    client.cookies = planted  # a session that was fixated ends with the login
    assert client.visit(rejection) == "ended"


@pytest.mark.parametrize(
    ("view", "left"),
    [
        pytest.param(lambda s: s.pop("user_id"), {"a": 0}, id="logout by pop"),
        pytest.param(lambda s: s.update(user_id=None), None, id="logout by None"),
        pytest.param(lambda s: s.update(user_id=BOB), None, id="another user"),
        pytest.param(lambda s: s.update(user_id="10"), None, id="a longer name"),
    ],
)
def test_a_change_of_the_user_moves_it_too(
    view: Any, left: dict[str, Any] | None, store: Spy, clock: Clock
) -> None:
    client = logged_in(store, clock, a=0)
    before = client.key
    client.visit(view)
    assert client.key != before
    assert store.load(before) == (b"", None)
    assert client.visit() == left or left is None


@pytest.mark.parametrize("same", ["1", 1], ids=repr)
def test_the_same_user_in_another_type_does_not_move_it(
    same: Any, client: Client, store: Spy
) -> None:
    before = client.key
    client.write(user_id=same, b=2)
    assert client.key == before


def test_another_key_may_say_who_is_logged_in(store: Spy, clock: Clock) -> None:
    client = Client(made(store, clock, user_key="_user_id"))
    client.write(user_id=1)
    before = client.key
    client.write(user_id=2)
    assert client.key == before
    client.write(_user_id="1")
    assert client.key != before
    assert len(client.interface.list_sessions(1)) == 1


def test_a_new_user_does_not_make_a_session_younger(
    client: Client, clock: Clock
) -> None:
    created = clock.now
    clock.advance(days=1)
    client.write(user_id=BOB)
    assert client.visit(lambda session: session.created_at) == created


@pytest.mark.parametrize("user", [True, 1.5, b"ada", (1,), [], object()], ids=name_of)
def test_who_is_logged_in_is_a_str_an_int_or_a_uuid(user: Any, client: Client) -> None:
    session = client.open()
    kind = type(user).__name__
    with pytest.raises(TypeError, match=f"^user_id: .* not {kind}$"):
        session["user_id"] = user
    for ask in (client.interface.list_sessions, client.interface.end_sessions):
        with pytest.raises(TypeError, match=f"^a user must be .* not {kind}$"):
            ask(user)
    with pytest.raises(TypeError, match=f"not {kind}$"):
        client.interface.end_session(user, client.key)


def test_nobody_is_no_user(client: Client) -> None:
    with pytest.raises(TypeError, match="not NoneType"):
        client.interface.list_sessions(None)  # type: ignore[arg-type]


# -- regenerate() and clear() ----------------------------------------------------------


def test_regenerate_goes_on_as_a_new_session(
    client: Client, store: Spy, clock: Clock
) -> None:
    before = client.key
    clock.advance(days=1)
    client.visit(regenerate)
    assert store.names == ["load", "create", "end"]
    assert client.key != before
    assert client.visit() == {"user_id": ADA}
    assert client.visit(lambda session: session.created_at) == clock.now
    assert store.load(before) == (b"", None)


def test_regenerate_twice_is_once(client: Client, store: Spy) -> None:
    client.visit(lambda session: (regenerate(session), regenerate(session)))
    assert store.names == ["load", "create", "end"]


def test_regenerate_and_a_new_user_move_it_once(client: Client, store: Spy) -> None:
    client.visit(lambda session: (regenerate(session), session.update(user_id=BOB)))
    assert store.names == ["load", "create", "end"]
    assert client.visit() == {"user_id": BOB}


@pytest.mark.parametrize("order", [(regenerate, clear), (clear, regenerate)])
def test_clear_wins_over_regenerate(order: Any, client: Client, store: Spy) -> None:
    client.visit(lambda session: [each(session) for each in order])
    assert store.names == ["load", "end"]
    assert client.cookies == {}


def test_regenerate_of_a_new_session_changes_nothing(store: Spy, clock: Clock) -> None:
    client = Client(made(store, clock))
    client.visit(regenerate)
    assert store.names == []
    session = client.open()
    first = handle(session)
    session["a"] = 1
    session.regenerate()
    client.save(session)
    assert client.key == first


def test_the_contents_of_a_regenerated_session_may_be_emptied(
    client: Client, store: Spy
) -> None:
    client.visit(lambda session: (regenerate(session), session.pop("user_id")))
    assert store.names == ["load", "end"]
    assert client.cookies == {}


# -- handles ---------------------------------------------------------------------------


def test_a_handle_is_what_the_store_knows_the_session_by(client: Client) -> None:
    assert client.visit(handle) == client.key
    assert client.visit(handle) == hashlib.sha256(client.id).hexdigest()


def test_the_handle_of_a_new_session_is_fixed_at_the_first_look(
    store: Spy, clock: Clock
) -> None:
    client = Client(made(store, clock))
    session = client.open()
    first = handle(session)
    session["a"] = 1
    assert handle(session) == first
    client.save(session)
    assert handle(session) == first == client.key
    assert client.visit(handle) == first


@pytest.mark.parametrize("start_over", [regenerate, clear])
def test_the_handle_of_a_session_that_starts_over_is_the_later_one(
    start_over: Any, client: Client
) -> None:
    before = client.key
    session = client.open()
    start_over(session)
    session["a"] = 1
    later = handle(session)
    assert later != before
    client.save(session)
    assert handle(session) == later == client.key


def test_the_handle_that_is_noted_at_login_is_that_of_the_session_that_follows(
    store: Spy, clock: Clock
) -> None:
    client = Client(made(store, clock))
    client.write(a=1)
    anonymous = client.key
    session = client.open()
    assert handle(session) == anonymous
    session["user_id"] = ADA
    noted = handle(session)
    client.save(session)
    assert noted == handle(session) == client.key != anonymous


def test_a_login_that_met_another_change_knows_its_handle(
    store: Spy, clock: Clock
) -> None:
    client = Client(made(store, clock))
    client.write(a=1)
    session = client.open()
    client.write(b=2)
    session["user_id"] = ADA
    client.save(session)
    assert handle(session) == client.key


# -- list, end -------------------------------------------------------------------------


def test_the_sessions_of_a_user_are_listed_the_last_written_first(
    store: Spy, clock: Clock
) -> None:
    phone = logged_in(store, clock, device="phone")
    clock.advance(hours=1)
    laptop = logged_in(store, clock, device="laptop")
    logged_in(store, clock, user=BOB)
    Client(made(store, clock)).write(a="nobody's")
    clock.advance(hours=1)
    phone.write(seen=True)

    infos = phone.interface.list_sessions(ADA)

    now = int(clock.now)
    assert [info.handle for info in infos] == [phone.key, laptop.key]
    assert [info.created_at for info in infos] == [now - 7200, now - 3600]
    assert [info.issued_at for info in infos] == [now, now - 3600]
    assert [info.data["device"] for info in infos] == ["phone", "laptop"]


def test_what_is_listed_shows_no_data_when_it_is_printed() -> None:
    info = SessionInfo("handle", 1, 2, {"secret": "value"})
    assert "value" not in repr(info)
    with pytest.raises(AttributeError):
        info.handle = "another"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("user", "also"),
    [(1, "1"), ("1", 1), (SOMEBODY, str(SOMEBODY)), (str(SOMEBODY), SOMEBODY)],
    ids=repr,
)
def test_a_user_is_looked_for_by_its_str(
    user: Any, also: Any, store: Spy, clock: Clock
) -> None:
    client = logged_in(store, clock, user=user)
    [info] = client.interface.list_sessions(also)
    assert info.data == {"user_id": user}
    assert client.interface.end_session(also, info.handle) is True
    assert client.interface.list_sessions(user) == []


def test_nobody_is_listed_under_what_cannot_be_stored(client: Client) -> None:
    assert client.interface.list_sessions("\ud800") == []
    assert client.interface.end_sessions("\ud800") == 0


def test_a_session_is_listed_under_its_user_of_now(client: Client) -> None:
    client.write(user_id=BOB)
    assert client.interface.list_sessions(ADA) == []
    assert len(client.interface.list_sessions(BOB)) == 1
    client.visit(lambda session: session.update(user_id=None))
    assert client.interface.list_sessions(BOB) == []
    client.visit(clear)


def test_what_has_expired_or_cannot_be_read_is_not_listed(clock: Clock) -> None:
    store = Spy(Clock())  # this store forgets nothing
    client = logged_in(store, clock)
    clock.advance(days=32)
    assert client.interface.list_sessions(ADA) == []
    other = Client(made(store, clock, b"another key of thirty-two bytes!"))
    other.write(user_id=ADA)
    assert client.interface.list_sessions(ADA) == []
    assert client.interface.end_sessions(ADA) == 2


def test_all_sessions_of_a_user_are_ended_at_the_call(store: Spy, clock: Clock) -> None:
    clients = [logged_in(store, clock) for _ in range(3)]
    bob = logged_in(store, clock, user=BOB)
    assert bob.interface.end_sessions(ADA) == 3
    assert [client.visit(rejection) for client in clients] == ["ended"] * 3
    assert bob.visit() == {"user_id": BOB}
    assert bob.interface.end_sessions(ADA) == 0


@pytest.mark.parametrize("status", ["200 OK", "500 Oops"])
def test_all_others_are_ended_and_this_one_is_kept(
    status: str, store: Spy, clock: Clock
) -> None:
    here, there = logged_in(store, clock), logged_in(store, clock)
    ended = here.visit(
        lambda session: here.interface.end_sessions(ADA, keep=session), status
    )
    assert ended == 1
    assert here.visit() == {"user_id": ADA}
    assert there.visit(rejection) == "ended"


@pytest.mark.parametrize("first", [regenerate, clear, lambda session: None])
@pytest.mark.parametrize("then", [regenerate, lambda session: None])
def test_this_one_is_kept_also_if_it_is_about_to_get_a_new_id(
    first: Any, then: Any, store: Spy, clock: Clock
) -> None:
    here, there = logged_in(store, clock), logged_in(store, clock)

    def new_password(session: Any) -> int:
        first(session)
        session["user_id"] = ADA
        ended = here.interface.end_sessions(ADA, keep=session)
        then(session)
        return ended

    assert here.visit(new_password) == 1
    assert here.visit() == {"user_id": ADA}
    assert there.visit(rejection) == "ended"


@pytest.mark.parametrize("start_over", [regenerate, clear])
def test_this_one_is_kept_also_after_it_was_saved(
    start_over: Any, store: Spy, clock: Clock
) -> None:
    here, there = logged_in(store, clock), logged_in(store, clock)
    session = here.open()
    start_over(session)
    session["user_id"] = ADA
    here.save(session)
    assert here.interface.end_sessions(ADA, keep=session) == 1
    assert here.visit() == {"user_id": ADA}
    assert there.visit(rejection) == "ended"


def test_a_login_keeps_its_session_while_it_ends_the_others(
    store: Spy, clock: Clock
) -> None:
    there, here = logged_in(store, clock), Client(made(store, clock))

    def log_in(session: Any) -> int:
        session["user_id"] = ADA
        return here.interface.end_sessions(ADA, keep=session)

    assert here.visit(log_in) == 1
    assert here.visit() == {"user_id": ADA}
    assert there.visit(rejection) == "ended"


def test_a_session_of_another_kind_keeps_none(client: Client, clock: Clock) -> None:
    class Plain(dict[str, Any], SessionMixin):
        pass

    in_a_cookie = SecureCookieSessionInterface(KEY, clock=clock).open_session({})
    assert client.interface.end_sessions(ADA, keep=in_a_cookie) == 1
    client.write(user_id=ADA)
    assert client.interface.end_sessions(ADA, keep=Plain()) == 1


def test_a_framework_s_own_wrapper_is_not_taken_for_the_session(client: Client) -> None:
    class Wrapper:
        handle = client.key

    wrapper: Any = Wrapper()
    with pytest.raises(TypeError, match="keep must be the session itself"):
        client.interface.end_sessions(ADA, keep=wrapper)
    assert client.visit() == {"user_id": ADA}


def test_any_session_that_has_the_handle_is_kept(client: Client) -> None:
    class Plain(dict[str, Any], SessionMixin):
        handle = client.key

    assert client.interface.end_sessions(ADA, keep=Plain()) == 0


def test_one_session_of_a_user_is_ended_by_its_handle(store: Spy, clock: Clock) -> None:
    here, there = logged_in(store, clock), logged_in(store, clock)
    assert here.interface.end_session(ADA, there.key) is True
    assert here.interface.end_session(ADA, there.key) is False
    assert here.visit() == {"user_id": ADA}
    assert there.visit(rejection) == "ended"


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda handle: handle, id="a stranger's"),
        pytest.param(str.upper, id="in other letters"),
        pytest.param(lambda handle: handle[:-1], id="cut"),
        pytest.param(lambda handle: f" {handle}", id="with a space"),
        pytest.param(lambda handle: "", id="none"),
        pytest.param(lambda handle: None, id="no str"),
        pytest.param(lambda handle: "%" * 64, id="a pattern"),
    ],
)
def test_a_handle_that_is_not_this_users_ends_nothing(
    change: Any, store: Spy, clock: Clock
) -> None:
    ada, bob = logged_in(store, clock), logged_in(store, clock, user=BOB)
    for user, client in ((BOB, ada), (SOMEBODY, ada)):
        assert client.interface.end_session(user, change(ada.key)) is False
    if change(ada.key) != ada.key:
        assert ada.interface.end_session(ADA, change(ada.key)) is False
    assert "end" not in store.names
    assert ada.visit() == {"user_id": ADA}
    assert bob.visit() == {"user_id": BOB}


def test_ends_hold_whatever_becomes_of_the_response(store: Spy, clock: Clock) -> None:
    here, there = logged_in(store, clock), logged_in(store, clock)
    session = here.open()
    here.interface.end_session(ADA, there.key)
    session.clear()  # and then the app raises: nothing is saved
    assert there.visit(rejection) == "ended"
    assert here.visit() == {"user_id": ADA}


def test_what_is_changed_after_an_end_of_all_is_dropped(client: Client) -> None:
    def view(session: Any) -> None:
        client.interface.end_sessions(ADA)
        session["a"] = 1

    client.visit(view)
    assert client.set_cookies == []
    assert client.visit(rejection) == "ended"
