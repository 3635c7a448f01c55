"""Keeps a run within its credits. A task's price is what the balance lost between two looks, by its tasks."""

import contextlib

from luma_cli.edits.run import Run
from luma_cli.errors import LumaError, OutOfCredits

# The balance is read again after so many submissions: the price of one is not documented.
CREDITS_EVERY = 10


class Budget:
    def __init__(self, run: Run, limit: float | None) -> None:
        self._run = run
        self._limit = limit
        self._before = self._spent = self._price = 0.0
        self._unseen = 0

    def open(self) -> None:
        """Read the balance before anything is spent."""
        if self._limit is not None:
            self._before = self._balance()

    def check(self) -> None:
        """Raises OutOfCredits when one task more would exceed the limit."""
        if self._limit is None:
            return
        if self._unseen and (not self._price or self._unseen >= CREDITS_EVERY):
            self._look()
        if self._limit <= 0 or self._spent + self._price * (self._unseen + 1) > self._limit:
            raise OutOfCredits(f"--max-credits {self._limit:g} is reached", hint="run again with a higher limit")

    def is_blind(self) -> bool:
        """Whether there is a limit, and nobody knows yet what a task costs."""
        if self._limit is None or self._price or not self._unseen:
            return False
        with contextlib.suppress(LumaError):  # `check` will report it
            self._look()
        return not self._price

    def spent(self) -> None:
        self._unseen += 1

    def _balance(self) -> float:
        client = self._run.client
        return client.patiently(client.credits)

    def _look(self) -> None:
        balance = self._balance()
        if balance < self._before:
            self._price = (self._before - balance) / self._unseen
        if self._price:  # until then the tasks stay unseen: the balance may lag behind
            self._spent += self._price * self._unseen  # estimated when somebody topped up meanwhile
            self._before, self._unseen = balance, 0
        self._before = max(self._before, balance)
