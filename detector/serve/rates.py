"""How often an address may ask: one bucket of tokens each, the oldest forgotten first."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

MAX_ADDRESSES = 4096


class Rates:
    """Buckets that fill up again; used from one thread.

    Args:
        per_second: Tokens that come back in a second.
        burst: Tokens that a bucket holds.
        clock: Seconds, never going back.
    """

    def __init__(
        self, per_second: float, burst: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._per_second = per_second
        self._burst = float(burst)
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_seconds(self, address: str) -> float:
        """Take a token; 0 = there was one, else how long until there is."""
        left = self.left(address)
        if left < 1.0:
            return (1.0 - left) / self._per_second
        self._buckets[address] = (left - 1.0, self._clock())
        return 0.0

    def left(self, address: str) -> float:
        """Tokens that an address has."""
        now = self._clock()
        held, since = self._buckets.pop(address, (self._burst, now))
        left = min(self._burst, held + (now - since) * self._per_second)
        self._buckets[address] = (left, now)
        while len(self._buckets) > MAX_ADDRESSES:
            self._buckets.popitem(last=False)
        return left
