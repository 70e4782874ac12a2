"""How long a session lives, when it is renewed, and which times can be asked for.

Three clocks run: the idle timeout from the last issue, the absolute one from the
creation, and in the browser the life of a permanent cookie. All are kept by what the
token says, never by what the browser claims.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta

from .errors import Rejection

# RFC 6265bis, section 5.5: "The RECOMMENDED limit is 400 days in the future."
_BROWSERS_KEEP = timedelta(days=400)
_BROWSERS_KEEP_SECONDS = _BROWSERS_KEEP.total_seconds()
_MAX_LEEWAY = timedelta(minutes=5)


@dataclass(frozen=True)
class Timeouts:
    """How long a session lives; seconds, infinity for no limit."""

    idle: float
    absolute: float
    leeway: float

    @classmethod
    def of(
        cls, idle: timedelta | None, absolute: timedelta | None, leeway: timedelta
    ) -> Timeouts:
        """The same from durations; ``None`` for no limit."""
        return cls(_seconds(idle), _seconds(absolute), leeway.total_seconds())

    def rejects(self, issued: int, created: int, now: int) -> Rejection | None:
        """Why a session of these times is not valid now."""
        age = now - issued
        if age > self.idle:
            return "idle_expired"
        if now - created > self.absolute:
            return "absolute_expired"
        return "not_yet_valid" if -age > self.leeway else None

    def end(self, issued: int, created: int) -> float:
        """When a session ends that is not used again, in Unix seconds."""
        return min(issued + self.idle, created + self.absolute)

    def expires(self, issued: int, created: int) -> int:
        """When a browser is to forget a permanent session's cookie, in Unix seconds."""
        return int(min(self.end(issued, created), issued + _BROWSERS_KEEP_SECONDS))

    def is_due(self, issued: int, permanent: bool, now: float) -> bool:
        """Whether use renews a session: in the second half of what it has.

        That is its idle timeout, or the life of a permanent cookie where it is shorter.
        """
        life = min(self.idle, _BROWSERS_KEEP_SECONDS) if permanent else self.idle
        return now - issued > life / 2


def _seconds(duration: timedelta | None) -> float:
    return math.inf if duration is None else duration.total_seconds()


def faults_of(idle: object, absolute: object, leeway: object) -> list[str]:
    """What is wrong with the durations that an interface is given."""
    faults = []
    for name, value in (("idle_timeout", idle), ("absolute_timeout", absolute)):
        if value is not None and (
            not isinstance(value, timedelta) or value < timedelta(seconds=1)
        ):
            faults.append(f"{name} must be a timedelta of at least a second, or None.")
    if isinstance(idle, timedelta) and idle > _BROWSERS_KEEP:
        faults.append("idle_timeout must be at most 400 days: no browser keeps longer.")
    if not isinstance(leeway, timedelta) or not timedelta(0) <= leeway <= _MAX_LEEWAY:
        faults.append("leeway must be a timedelta from 0 to 5 minutes.")
    return faults
