"""Every order of the store calls of two concurrent requests ends as the model allows.

Each request runs in a thread of its own and is held before each call to the store. A
schedule says whose call is next; all schedules are run, each from the start. Of three
requests, whose schedules are too many, a sample is run that is the same every time.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import logging
import os
import random
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from threading import Lock, Thread, local
from typing import Any

import model
import pytest
from support import KEY, Clock

from cookiesession import (
    SecureCookieSessionInterface,
    ServerSideSessionInterface,
    SignedFormat,
)
from cookiesession.stores import MemoryStore, Record, SessionStore

# For each of the concurrent requests one may need so many calls at most: no way to try
# again for ever.
MOST_CALLS = 6
#: So many days after its creation a session is due to be renewed; so many more, and
#: what was written today has expired.
DUE, MORE = 16, 32
#: How many interleavings of each three requests; a thorough run sets it.
SAMPLES = int(os.environ.get("INTERLEAVINGS", "2"))

#: At each step, who was chosen of whom.
Trace = list[tuple[int, list[int]]]
Choose = Callable[[int, list[int]], int]


class Request:
    """One request, in a thread of its own, held before each call to the store."""

    _current = local()

    def __init__(self, work: Callable[[], None]) -> None:
        self.calls = 0
        self.done = False
        self.error: BaseException | None = None
        self._work = work
        self._go, self._held = Lock(), Lock()
        self._go.acquire()
        self._held.acquire()
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()
        self._held.acquire()

    def step(self) -> None:
        """Make the call that is next, and go on to the one after it."""
        self.calls += 1
        self._go.release()
        self._held.acquire()
        if self.done:
            self._thread.join()

    @classmethod
    def wait(cls) -> None:
        """Hold the request that this thread runs until its next step."""
        request: Request | None = getattr(cls._current, "request", None)
        if request is not None:
            request._held.release()
            request._go.acquire()

    def _run(self) -> None:
        self._current.request = self
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001  # told by play()
            self.error = error
        self.done = True
        self._held.release()


class Name(str):
    """A key whose place in a set is always the same, so that schedules can be replayed.

    :param place: Its place; keys of one store have different ones.
    """

    _place: int

    def __new__(cls, key: str, place: int) -> Name:
        name = super().__new__(cls, key)
        name._place = place
        return name

    def __hash__(self) -> int:
        return self._place

    __eq__ = str.__eq__


class Gated(SessionStore):
    """A store in memory whose calls wait for their turn."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.here = local()  # the request that this thread runs
        self.backwards = False  # engines list in any order
        self.begin()

    def begin(self) -> None:
        """Forget everything."""
        self.inner = MemoryStore(clock=self.clock)
        self.creators: dict[str, int] = {}  # of the key, the request's number

    def load(self, key: str) -> Record | None:
        Request.wait()
        return self.inner.load(key)

    def create(self, key: str, data: bytes, **how: Any) -> bool:
        Request.wait()
        self.creators.setdefault(key, getattr(self.here, "number", 0))
        return self.inner.create(key, data, **how)

    def replace(self, key: str, data: bytes, **how: Any) -> bool:
        Request.wait()
        return self.inner.replace(key, data, **how)

    def end(self, key: str, version: object = None) -> bool:
        Request.wait()
        return self.inner.end(str(key), version)

    def of_owner(self, owner: str) -> list[tuple[str, bytes]]:
        Request.wait()
        listed = self.inner.of_owner(owner)
        named: list[tuple[str, bytes]] = [
            (Name(key, self._place(key)), data) for key, data in listed
        ]
        return named[::-1] if self.backwards else named

    def end_all(self, owner: str, keep: str | None = None) -> int:
        if keep in self.creators:
            keep = Name(keep, self._place(keep))
        return super().end_all(owner, keep)

    def _place(self, key: str) -> int:
        place = [*self.creators].index(key)
        return 7 - place if self.backwards else place


class Stage(logging.Handler):
    """Where some requests are played, from one start, again and again."""

    def __init__(self, start: str) -> None:
        super().__init__()
        self.here = local()  # the request that this thread runs
        self.contents, self.pure = model.STARTS[start]
        self.clock = Clock()
        self.store = Gated(self.clock)
        self.interface = ServerSideSessionInterface(
            KEY, self.store, clock=self.clock, accept=[SignedFormat()]
        )
        self.cookies = SecureCookieSessionInterface(KEY, clock=self.clock)
        self.old = ""
        self.played = self.played_three = 0
        if self.pure:  # its id follows from its token, which is always the same
            self.play(["read"], lambda step, enabled: enabled[0])
            [self.old] = self.store.creators

    def play(self, operations: Sequence[str], choose: Choose) -> tuple[Any, Trace]:
        """The outcome of one schedule, and at each step who was chosen of whom.

        :param choose: Chooses whose call is next, of those who have any.
        """
        self.clock.now = 1_700_000_000
        self.store.begin()
        kept_by: Any = self.cookies if self.pure else self.interface
        self.header = kept_by.make_cookie(dict(self.contents))
        if not self.pure:
            [self.old] = self.store.creators
        self.clock.advance(days=DUE)
        memories = [dict(model.MEMORY) for _ in operations]
        requests = [
            Request(partial(self._request, operation, number, memory))
            for number, (operation, memory) in enumerate(
                zip(operations, memories, strict=True), 1
            )
        ]
        trace: Trace = []
        while enabled := [n for n, each in enumerate(requests) if not each.done]:
            chosen = choose(len(trace), enabled)
            assert chosen in enabled  # else the same steps have led elsewhere
            trace.append((chosen, enabled))
            requests[chosen].step()
        for request, memory in zip(requests, memories, strict=True):
            if request.error is not None:
                raise request.error
            assert request.calls <= MOST_CALLS * len(requests)
            memory["sends"] = self._sent(memory["sends"])
        return model.outcome_of(list(self._live()), memories), trace

    def _request(self, operation: str, number: int, memory: dict[str, Any]) -> None:
        """One request, and what is to be remembered of it."""
        self.store.here.number, self.here.memory = number, memory
        memory["sends"] = ""
        if self.pure:
            Request.wait()  # to read a cookie takes no call
        if operation == "expire":
            Request.wait()
            self.clock.advance(days=MORE)
            return
        if operation == "end all":
            self.interface.end_sessions(1)
            return
        environ = {"HTTP_COOKIE": self.header, "wsgi.url_scheme": "https"}
        session = self.interface.open_session(environ)
        assert session is not None
        memory["saw"] = saw = dict(session)
        if operation == "end others":
            self.interface.end_sessions(1, keep=session)
        elif operation == "log out":
            session.clear()
        else:
            values, deleted = model.CHANGES[operation](saw, number)
            for key in deleted:
                del session[key]
            session.update(values)
            if operation == "regenerate":
                session.regenerate()
        headers: list[tuple[str, str]] = []
        self.interface.save_session(environ, session, "200 OK", headers)
        memory["sends"] = "".join(v for name, v in headers if name == "Set-Cookie")

    def emit(self, record: logging.LogRecord) -> None:
        memory = getattr(self.here, "memory", {})
        memory["dropped"] = memory.get("dropped") or "was dropped" in record.msg

    def _sent(self, set_cookie: str) -> str:
        """What the model calls what a response sends."""
        if not set_cookie:
            return model.NOTHING
        if "Max-Age=0" in set_cookie:
            return model.DELETED
        id = _payload(set_cookie.partition("=")[2])
        return self._session_name(hashlib.sha256(id).hexdigest())

    def _session_name(self, key: str) -> str:
        return "old" if key == self.old else f"new of {self.store.creators[key]}"

    def _live(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for key in self.store.creators:
            record = self.store.inner.load(key)
            if record is not None and record.version is not None:
                contents = json.loads(_payload(record.data.decode()))
                yield (
                    self._session_name(key),
                    {key: value for key, value in contents.items() if key[0] != "_"},
                )


def _payload(token: str) -> bytes:
    """What a signed token says, read without its key."""
    encoded = token.partition(".")[0]
    return urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))


def every_schedule(play: Callable[[Choose], tuple[Any, Trace]]) -> Iterator[Any]:
    """The outcomes of all schedules: every choice at every step, depth first."""
    prefix: list[int] = []

    def choose(step: int, enabled: list[int]) -> int:
        return prefix[step] if step < len(prefix) else enabled[0]

    while True:
        outcome, trace = play(choose)
        yield outcome, _schedule(trace)
        while trace and trace[-1][0] == trace[-1][1][-1]:
            trace.pop()
        if not trace:
            return
        chosen, enabled = trace.pop()
        prefix = [each for each, _ in trace]
        prefix.append(enabled[enabled.index(chosen) + 1])


PAIRS = [
    pytest.param(start, pair, id=f"{start}: {' | '.join(pair)}")
    for start, operations in model.OPERATIONS.items()
    for pair in itertools.combinations_with_replacement(operations, 2)
]


@pytest.fixture(scope="module")
def stages() -> Iterator[dict[str, Stage]]:
    stages = {start: Stage(start) for start in model.STARTS}
    logger = logging.getLogger("cookiesession")
    level = logger.level
    logger.setLevel(logging.INFO)
    for stage in stages.values():
        logger.addHandler(stage)
    yield stages
    logger.setLevel(level)
    for start, stage in stages.items():
        logger.removeHandler(stage)
        two, three = stage.played, stage.played_three
        print(f"\n{start}: {two} interleavings of two requests, {three} of three")


@pytest.mark.parametrize(("start", "pair"), PAIRS)
def test_two_requests_end_as_the_model_says_in_every_interleaving(
    start: str, pair: tuple[str, str], stages: dict[str, Stage]
) -> None:
    stage, allowed, happened = stages[start], model.outcomes(start, pair), set()
    for stage.store.backwards in {False, any(each[:3] == "end" for each in pair)}:
        for outcome, schedule in every_schedule(partial(stage.play, pair)):
            assert outcome in allowed, f"in the order {schedule}"
            happened.add(outcome)
            stage.played += 1
    assert happened == allowed  # the model says no more than what can be


def ends_of(start: str, *operations: str) -> list[model.Contents | None]:
    """What the browser may have in the end, whichever response arrives last."""
    return [
        model.ends_with(outcome, arrivals)
        for outcome in model.outcomes(start, operations)
        for arrivals in ([1, 2], [2, 1])
    ]


@pytest.mark.parametrize("start", model.STARTS)
def test_so_two_changes_of_different_keys_are_both_kept(start: str) -> None:
    for contents in ends_of(start, "change a", "change b"):
        assert contents is not None
        assert contents.items() >= {"a": 1, "b": 2}.items()


@pytest.mark.parametrize("other", ["read", "change a", "change b", "log in"])
def test_so_a_login_is_undone_by_no_request_beside_it(other: str) -> None:
    for contents in ends_of("anonymous", "log in", other):
        assert contents is not None
        assert contents[model.USER] == 1


@pytest.mark.parametrize("start", ["logged in", "in a cookie"])
@pytest.mark.parametrize("other", ["read", "change a", "change b", "empty", "log out"])
def test_so_a_logout_is_undone_by_no_request_beside_it(start: str, other: str) -> None:
    for outcome in model.outcomes(start, ("log out", other)):
        live, _ = outcome
        assert live == ()
    assert start == "in a cookie" or not any(ends_of(start, "log out", other))


@pytest.mark.parametrize("other", model.OPERATIONS["logged in"])
def test_so_no_session_of_a_user_outlives_the_end_of_them_all(other: str) -> None:
    for live, _ in model.outcomes("logged in", ("end all", other)):
        assert 1 not in [dict(contents).get(model.USER) for _, contents in live]


@pytest.mark.parametrize("start", model.STARTS)
def test_so_a_key_that_is_added_beside_an_emptying_is_lost_only_if_it_says_so(
    start: str,
) -> None:
    for live, (empty, change) in model.outcomes(start, ("empty", "change b")):
        kept = any(dict(contents).get("b") == 2 for _, contents in live)
        assert kept or "b" in dict(empty[0]) or change[2] or change[0] == ()


@pytest.mark.parametrize("start", model.STARTS)
def test_three_requests_end_as_the_model_allows_in_a_sample_of_their_interleavings(
    start: str, stages: dict[str, Stage]
) -> None:
    stage = stages[start]
    for three in itertools.combinations_with_replacement(model.OPERATIONS[start], 3):
        allowed = model.outcomes(start, three)
        seeded = random.Random(f"{start} {three}")
        choose = partial(_choice, seeded)
        for _ in range(SAMPLES):
            stage.store.backwards = seeded.random() < 0.5
            outcome, trace = stage.play(three, choose)
            assert outcome in allowed, f"{three} in the order {_schedule(trace)}"
            stage.played_three += 1


def _choice(seeded: random.Random, step: int, enabled: list[int]) -> int:
    return seeded.choice(enabled)


def _schedule(trace: Trace) -> list[int]:
    return [chosen for chosen, _ in trace]
