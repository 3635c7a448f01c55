"""Run the sandbox for a user: around one command, or until it is stopped."""

import re
import secrets
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from luma_cli import signals
from luma_cli.api.envelope import NotAnEnvelope, parse_envelope
from luma_cli.api.hosts import host_of, is_loopback
from luma_cli.api.transport import Session, TransportError, exchange
from luma_cli.config import settings
from luma_cli.config.environment import environment_with, variable
from luma_cli.errors import FileError, Unavailable, UsageError, reason
from luma_cli.output import messages, streams
from luma_cli.sandbox import MODELS, SCENARIOS, FfmpegMissing, Sandbox
from luma_cli.signals import Stopped
from luma_cli.video.ffmpeg import find_ffmpeg

# Four attempts of 15 s each, twice for a duplicate, and the pauses between.
TRIGGER_BUDGET = 150.0
# How long a command may take, in seconds, to end of itself after a signal, and after one that we sent it.
SIGNAL_PATIENCE = 0.5
END_PATIENCE = 10.0
# With a limit Python looks every 50 ms. Without one, a signal just before the wait begins does not end it (measured).
A_DAY = 86400.0


def make_sandbox(
    port: int, duration: float, scenario: str, *, realistic: bool = False, prices: Iterable[str] = ()
) -> Sandbox:
    """A sandbox that listens already.

    Raises:
        UsageError: no such scenario or price, or realistic results without ffmpeg.
        FileError: the port is taken.
    """
    if scenario not in SCENARIOS:
        raise UsageError(f"no scenario {scenario[:40]!a}", hint=f"scenarios: {' '.join(SCENARIOS)}")
    try:
        server = Sandbox(
            port=port,
            duration=duration,
            scenario=scenario,
            api_key=secrets.token_hex(16),
            webhook_key=variable("LUMA_WEBHOOK_KEY"),
            prices=parse_prices(prices),
            realistic=realistic,
            ffmpeg=_ffmpeg(),
        )
        server.start()
    except FfmpegMissing as error:
        raise UsageError(
            "realistic results need ffmpeg", hint="install ffmpeg, or: pip install 'kie-luma[ffmpeg]'"
        ) from error
    except OSError as error:
        raise FileError(f"cannot listen on port {port}: {reason(error)}") from error
    return server


def _ffmpeg() -> str | None:
    """The ffmpeg that luma itself would take, None if there is none: then there are no realistic results."""
    try:
        return find_ffmpeg(variable("LUMA_FFMPEG")).path
    except UsageError:
        return None


def parse_prices(words: Iterable[str]) -> dict[str, float]:
    """Prices by model from words like `50` (every model) and `luma=50`, the later ones winning.

    Raises:
        UsageError: not a price, or no such model.
    """
    prices: dict[str, float] = {}
    for word in words:
        name, _, number = word.rpartition("=")
        if not re.fullmatch(r"\d{1,9}(\.\d{1,4})?", number):
            raise UsageError(f"{word[:40]!a} is not a price", hint="--price 50, or --price luma=50")
        if name and name not in MODELS:
            raise UsageError(f"no model {name[:40]!a}", hint=f"models: {' '.join(MODELS)}")
        prices |= dict.fromkeys([name] if name else MODELS, float(number))
    return prices


def run(server: Sandbox, command: list[str]) -> int:
    """Run a command against the sandbox, with a state folder of its own, and return its exit status."""
    words = [shutil.which(command[0]) or command[0], *command[1:]]
    try:
        with _variables(server) as variables, signals.child(words, env=environment_with(variables)) as process:
            status = _wait(process)
    except OSError as error:
        raise UsageError(f"cannot run {command[0]}: {reason(error)}") from error
    except Stopped:
        messages.note("the sandbox has ended, and its tasks with it: there is nothing to wait for")
        raise
    return status if status >= 0 else 128 - status


def serve(server: Sandbox) -> None:
    """Print the lines to export and serve until a signal comes."""
    with _variables(server) as variables:
        if streams.wants_json():
            streams.emit_json(variables)
        else:
            for name, value in variables.items():
                streams.emit(f"export {name}={shlex.quote(value)}")
        messages.note("the sandbox is up; Ctrl-C ends it")
        server.serve_forever()


def trigger(task_id: str) -> None:
    """Have the sandbox that LUMA_BASE_URL names send a task's callback now, with the service's retries.

    Raises:
        UsageError: that is not a sandbox, or the task asked for no callback.
        Unavailable: nobody answered the callback with 200.
    """
    base_url = settings.load_settings().base_url
    if not is_loopback(host_of(base_url)):
        raise UsageError("LUMA_BASE_URL does not name a sandbox", hint="luma sandbox prints the line to export")
    try:
        with Session() as session:
            reply = exchange(session, "POST", f"{base_url}/sandbox/trigger?taskId={task_id}", budget=TRIGGER_BUDGET)
        envelope = parse_envelope(reply.body)
    except (TransportError, NotAnEnvelope) as error:
        raise Unavailable("the sandbox did not reply", hint="is it running? luma sandbox") from error
    if envelope.code == 404:
        raise UsageError(envelope.message, hint="luma modify --callback-url URL asks for callbacks")
    if envelope.code != 200:
        raise Unavailable(f"{envelope.message}: the task has flag 4 now", hint="is the receiver running? luma listen")
    messages.note(f"callback of {task_id} was sent and answered with 200")


def _wait(process: "subprocess.Popen[bytes]") -> int:
    """The command's exit status. A signal that ends us ends the command first, which has time to tidy up."""
    try:
        return process.wait(A_DAY)
    except subprocess.TimeoutExpired:
        return _wait(process)
    except Stopped as stop:
        # Ctrl-C reaches both of us, a signal from elsewhere only one. A second one would cut the tidying short.
        try:
            if _outlives(process, SIGNAL_PATIENCE):
                process.send_signal(stop.signum)
            _outlives(process, END_PATIENCE)
        finally:  # at once where we get a second one
            process.kill()
        raise


def _outlives(process: "subprocess.Popen[bytes]", patience: float) -> bool:
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        return True
    return False


@contextmanager
def _variables(server: Sandbox) -> Iterator[dict[str, str]]:
    """What leads luma to the sandbox and to a state folder of its own; at the end both are gone."""
    with tempfile.TemporaryDirectory(prefix="luma-sandbox-", ignore_cleanup_errors=True) as state:
        try:
            yield {
                "LUMA_BASE_URL": server.url,
                "LUMA_UPLOAD_URL": server.url,
                "LUMA_API_KEY": server.api_key,
                "LUMA_STATE_DIR": state,
            }
        finally:
            server.stop()
