"""`api_key_command`: what counts, and what it may say on stderr."""

import shlex

import pytest

from luma_cli.config.key_command import MAX_OUTPUT, ask_command
from luma_cli.errors import KeyRejected
from support.commands import KEY


def shell(script: str) -> str:
    return f"sh -c {shlex.quote(script)}"


@pytest.mark.parametrize(
    "script", [f"echo {KEY}", f"printf '{KEY}\\r\\n'", f"echo {KEY}; echo login: me", f"echo; echo {KEY}"]
)
def test_the_first_line_is_the_key(script: str) -> None:
    """As `pass show` prints it: the secret first, notes below."""
    assert ask_command(shell(script)) == KEY


@pytest.mark.parametrize(
    "command", ["pass show kie | head -n1", "cat key|head -1", "get-key && echo x", "get-key > /dev/stdout", "a; b"]
)
def test_what_only_a_shell_understands_is_answered_with_the_shell(command: str) -> None:
    with pytest.raises(KeyRejected, match="without a shell") as caught:
        ask_command(command)
    assert "sh -c" in str(caught.value.hint)


@pytest.mark.parametrize("script", [f"echo {KEY} | cat", f"echo '{KEY}' && true"])
def test_a_shell_that_is_named_may_pipe(script: str) -> None:
    assert ask_command(shell(script)) == KEY


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo 'vault is locked' >&2; exit 3", ["exit code 3", "vault is locked"]),
        ("echo one >&2; echo two >&2; exit 1", ["one; two"]),
        ("echo 'not logged in' >&2", ["printed nothing", "not logged in"]),
        (f"echo {KEY}; echo 'wrong: {KEY}' >&2; exit 1", ["exit code 1", "wrong: [key]"]),
        (f"echo 'debug: {KEY.replace('canary', 'abcdef')}{'0' * 8}' >&2; exit 1", ["exit code 1"]),
        ("printf '\\033]0;title\\007' >&2; exit 1", ["exit code 1"]),
    ],
)
def test_a_failure_says_what_the_command_said_and_not_the_key(script: str, words: list[str]) -> None:
    with pytest.raises(KeyRejected) as caught:
        ask_command(shell(script))
    assert [word for word in words if word not in caught.value.message] == []
    assert KEY not in caught.value.message
    assert caught.value.message.isprintable()


def test_what_it_says_beside_the_key_is_shown_without_it(caplog: pytest.LogCaptureFixture) -> None:
    assert ask_command(shell(f"echo {KEY}; echo 'gpg: using {KEY}' >&2")) == KEY
    assert caplog.messages == ["api_key_command: gpg: using [key]"]


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("no-such-program-anywhere", "cannot be started: no such file or directory"),
        ("'unfinished", "quotation mark"),
        ("   ", "is empty"),
        ("/", "cannot be started"),
    ],
)
def test_a_command_that_is_none_says_so(command: str, words: str) -> None:
    with pytest.raises(KeyRejected, match=words):
        ask_command(command)


@pytest.mark.parametrize("script", [f"head -c {MAX_OUTPUT * 4} /dev/zero", "yes no-key-at-all"])
def test_an_endless_output_is_not_read_to_its_end(script: str) -> None:
    assert len(ask_command(shell(script))) <= MAX_OUTPUT


def test_much_on_stderr_does_not_keep_the_command_waiting() -> None:
    assert ask_command(shell(f"head -c 1000000 /dev/zero >&2; echo {KEY}")) == KEY


def test_a_tilde_in_the_command_is_the_home_folder(home: object, monkeypatch: pytest.MonkeyPatch) -> None:
    with open(f"{home}/key", "w") as file:
        file.write("from-the-home-folder\n")
    assert ask_command("cat ~/key") == "from-the-home-folder"
