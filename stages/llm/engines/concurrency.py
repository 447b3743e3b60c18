"""How many requests may be under way at once: more while all is well, half when it is not."""

import asyncio
from collections import deque

_START = 16  # a small server takes as many, and three rounds of replies lead to 128


class AdaptiveLimit:
    """Places for requests under way, between 1 and `most`; belongs to the running event loop.

    Doubles with each round of replies until the server first shows that it is too much; from
    then on a round adds one place, and each sign of too much halves them. The limit grows only
    while somebody waits for a place. `per_minute` spaces the entries evenly.
    """

    def __init__(self, most: int, per_minute: int | None) -> None:
        self.limit = min(_START, most)
        self._most = most
        self._spacing = 60 / per_minute if per_minute else 0.0
        self._taken = 0
        self._credit = 0.0  # towards the next place
        self._ramping = True
        self._shrunk_at = 0.0
        self._not_before = 0.0
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    async def enter(self) -> None:
        """Take a place as soon as there is one; first come, first served."""
        if not self._waiting and self._is_open():
            self._take()
            return
        waiter = self._loop.create_future()
        self._waiting.append(waiter)
        self._admit()
        await waiter

    def leave(self, places: int = 1) -> None:
        """Give places back."""
        self._taken -= places
        if self._waiting:
            self._admit()

    def grow(self) -> None:
        """A reply came as it should; its place is still taken."""
        if self._waiting and self.limit < self._most:
            self._credit += 1 if self._ramping else 1 / self.limit
            if self._credit >= 1:
                self._credit -= 1
                self.limit += 1

    def shrink(self, began: float) -> None:
        """A request that began at the loop time `began` was too much for the server."""
        # Those that were under way together tell of one overload, and halve the limit once.
        if began >= self._shrunk_at:
            self._shrunk_at = self._loop.time()
            self._ramping = False
            self._credit = 0.0
            self.limit = max(1, self.limit // 2)

    def hold(self, seconds: float) -> None:
        """Let nobody in for so long."""
        self._not_before = max(self._not_before, self._loop.time() + seconds)

    def _is_open(self) -> bool:
        return self._taken < self.limit and self._loop.time() >= self._not_before

    def _take(self) -> None:
        self._taken += 1
        if self._spacing:
            self._not_before = max(self._not_before, self._loop.time()) + self._spacing

    def _admit(self) -> None:
        while self._waiting and self._is_open():
            waiter = self._waiting.popleft()
            if not waiter.cancelled():
                self._take()
                waiter.set_result(None)
        early = self._not_before > self._loop.time()
        if self._waiting and early and self._timer is None:
            self._timer = self._loop.call_at(self._not_before, self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        self._admit()
