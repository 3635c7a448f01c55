"""Run the sandbox for a user: around one command, or until it is stopped."""

import secrets
import shutil
import subprocess
import tempfile

from luma_cli import output, settings
from luma_cli.errors import FileTrouble, UsageError
from luma_cli.sandbox import SCENARIOS, Sandbox


def make_sandbox(port: int, duration: float, scenario: str) -> Sandbox:
    """A sandbox that listens already.

    Raises:
        UsageError: no such scenario.
        FileTrouble: the port is taken.
    """
    if scenario not in SCENARIOS:
        raise UsageError(f"no scenario {scenario[:40]!a}", hint=f"scenarios: {' '.join(SCENARIOS)}")
    try:
        server = Sandbox(
            port=port,
            duration=duration,
            scenario=scenario,
            api_key=f"sandbox-{secrets.token_hex(8)}",
            webhook_key=settings.environment("LUMA_WEBHOOK_KEY"),
        )
        server.start()
    except OSError as error:
        raise FileTrouble(f"cannot listen on port {port}: {(error.strerror or 'error').lower()}") from error
    return server


def run(server: Sandbox, command: list[str]) -> int:
    """Run a command against the sandbox, with a state folder of its own, and return its exit status."""
    state = tempfile.mkdtemp(prefix="luma-sandbox-")
    try:
        words = [shutil.which(command[0]) or command[0], *command[1:]]
        status = subprocess.run(words, env=settings.environment_with(_variables(server, state)), check=False).returncode
    except OSError as error:
        raise UsageError(f"cannot run {command[0]}: {(error.strerror or 'error').lower()}") from error
    finally:
        server.stop()
        shutil.rmtree(state, ignore_errors=True)
    return status if status >= 0 else 128 - status


def serve(server: Sandbox) -> None:
    """Print the lines to export and serve until a signal comes."""
    state = tempfile.mkdtemp(prefix="luma-sandbox-")
    try:
        for name, value in _variables(server, state).items():
            output.answer(f"export {name}={value}")
        output.note("the sandbox is up; Ctrl-C ends it")
        server.serve_forever()
    finally:
        server.stop()
        shutil.rmtree(state, ignore_errors=True)


def _variables(server: Sandbox, state: str) -> dict[str, str]:
    return {
        "LUMA_BASE_URL": server.url,
        "LUMA_UPLOAD_URL": server.url,
        "LUMA_API_KEY": server.api_key,
        "LUMA_STATE_DIR": state,
    }
