"""Tasks to wait for, known from the beginning."""

import queue
import time
from collections.abc import Callable, Iterable, Iterator

from luma_cli.api.task import Task
from luma_cli.edits.poll import Add, Close, Inbox, Watch, Watched


def watch(
    watched: Iterable[Watched],
    fetch: Callable[[str], Task],
    *,
    interval: float,
    timeout: float,
    inbox: Inbox | None = None,
    stays_open: bool = False,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] | None = None,
) -> Iterator[object]:
    """The events of a wait for these tasks. With `stays_open` a `Close` is still to come."""
    inbox = inbox if inbox is not None else queue.Queue()
    for one in watched:
        inbox.put(Add(one))
    if not stays_open:
        inbox.put(Close())
    return iter(Watch(fetch, inbox, interval, timeout, clock=clock, sleep=sleep))
