"""The account that pays for the tasks: what is charged, when it appears, and what the balance shows."""

import threading
from collections.abc import Callable

from luma_cli.sandbox.tasks import SandboxTask

OPENING = 100_000.0

# An amount, when it is booked, and when the balance shows it.
Entry = tuple[float, float, float]


class Account:
    """One balance for all families. Times are in seconds of the sandbox's clock, amounts in credits.

    A task is charged when it is submitted, or `charge_delay` after its end if that is a number; a failed one gets
    its credits back at its end. The balance shows everything `balance_lag` late.
    `spend_by_itself` is an amount and an interval: what another client of the account spends.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        charge_delay: float | None = None,
        balance_lag: float = 0.0,
        spend_by_itself: tuple[float, float] = (0.0, 1.0),
    ) -> None:
        self._charge_delay = charge_delay
        self._balance_lag = balance_lag
        self.spend_by_itself = spend_by_itself
        self.looks_empty = False
        self._clock = clock
        self._opened = clock()
        self._opening = OPENING
        self._entries: list[Entry] = []
        self._tasks: list[SandboxTask] = []
        self._settled: dict[SandboxTask, float] = {}
        self._lock = threading.Lock()

    @property
    def balance(self) -> float:
        """What there is, whether or not the balance shows it yet."""
        with self._lock:
            return self._sum(lambda at, _: at <= self._clock())

    @balance.setter
    def balance(self, amount: float) -> None:
        self._book(amount - self.balance, 0.0)

    @property
    def shown(self) -> float:
        """What the balance says; after a submission that met `empty-429` it is once empty."""
        with self._lock:
            if self.looks_empty:
                self.looks_empty = False
                return 0.0
            found = self._sum(lambda _, shown: shown <= self._clock())
            self._settle()
            return found

    def has(self, price: float) -> bool:
        """Whether a task of this price may be made; what is not charged yet counts as spent."""
        with self._lock:
            self._settle()
            return self._sum(lambda at, _: at <= self._clock(), reserve=True) >= price

    def open(self, task: SandboxTask) -> None:
        """From now on the task is charged as its scenario and the account have it."""
        with self._lock:
            self._tasks.append(task)

    def top_up(self, amount: float) -> None:
        self._book(amount, self._balance_lag)

    def charges(self) -> dict[str, float]:
        """What each task has cost so far, by its id."""
        with self._lock:
            now = self._clock()
            live = {task: -sum(amount for amount, at, _ in self._of_task(task) if at <= now) for task in self._tasks}
            return {task.task_id: round(amount, 4) for task, amount in (self._settled | live).items()}

    def _book(self, amount: float, lag: float) -> None:
        with self._lock:
            now = self._clock()
            self._entries.append((amount, now, now + lag))

    def _sum(self, counts: Callable[[float, float], bool], *, reserve: bool = False) -> float:
        entries = [*self._entries, *(entry for task in self._tasks for entry in self._of_task(task))]
        booked = sum(amount for amount, at, shown in entries if counts(at, shown) or (reserve and amount < 0))
        amount, interval = self.spend_by_itself
        return round(self._opening + booked - amount * ((self._clock() - self._opened) // interval), 4)

    def _of_task(self, task: SandboxTask) -> list[Entry]:
        lag = self._balance_lag
        if self._charge_delay is not None:
            at = task.ends + self._charge_delay
            return [] if task.failure else [(-task.price, at, at + lag)]
        charged = [(-task.price, task.created, task.created + lag)]
        return [*charged, (task.price, task.ends, task.ends + lag)] if task.failure else charged

    def _settle(self) -> None:
        """What nothing can change any more becomes part of the opening, so that a sum stays short."""
        now = self._clock()
        self._opening += sum(amount for amount, _, shown in self._entries if shown <= now)
        self._entries = [entry for entry in self._entries if entry[2] > now]
        live = []
        for task in self._tasks:
            entries = self._of_task(task)
            if self._may_change(task) or any(shown > now for _, _, shown in entries):
                live.append(task)
            else:
                self._settled[task] = -sum(amount for amount, _, _ in entries)
                self._opening -= self._settled[task]
        self._tasks = live

    def _may_change(self, task: SandboxTask) -> bool:
        """Whether an entry of the task may still come, go or move; a plain charge stays what it is."""
        is_plain = task.failure is None and self._charge_delay is None
        return task.to_render or not (is_plain or self._clock() >= task.ends)
