"""Everything that a session can hold, for hypothesis, and how to compare it exactly."""

from __future__ import annotations

import datetime as dt
from typing import Any, TypeVar

from hypothesis import strategies as st
from markupsafe import Markup

UTC = dt.timezone.utc
# Half a surrogate pair has no UTF-8, and is refused.
TEXT = st.text(st.characters(exclude_categories=["Cs"]))

Moment = TypeVar("Moment", dt.datetime, dt.time)


def exact(value: Any) -> Any:
    """A value's types and reprs, whatever the order of its sets and dicts."""
    if isinstance(value, (set, frozenset)):
        return type(value), sorted(repr(exact(item)) for item in value)
    if isinstance(value, (list, tuple)):
        return type(value), [exact(item) for item in value]
    if isinstance(value, dict):
        return sorted((key, exact(item)) for key, item in value.items())
    return repr(value)


def assert_same(found: Any, wanted: Any) -> None:
    assert found == wanted
    assert exact(found) == exact(wanted)


def unfolded(moment: Moment) -> Moment:
    return moment.replace(fold=0)


OFFSETS = st.integers(-82_800, 82_800).map(lambda s: dt.timedelta(seconds=s))
ZONES = st.none() | st.just(UTC) | OFFSETS.map(dt.timezone)
KEYS = TEXT | st.sampled_from([" t", " di", " b", " d", " m", " s", " t__", " ", ""])
SESSION_KEYS = KEYS.filter(lambda key: key not in ("_permanent", "_cs"))
SHARED = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    TEXT,
    st.binary(),
    st.uuids(allow_nil=True),
    TEXT.map(Markup),
)
OURS = st.one_of(
    SHARED,
    st.datetimes(timezones=ZONES).map(unfolded),
    st.dates(),
    st.times(timezones=ZONES).map(unfolded),
    st.timedeltas(),
    st.decimals(allow_nan=False),
)
# What is before year 1000 or not to the second, Flask does not give back as it was.
FLASKS = SHARED | st.datetimes(
    dt.datetime(1000, 1, 1), dt.datetime(9999, 12, 30), timezones=st.just(UTC)
).map(lambda moment: moment.replace(microsecond=0, fold=0))


def nest(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """The leaves, in lists, tuples and dicts, within each other."""
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.lists(inner),
            st.lists(inner).map(tuple),
            st.dictionaries(KEYS, inner, max_size=3),
        ),
        max_leaves=12,
    )


def values() -> st.SearchStrategy[Any]:
    """Every value of the default format, nested anywhere."""
    items = OURS | st.lists(OURS).map(tuple)
    return nest(OURS | st.sets(items) | st.frozensets(items | st.frozensets(items)))


def sessions() -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(SESSION_KEYS, values(), max_size=4)


def flask_sessions() -> st.SearchStrategy[dict[str, Any]]:
    """Every session that Flask stores without loss."""
    return st.dictionaries(SESSION_KEYS, nest(FLASKS), min_size=1, max_size=4)
