"""What a command opens before its workers begin: settings, journal, client and presenter, as one run."""

import functools
import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

from luma_cli import __version__
from luma_cli.config import settings
from luma_cli.config.environment import variable
from luma_cli.errors import FileError, LumaError, UsageError
from luma_cli.output import messages, streams

if TYPE_CHECKING:
    from luma_cli.api.client import Client
    from luma_cli.edits.events import Report
    from luma_cli.edits.run import Clock, Finishing, Plan, Results, Run
    from luma_cli.journal.journal import Journal

log = logging.getLogger(__name__)


class Invocation:
    """One command line: its time, and what has become of its tasks, which every way out must be able to name."""

    def __init__(self, clock: "Clock | None" = None) -> None:
        self.clock = clock
        self.results: Results | None = None  # from when the command has opened its run
        self.error: LumaError | None = None  # what has ended it


invocation: ContextVar[Invocation] = ContextVar("invocation")


@contextmanager
def open_run(
    *,
    needs_journal: bool = False,
    keeps_journal: bool = True,
    on_done: str | None = None,
    model: str | None = None,
    **prints: bool,
) -> "Iterator[Run]":
    """What holds for this command, closed at its end.

    `needs_journal`: what spends, or is about the journal itself, stops when it cannot be used; what only reads goes on
    without. `keeps_journal` False makes none. `on_done` is a command for each task's end, `model` the one that the user
    has named for tasks which the journal does not hold. `prints`: see Presenter.
    """
    from luma_cli.edits.run import Clock, Results, Run

    here = invocation.get()
    clock, results = here.clock or Clock(), Results()
    here.results = results
    ours = _load_settings()
    if model is not None:
        ours = ours._replace(model=model)
    with ExitStack() as stack:
        journal = stack.enter_context(closing(_open_journal(ours, needed=needs_journal, kept=keeps_journal)))
        connect = functools.cache(lambda: stack.enter_context(closing(_connect(ours, clock))))
        report = _present(results, prints, clock)
        if on_done is not None:
            from luma_cli.cli.on_done import OnDone

            report = OnDone(report, on_done)
        yield Run(ours, journal, results, connect, report, clock, _confirm, streams.can_ask, streams.protect)


@contextmanager
def open_journal() -> "Iterator[Journal]":
    """The journal alone, for a command that only reads it: start-up is a feature."""
    with closing(_open_journal(_load_settings())) as journal:
        yield journal


@contextmanager
def client_when_asked() -> "Iterator[Callable[[], Client]]":
    """A client that is made, with the settings, when somebody asks for it: what reports on faults meets them there."""
    from luma_cli.edits.run import Clock

    clock = invocation.get().clock or Clock()
    with ExitStack() as stack:
        yield functools.cache(lambda: stack.enter_context(closing(_connect(_load_settings(), clock))))


def now() -> float:
    """The Unix time, as this command line sees it."""
    clock = invocation.get().clock
    return time.time() if clock is None else clock.now()


def need_journal(what: str) -> None:
    """Raises UsageError if LUMA_JOURNAL=off, for what is nothing without the journal."""
    if settings.journal_is_off():
        raise UsageError(f"{what} needs the journal, and LUMA_JOURNAL is off", hint="unset LUMA_JOURNAL")


def check_daily_limit(run: "Run") -> None:
    """Raises UsageError for a daily limit over submissions that nobody counts."""
    if run.settings.daily_credits is not None:
        need_journal("the setting daily_credits")


def parse_finishing(run: "Run", audio: str | None, match: bool | None, as_delivered: bool) -> "Finishing":
    """What --audio, --match and --as-delivered ask for. Raises UsageError before anything is sent."""
    from luma_cli.edits.run import Finishing

    if audio is None and match is None and not as_delivered:
        return Finishing()
    from luma_cli.edits.finish import check_finishing

    return check_finishing(run, Finishing(audio, match, as_delivered))


def make_plan(
    run: "Run",
    *,
    interval: float | None = None,
    timeout: float | None = None,
    output: str | None = None,
    saves: bool = False,
    **more: Any,
) -> "Plan":
    """How to see tasks through, with the user's settings when an option is missing.

    `saves`: results are saved in any case, in the user's folder when no path is given. `more`: fields of Plan.
    """
    from luma_cli.edits.run import STDOUT, Plan

    ours = run.settings
    if interval is not None and interval < 1:
        raise UsageError("--interval must be at least 1s")
    if output == "":
        raise UsageError("--output is empty", hint="-o FILE, -o FOLDER/ or -o -")
    plan = Plan(
        interval=ours.interval if interval is None else interval,
        timeout=ours.timeout if timeout is None else timeout,
        output=output or (ours.output_dir or "." if saves else None),
        **more,
    )
    if plan.output == STDOUT and streams.stdout_is_terminal():
        raise UsageError("a video cannot be shown on a terminal", hint="-o FILE, or pipe it on")
    if plan.output == STDOUT and streams.wants_json():
        raise UsageError("-o - and --json both want stdout", hint="-o FILE")
    run.results.save_option = plan.option
    return plan


def show_results(run: "Run", *, opens: bool, waits: bool = True) -> None:
    """At the end: --open, and for a person who did not wait the command that goes on."""
    if opens:
        from luma_cli.cli import viewer

        for task in run.results.tasks.values():
            for target in [file.path for file in task.files if Path(file.path).exists()] or task.result_urls[:1]:
                viewer.show(target)
    elif not waits and run.results.running and streams.stdout_is_terminal():
        target = "FILE" if len(run.results.running) == 1 else "FOLDER/"
        messages.note(f"next: {run.results.wait_command()} -o {target}")


def _load_settings() -> settings.Settings:
    """The settings in force; with -v also where each came from."""
    streams.show_log()
    ours = settings.load_settings()
    log.info("luma %s, Python %s, %s", __version__, sys.version.split()[0], sys.platform)
    for key, origin in ours.origins.items():
        if origin != "default":
            log.info("the setting %s is from %s", key, origin)
    log.info("settings are kept in %s; those not named here are luma's own", ours.config_dir)
    return ours


def _open_journal(ours: settings.Settings, *, needed: bool = False, kept: bool = True) -> "Journal":
    from luma_cli.journal import journal

    service: dict[str, Any] = {"service": ours.base_url, "now": now}
    if settings.journal_is_off():
        return journal.open_journal(None, **service)
    try:
        path = settings.state_dir() / journal.NAME
        log.info("the journal is %s", path)
        return journal.open_journal(path if kept or path.exists() else None, messages.warn_once, **service)
    except FileError as error:
        if needed:
            raise
        messages.warn_once(f"{error.message}; going on without it ({error.hint})")
        return journal.open_journal(None, **service)


def _connect(ours: settings.Settings, clock: "Clock") -> "Client":
    """The client for the user's key, which no stream will show."""
    from luma_cli.api.client import Client
    from luma_cli.config import addresses, key_store

    addresses.ca_bundle()
    key = key_store.load_key(ours)
    streams.protect(key.value, origin=key.origin)
    log.info("the API key is from %s", key.origin)
    if variable("SSLKEYLOGFILE"):
        messages.warn("SSLKEYLOGFILE is set: whoever reads that file can read the key")
    return Client(
        ours.base_url,
        ours.upload_url,
        key.value,
        ca_bundle=ours.ca_bundle,
        on_pause=messages.note,
        clock=clock.monotonic,
        sleep=clock.sleep,
    )


def _present(results: "Results", prints: dict[str, bool], clock: "Clock") -> "Report":
    """The presenter, which is loaded when there is something to show."""

    @functools.cache
    def presenter() -> "Report":
        from luma_cli.output.presenter import Presenter

        return Presenter(results, clock=clock.monotonic, **prints)

    return lambda event: presenter()(event)


def _confirm(question: str) -> bool:
    from luma_cli.output.questions import confirm

    return confirm(question)
