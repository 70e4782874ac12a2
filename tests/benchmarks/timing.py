"""What a request takes when nothing gets in its way: minima of short batches.

Means and medians also measure what else the machine does. A batch is shorter than what
a scheduler gives a process at a time, so most go undisturbed, and the least of many is
the request's own. All requests take turns, in an order that changes, so that a slow
minute hits them all alike.
"""

from __future__ import annotations

import gc
import math
import random
from collections.abc import Callable, Collection
from itertools import repeat
from time import perf_counter
from typing import NamedTuple

_BATCH = 0.0004  # seconds


class Timed:
    """A request with its Cookie header, and the least time that it has taken."""

    def __init__(self, request: Callable[[str], object], cookie: str) -> None:
        self._request = request
        self._cookie = cookie
        self._times = 100
        for _ in range(3):  # it warms up, and shows how many make a batch
            self._batch()
        self._times = max(3, int(_BATCH / self._batch()))
        self.least = math.inf  # seconds

    def take_a_turn(self) -> None:
        for _ in repeat(None, self._times // 2):  # for the processor's caches
            self._request(self._cookie)
        self.least = min(self.least, self._batch())

    def _batch(self) -> float:
        """Seconds per request."""
        request, cookie = self._request, self._cookie
        started = perf_counter()
        for _ in repeat(None, self._times):
            request(cookie)
        return (perf_counter() - started) / self._times


class Cost(NamedTuple):
    """A request through a session layer, beside the same without sessions."""

    through: Timed
    bare: Timed

    @property
    def microseconds(self) -> float:
        return (self.through.least - self.bare.least) * 1e6


def measure(costs: Collection[Cost], rounds: int) -> None:
    """Let all requests take their turns; those that several costs share, once each."""
    requests = list(dict.fromkeys(request for cost in costs for request in cost))
    dice = random.Random(1)
    gc.collect()
    gc.freeze()
    gc.disable()
    for _ in range(rounds):
        dice.shuffle(requests)
        for request in requests:
            request.take_a_turn()
        gc.collect()
    gc.enable()
