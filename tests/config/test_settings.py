"""`luma config`, the settings and the key store below it."""

import json
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pexpect
import pyte
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as limits
from hypothesis import strategies as st

from luma_cli.config import key_store, settings, toml_files
from luma_cli.config.times import format_duration, parse_duration
from luma_cli.errors import KeyRejected, UsageError
from luma_cli.sandbox import Sandbox
from support import processes
from support.commands import CLIP_URL, KEY, Result
from support.fault_server import FaultServer, reply

Luma = Callable[..., Result]
CROWD = int(os.environ.get("LUMA_TEST_CROWD", "6"))
posix = pytest.mark.skipif(os.name != "posix", reason="file modes mean nothing here")


@pytest.fixture
def folder(home: Path) -> Path:
    return home / "config"


@pytest.fixture
def stored(luma: Luma, monkeypatch: pytest.MonkeyPatch, folder: Path) -> Path:
    """The key is in the key store and nowhere else."""
    monkeypatch.delenv("LUMA_API_KEY")
    assert luma("config", "set", "api_key", "-", stdin=KEY).code == 0
    return folder / "credentials.toml"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# --- settings ---


@pytest.mark.parametrize("key", settings.SETTINGS)
def test_a_setting_can_be_set_read_and_removed(luma: Luma, key: str) -> None:
    value = {
        "base_url": "https://a.example.com",
        "upload_url": "https://b.example.com",
        "interval": "30s",
        "timeout": "1h",
        "callback_url": "https://c.example.com/hook",
        "model": "luma",
        "daily_credits": "500",
        "recipe": "on",
    }
    text = value.get(key, "something")
    default = luma("config", "get", key).out

    assert luma("config", "set", key, text)[:2] == (0, "")
    assert luma("config", "get", key)[:2] == (0, f"{text}\n")
    assert luma("config", "unset", key).code == 0
    assert luma("config", "get", key).out == default
    assert key == "model" or default != f"{text}\n"


def test_option_comes_before_environment_before_file_before_default(
    luma: Luma, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def origin() -> str:
        lines = luma("config", "list", "--show-origin").out.splitlines()
        return next(line for line in lines if line.startswith("timeout")).split("\t", 1)[1]

    found = [origin()]
    luma("config", "set", "timeout", "20m")
    found.append(origin())
    monkeypatch.setenv("LUMA_TIMEOUT", "25m")
    found.append(origin())
    monkeypatch.setenv("LUMA_TIMEOUT", "")
    found.append(origin())
    file = luma("config", "path").out.strip()
    assert found == ["15m\tdefault", f"20m\t{file}", "25m\tLUMA_TIMEOUT", f"20m\t{file}"]
    sandbox.tasks.duration = 3600
    err = luma("modify", CLIP_URL, "-p", "Snow", "-w", "--timeout", "1s", "--interval", "1s").err
    assert "not ended within 1 s" in err


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["set", "timout", "5m"], "did you mean timeout?"),
        (["get", "base"], "did you mean base_url?"),
        (["set", "interval", "fast"], "is not a duration"),
        (["set", "interval", "0"], "interval must be at least 1s"),
        (["set", "base_url", "http://api.example.com"], "the key would travel in plain text"),
        (["set", "base_url", "https://user:pw@api.example.com"], "not a usable address"),
        (["set", "api_key", "anything-at-all"], "on the command line can be read by others"),
        (["set", "webhook_key", "anything"], "on the command line can be read by others"),
        (["set", "api_key"], "there is no terminal to ask on"),
    ],
)
def test_what_cannot_be_set_says_why_and_stores_nothing(luma: Luma, folder: Path, words: list[str], what: str) -> None:
    code, out, err = luma("config", *words)

    assert (code, out) == (2, "")
    assert what in err
    assert not list(folder.glob("*.toml"))


def test_a_link_is_not_stored_as_a_key(luma: Luma, folder: Path) -> None:
    code, _, err = luma("config", "set", "api_key", "-", stdin="https://kie.ai/api-key")

    assert (code, err.splitlines()[0]) == (4, "luma: error: that is a link, not a key")
    assert not list(folder.glob("*.toml"))


def test_comments_and_order_of_the_file_stay(luma: Luma, folder: Path) -> None:
    folder.mkdir()
    file = folder / "config.toml"
    file.write_text('# mine\ntimeout = "20m"  # long clips\n\nwatermark = "me"\n')
    luma("config", "set", "timeout", "25m")
    luma("config", "set", "interval", "20s")

    assert file.read_text().startswith('# mine\ntimeout = "25m"  # long clips\n\nwatermark = "me"\n')


@pytest.mark.parametrize("text", ["\ufefftimeout = '20m'", "timeout = '20m'\r\n", "timeout = '20m'   \n\n"])
def test_files_of_other_editors_are_read(luma: Luma, folder: Path, text: str) -> None:
    folder.mkdir()
    (folder / "config.toml").write_bytes(text.encode())
    assert luma("config", "get", "timeout").out == "20m\n"


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"\x00\xff\xfe", " line 1: not UTF-8 text"),
        (b"# \n\n\xff", " line 3: not UTF-8 text"),
        (b"timeout = '20m'\ntimeout = '5m'\n", " line 2: not TOML"),
        (b"timeout = '20m'\n[", " line 2: not TOML"),
        (b"timeout = 'a\n", " line 1: not TOML"),
        (b"\ntimout = '20m'\n", " line 2: unknown setting 'timout'"),
        (b"# timout\n'timout' = '20m'\n", " line 2: unknown setting 'timout'"),
        (b"\n\n[timout]\na = 1\n", " line 3: unknown setting 'timout'"),
        (b"\ntimout.a = 1\n", " line 2: unknown setting 'timout'"),
        (b"api_key = 'x'\n", " line 1: api_key is a secret, which is kept in a file of its own"),
        (b"timeout = true\n", " line 1: timeout must be text"),
        (b"output_dir = 'x'\nout = 3\n", " line 2: unknown setting 'out'"),
        (b'# out = 1\n"out" = 3\n', " line 2: unknown setting 'out'"),
        (b"timeout = '5m'\ninterval = '1x'\n", " line 2: interval: '1x' is not a duration"),
        (b"callback_url = 'hook'\n", " line 1: callback_url: not an absolute http(s) address"),
        (b"x" * (2 << 20), ": larger than 64 KiB"),
    ],
)
def test_a_fault_in_the_file_names_it_and_its_line_and_changes_nothing(
    luma: Luma, sandbox: Sandbox, folder: Path, content: bytes, what: str
) -> None:
    folder.mkdir()
    file = folder / "config.toml"
    file.write_bytes(content)
    for words in (["config", "list"], ["modify", CLIP_URL, "-p", "Snow"]):
        code, out, err = luma(*words)
        assert (code, out) == (2, "")
        assert f"{file}{what}" in err
    assert file.read_bytes() == content
    assert sandbox.requests == []


@pytest.mark.parametrize(("key", "value"), [("interval", "1x"), ("timout", "5m"), ("callback_url", "hook")])
def test_a_fault_in_the_file_can_be_fixed_by_command(luma: Luma, folder: Path, key: str, value: str) -> None:
    folder.mkdir()
    file = folder / "config.toml"
    file.write_text(f"{key} = '{value}'\nwatermark = 'me'\n")

    assert luma("config", "unset", key).code == 0
    assert file.read_text() == "watermark = 'me'\n"
    assert luma("config", "unset", "timout")[::2] == (
        2,
        "luma: error: unknown setting 'timout'\nhint: did you mean timeout?\n",
    )


@posix
def test_a_folder_that_cannot_be_ours_is_reported(luma: Luma, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUMA_CONFIG_DIR", "/proc/self")
    code, _, err = luma("config", "set", "interval", "9s")

    assert code == 11
    assert err.startswith("luma: error: cannot make the folder /proc/self: ")


def test_storing_a_key_says_where_and_what_hides_it(luma: Luma, folder: Path) -> None:
    code, out, err = luma("config", "set", "api_key", "-", stdin=KEY)

    assert (code, out) == (0, "")
    assert err == (
        f"luma: api_key is stored in {folder / 'credentials.toml'}\n"
        "luma: warning: LUMA_API_KEY is set and goes before the stored api_key\n"
    )
    assert (
        luma(
            "config",
            "set",
            "webhook_key",
            "-",
            stdin=KEY,
        ).err.count("\n")
        == 1
    )


def test_without_a_terminal_no_editor_is_started_unless_it_is_named(
    luma: Luma, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("VISUAL", "EDITOR"):
        monkeypatch.delenv(name, raising=False)
    assert luma("config", "edit")[::2] == (
        2,
        f"luma: error: there is no terminal for an editor\nhint: set EDITOR, or edit {folder / 'config.toml'}\n",
    )
    monkeypatch.setenv("EDITOR", "touch")
    assert luma("config", "edit").code == 0


def test_check_looks_at_the_folder_of_the_results(luma: Luma, sandbox: Sandbox, tmp_path: Path) -> None:
    luma("config", "set", "output_dir", str(tmp_path / "out"))
    assert f"output folder\tok\t{tmp_path}/out\n" in luma("config", "check").out
    luma("config", "set", "output_dir", "/proc/self/videos")
    code, out, _ = luma("config", "check")
    assert (code != 0, "output folder\terror\tcannot write in /proc/self" in out) == (True, True)


@posix
@pytest.mark.parametrize("kind", ["folder", "fifo", "/dev/zero"])
def test_what_is_not_a_file_in_the_files_place_is_reported_at_once(luma: Luma, folder: Path, kind: str) -> None:
    folder.mkdir()
    file = folder / "config.toml"
    if kind == "folder":
        file.mkdir()
    elif kind == "fifo":
        os.mkfifo(file)
    else:
        file.symlink_to(kind)
    code, _, err = luma("config", "list")
    assert code == 2
    assert "cannot read" in err


def test_edit_opens_the_file_and_checks_it_afterwards(
    luma: Luma, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = "import sys; open(sys.argv[1], 'w').write({!r})"
    for text, code in (('timeout = "20m"', 0), ('timeut = "20m"', 2)):
        monkeypatch.setenv("EDITOR", f"{sys.executable} -c {json.dumps(script.format(text))}")
        assert luma("config", "edit").code == code
    monkeypatch.setenv("EDITOR", "no-such-editor")
    assert luma("config", "edit").code == 11


def test_list_is_lines_in_a_pipe_and_never_the_key(luma: Luma) -> None:
    code, out, _ = luma("config", "list")
    lines = dict(line.split("\t") for line in out.splitlines())
    assert code == 0
    assert set(lines) == {*settings.SETTINGS, *settings.SECRETS}
    assert lines["api_key"] == f"{KEY[:2]}…{KEY[-2:]} ({len(KEY)} characters)"


@given(st.integers(0, 366 * 86400))
def test_a_duration_that_was_written_is_read_back(seconds: int) -> None:
    assert parse_duration(format_duration(float(seconds))) == seconds


@given(st.text())
def test_any_text_is_a_duration_or_a_usage_error(text: str) -> None:
    try:
        assert 0 <= parse_duration(text) <= 366 * 86400
    except UsageError:
        pass


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("15m", 900), ("1h30m", 5400), ("7d", 604800)])
def test_the_durations_of_the_contract(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@given(st.binary(max_size=300) | st.text(max_size=200).map(str.encode))
@limits(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_content_of_the_file_is_settings_or_a_usage_error(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "config.toml"
    file.write_bytes(content)
    said = str(file)
    try:
        assert set(settings.load_config(file)) <= set(settings.SETTINGS)
    except UsageError as error:
        said = error.message
    assert str(file) in said


# --- the key ---


@pytest.mark.parametrize("trailing", ["", "\n", "\r\n", " \n"])
def test_a_key_is_used_without_what_surrounds_it(
    luma: Luma, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, trailing: str
) -> None:
    monkeypatch.setenv("LUMA_API_KEY", KEY + trailing)
    assert luma("credits").code == 0


@pytest.mark.parametrize(
    ("key", "position"),
    [(f"{KEY[:5]}\n{KEY[5:]}", 6), (f"{KEY}é", 33), ("“key”", 1), ("a\u200bb", 2), ("a b", 2), ("ключ", 1)],
)
def test_a_key_that_cannot_be_sent_names_the_place_and_not_the_key(
    luma: Luma, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, key: str, position: int
) -> None:
    monkeypatch.setenv("LUMA_API_KEY", key)
    code, out, err = luma("modify", CLIP_URL, "-p", "Snow")

    assert (code, out, sandbox.requests) == (4, "", [])
    assert f"LUMA_API_KEY has a forbidden character at position {position}" in err
    assert key not in err


@pytest.mark.parametrize("key", [" ", "x" * 100_000])
def test_a_key_that_is_none_is_refused(luma: Luma, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("LUMA_API_KEY", key)
    assert luma("credits")[:2] == (4, "")
    assert sandbox.requests == []


def test_the_sources_of_the_key_in_their_order(luma: Luma, stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = stored.parent / "key"
    file.write_text("from-the-file-named\n")
    found = []
    for name, value in (
        ("", ""),
        ("config", f"{sys.executable} -c 'print(\"from-the-command\")'"),
        ("LUMA_API_KEY_FILE", str(file)),
        ("KIE_API_KEY", "from-kie-api-key"),
        ("LUMA_API_KEY", "from-luma-api-key"),
    ):
        if name == "config":
            luma("config", "set", "api_key_command", value)
        elif name:
            monkeypatch.setenv(name, value)
        ours = settings.load_settings()
        key = key_store.load_key(ours)
        found.append((key.value, key.origin))
    assert found == [
        (KEY, "credentials.toml"),
        ("from-the-command", "api_key_command"),
        ("from-the-file-named", "LUMA_API_KEY_FILE"),
        ("from-kie-api-key", "KIE_API_KEY"),
        ("from-luma-api-key", "LUMA_API_KEY"),
    ]
    file.unlink()


def test_no_key_says_where_to_get_one(luma: Luma, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LUMA_API_KEY")
    code, _, err = luma("modify", CLIP_URL, "-p", "Snow")
    assert code == 4
    assert "https://kie.ai/api-key" in err


def test_a_stored_key_is_for_its_own_host_only(luma: Luma, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LUMA_API_KEY")
    luma("config", "set", "api_key", "-", stdin=KEY)
    assert luma("credits").code == 0
    with FaultServer([reply(b"{}")]) as other:
        monkeypatch.setenv("LUMA_BASE_URL", other.url("").rstrip("/"))
        code, _, err = luma("credits")
        assert (code, other.connections) == (4, 0)
    assert "belongs to another service address" in err


def test_the_key_is_shown_masked_and_whole_only_on_wish(luma: Luma, stored: Path) -> None:
    masked, whole = (
        luma("config", "get", "api_key").out,
        subprocess.run(
            [sys.executable, "-m", "luma_cli", "config", "get", "api_key", "--reveal"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout,
    )
    assert masked == f"{KEY[:2]}…{KEY[-2:]} ({len(KEY)} characters)\n"
    assert whole == f"{KEY}\n"


@posix
@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o777])
def test_the_key_store_is_private_under_any_umask(folder: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        key_store.save_key(folder, KEY, "https://a.example.com", "https://b.example.com")
    finally:
        os.umask(before)
    assert (mode(folder / "credentials.toml"), mode(folder) & 0o077) == (0o600, 0)


@posix
@pytest.mark.parametrize(("before", "after"), [(0o777, 0o700), (0o775, 0o700), (0o755, 0o755), (0o1777, 0o1777)])
def test_a_folder_that_others_may_write_to_is_tightened_and_no_other(folder: Path, before: int, after: int) -> None:
    folder.mkdir()
    folder.chmod(before)
    key_store.save_key(folder, KEY, "https://a.example.com", "https://b.example.com")

    assert (mode(folder), mode(folder / "credentials.toml")) == (after, 0o600)


@posix
def test_at_no_moment_can_others_read_the_key(folder: Path) -> None:
    """A racing reader looks at every file of the folder while the key is stored again and again."""
    folder.mkdir()
    done, seen = threading.Event(), set()

    def look() -> None:
        while not done.is_set():
            for path in folder.iterdir():
                try:
                    facts = path.stat()
                except FileNotFoundError:
                    continue
                if facts.st_size:
                    seen.add(stat.S_IMODE(facts.st_mode))

    before = os.umask(0)
    reader = threading.Thread(target=look)
    reader.start()
    for _ in range(200):
        key_store.save_key(folder, KEY, "https://a.example.com", "https://b.example.com")
    done.set()
    reader.join()
    os.umask(before)
    assert seen == {0o600}


@posix
def test_a_key_store_that_others_can_read_is_refused_and_fixed_by_storing_again(luma: Luma, stored: Path) -> None:
    stored.chmod(0o644)
    inode = stored.stat().st_ino
    code, _, err = luma("credits")
    assert code == 4
    assert f"chmod 600 {stored}" in err

    again = luma("config", "set", "api_key", "-", stdin=KEY)
    assert (again.code, mode(stored)) == (0, 0o600)
    assert "was readable by others: now 0600" in again.err
    assert stored.stat().st_ino != inode


@posix
def test_a_link_to_ones_own_dotfile_is_followed_and_kept(luma: Luma, folder: Path, tmp_path: Path) -> None:
    folder.mkdir()
    (tmp_path / "dotfile.toml").write_text("# mine\n")
    (folder / "config.toml").symlink_to(tmp_path / "dotfile.toml")
    luma("config", "set", "timeout", "20m")

    assert (folder / "config.toml").is_symlink()
    assert 'timeout = "20m"' in (tmp_path / "dotfile.toml").read_text()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can make another's file")
def test_a_link_to_anothers_file_is_refused(luma: Luma, folder: Path, tmp_path: Path) -> None:
    folder.mkdir()
    victim = tmp_path / "victim"
    victim.write_text("# theirs\n")
    os.chown(victim, 12345, 12345)
    (folder / "config.toml").symlink_to(victim)

    assert luma("config", "set", "timeout", "20m").code == 11
    assert victim.read_text() == "# theirs\n"


def test_a_full_disk_leaves_the_old_content(luma: Luma, folder: Path) -> None:
    luma("config", "set", "timeout", "20m")
    before = (folder / "config.toml").read_bytes()
    program = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "from luma_cli.cli.main import main; import tomlkit;"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4, 4)); sys.exit(main(sys.argv[1:]))"
    )
    words = [sys.executable, "-c", program, "config", "set", "timeout", "25m"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 11, done.stderr
    assert (folder / "config.toml").read_bytes() == before
    assert not list(folder.glob("*.tmp"))


def test_a_crowd_of_changes_ends_with_one_of_them_whole(luma: Luma, folder: Path) -> None:
    words = ("config", "set", "timeout")
    running = [
        processes.Luma(*words, f"{number}m", stderr=subprocess.PIPE, text=True) for number in range(1, CROWD + 1)
    ]
    errors = [process.communicate(timeout=120)[1] for process in running]

    assert errors == [""] * CROWD
    assert luma("config", "get", "timeout").out.strip() in {f"{number}m" for number in range(1, CROWD + 1)}


@posix
def test_a_key_that_is_typed_is_not_echoed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LUMA_API_KEY")
    screen = pyte.Screen(80, 24)
    child = pexpect.spawn(sys.executable, ["-m", "luma_cli", "config", "set", "api_key"], encoding="utf-8", timeout=60)
    child.expect("api_key: ")
    pyte.Stream(screen).feed(child.before + child.after)
    child.sendline(KEY)
    child.expect(pexpect.EOF)
    pyte.Stream(screen).feed(child.before)
    child.close()

    assert child.exitstatus == 0
    assert KEY not in "\n".join(screen.display)
    assert KEY in (folder / "credentials.toml").read_text()


# --- the place ---


@pytest.mark.parametrize("base", ["relative", "", "~/x"])
def test_an_xdg_folder_that_is_not_absolute_is_ignored(
    luma: Luma, home: Path, monkeypatch: pytest.MonkeyPatch, base: str
) -> None:
    monkeypatch.delenv("LUMA_CONFIG_DIR")
    monkeypatch.setenv("XDG_CONFIG_HOME", base)
    assert luma("config", "path").out.strip() == str(home / ".config" / "kie-luma" / "config.toml")


HOMELESS = """
import os, sys
os.environ.pop("HOME", None)
os.setgid(12345); os.setuid(12345)
from luma_cli.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


@posix
@pytest.mark.parametrize("name", ["my home", "new\nline", "quo'te"])
def test_a_home_of_any_name_will_do(
    luma: Luma, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for variable in ("LUMA_CONFIG_DIR", "LUMA_STATE_DIR"):
        monkeypatch.delenv(variable)
    (tmp_path / name).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / name))

    assert luma("config", "set", "interval", "9s").code == 0
    assert luma("modify", CLIP_URL, "-p", "Heavy snow", "-o", "a.mp4").code == 0
    assert "\n" not in luma("config", "path").out.rstrip("\n")
    assert list((tmp_path / name).rglob("tasks.db"))


@posix
@pytest.mark.parametrize("place", ["/proc", "/proc/self/none"])
def test_a_home_that_takes_no_file_spends_nothing(
    luma: Luma, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.delenv("LUMA_STATE_DIR")
    monkeypatch.setenv("HOME", place)
    code, out, err = luma("modify", CLIP_URL, "-p", "Heavy snow")

    assert (code, out, sandbox.submissions()) == (11, "", [])
    assert "LUMA_JOURNAL=off" in err


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can become nobody")
def test_without_a_home_nothing_is_spent_unless_the_journal_is_off(sandbox: Sandbox) -> None:
    environment = {
        name: value for name, value in os.environ.items() if name not in ("LUMA_CONFIG_DIR", "LUMA_STATE_DIR")
    }
    words = [sys.executable, "-c", HOMELESS, "modify", CLIP_URL, "-p", "Snow"]
    results = [
        subprocess.run(
            words, env={**environment, **more}, capture_output=True, text=True, timeout=60, check=False, cwd="/"
        )
        for more in ({}, {"LUMA_JOURNAL": "off"})
    ]
    if "ModuleNotFoundError" in results[0].stderr or "Permission" in results[0].stderr:
        pytest.skip("this checkout cannot be read by others")
    assert [result.returncode for result in results] == [11, 0], results
    assert "LUMA_JOURNAL=off" in results[0].stderr
    assert len(sandbox.submissions()) == 1


def test_check_looks_at_everything(luma: Luma, sandbox: Sandbox) -> None:
    code, out, _ = luma("config", "check", "--json")
    verdicts = {json.loads(line)["check"]: json.loads(line)["verdict"] for line in out.splitlines()}

    assert code == 0
    assert {"settings", "key", "journal", "config folder", "clock", "versions"} <= set(verdicts)
    assert {verdicts[name] for name in ("settings", "key", "journal", "clock")} == {"ok"}


@pytest.mark.usefixtures("no_pauses")
@pytest.mark.parametrize(("scenario", "code"), [("bad-key", 4), ("http-200-401", 4), ("maintenance", 7)])
def test_check_ends_with_what_is_wrong(luma: Luma, sandbox: Sandbox, scenario: str, code: int) -> None:
    sandbox.scenario = scenario
    assert luma("config", "check").code == code


def test_a_missing_ca_file_is_reported_before_anything_is_sent(
    luma: Luma, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/none.pem")
    code, _, err = luma("modify", CLIP_URL, "-p", "Snow")
    assert (code, sandbox.requests) == (2, [])
    assert "/none.pem" in err


def test_keys_that_are_logged_by_tls_are_warned_of_once(
    luma: Luma, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSLKEYLOGFILE", "/tmp/none/keys")
    assert luma("credits").err.count("luma: warning: SSLKEYLOGFILE") == 1


@pytest.mark.parametrize("words", [["-W", "error"], ["-OO"], ["-I"]], ids=" ".join)
def test_python_may_be_strict(sandbox: Sandbox, words: list[str]) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in ("LANG", "LC_ALL")}
    command = [sys.executable, *words, "-m", "luma_cli", "modify", CLIP_URL, "-p", "Snow", "-w"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


@given(st.text())
def test_any_text_is_a_key_that_can_be_sent_or_refused_without_naming_it(text: str) -> None:
    said = ""
    try:
        key = key_store.clean(text, "the key")
        assert key.isascii()
        assert " " not in key
    except KeyRejected as error:
        said = error.message
    assert len(text.strip()) < 4 or text.strip() not in said


@given(st.text(min_size=1, max_size=60))
def test_a_mask_never_gives_a_key_away(text: str) -> None:
    shown = key_store.Key(text, "a test").masked
    assert text not in shown or text in "…() characters0123456789"


def test_a_file_is_never_read_beyond_its_bounds(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"#" * (toml_files.MAX_BYTES + 1))
    with pytest.raises(UsageError, match="larger than 64 KiB"):
        toml_files.load_toml(tmp_path / "a")


@posix
def test_a_key_that_cannot_be_used_is_not_listed_as_missing(luma: Luma, stored: Path) -> None:
    stored.chmod(0o644)
    code, out, err = luma("config", "list")

    assert code == 0
    assert "api_key\t\n" in out
    assert f"luma: warning: api_key cannot be used: {stored} can be read by others" in err


@posix
@pytest.mark.parametrize("name", ["api_key", "webhook_key"])
def test_a_key_that_is_not_text_is_named(luma: Luma, stored: Path, name: str) -> None:
    stored.write_text(f"{name} = 123456789\n")
    assert luma("config", "get", name)[::2] == (
        4,
        f"luma: error: {name} in credentials.toml is not text\nhint: luma config set {name}\n",
    )


@posix
def test_check_asks_a_command_for_the_key_once(
    luma: Luma, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "key"
    script.write_text(f"#!/bin/sh\necho x >> {tmp_path}/asked; echo {KEY}\n")
    script.chmod(0o700)
    monkeypatch.delenv("LUMA_API_KEY")
    luma("config", "set", "api_key_command", script)
    for name in ("base_url", "upload_url"):
        luma("config", "set", name, sandbox.url)

    assert luma("config", "check").code == 0
    assert (tmp_path / "asked").read_text() == "x\n"


def test_another_package_of_our_name_is_reported(
    luma: Luma, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "another package of this name" not in luma("config", "check").out
    (tmp_path / "luma_cli").mkdir()
    (tmp_path / "luma_cli" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)

    assert f"another package of this name: {tmp_path}/luma_cli" in luma("config", "check").out


def test_a_fresh_machine_is_warned_of_nothing(luma: Luma, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LUMA_API_KEY")
    assert luma("config", "list")[::2] == (0, "")


def test_the_webhook_key_can_be_stored_whatever_the_settings_hold(luma: Luma, folder: Path) -> None:
    folder.mkdir()
    (folder / "config.toml").write_text("timout = '5m'\n")
    assert luma("config", "set", "webhook_key", "-", stdin=KEY).code == 0


def test_a_secret_in_the_settings_is_taken_out_there_and_not_from_its_own_file(
    luma: Luma, stored: Path, folder: Path
) -> None:
    (folder / "config.toml").write_text("interval = '9s'\napi_key = 'by mistake'\n")
    code, _, err = luma("credits")

    assert (code, "hint: take it out there, then: luma config set api_key\n" in err) == (2, True)
    assert luma("config", "unset", "api_key").code == 0
    assert (folder / "config.toml").read_text() == "interval = '9s'\n"
    assert KEY in stored.read_text()


# --- prompts by name, models, money ---


def test_a_prompt_is_kept_by_name_listed_and_removed(luma: Luma, folder: Path) -> None:
    assert luma("config", "set", "prompt.snow", "Heavy snow falls at night").code == 0
    assert luma("config", "set", "prompt.rain-2", "-", stdin="Heavy rain\n").code == 0
    assert luma("config", "set", "timeout", "20m").code == 0

    assert luma("config", "get", "prompt.snow").out == "Heavy snow falls at night\n"
    assert "prompt.rain-2\tHeavy rain\n" in luma("config", "list").out
    assert settings.load_settings().timeout == 1200
    for name in ("snow", "rain-2"):
        assert luma("config", "unset", f"prompt.{name}").code == 0
    assert (folder / "config.toml").read_text().split() == ["timeout", "=", '"20m"']


@pytest.mark.parametrize(
    "text",
    ['prompt.snow = "Snow"\n', '[prompt]\nsnow = "Snow"\n', 'prompt = { snow = "Snow" }\n', '"prompt".snow="Snow"'],
)
def test_a_prompt_is_read_in_every_form_of_toml_and_can_be_changed(luma: Luma, folder: Path, text: str) -> None:
    folder.mkdir()
    (folder / "config.toml").write_text(text)
    assert luma("config", "get", "prompt.snow").out == "Snow\n"
    assert luma("config", "set", "prompt.snow", "More snow").code == 0
    assert luma("config", "set", "prompt.rain", "Rain").code == 0
    assert settings.load_settings().prompts == {"snow": "More snow", "rain": "Rain"}


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["set", "prompt", "Snow"], "does not name a prompt"),
        (["set", "prompt.", "Snow"], "does not name a prompt"),
        (["set", "prompt.a b", "Snow"], "does not name a prompt"),
        (["set", "prompt.snow", " "], "not a usable prompt"),
        (["get", "promt.snow"], "did you mean prompt.NAME?"),
        (["set", "model", "lumma"], "did you mean luma? See luma help models"),
        (["set", "daily_credits", "many"], "is not an amount of credits"),
        (["set", "daily_credits", "--", "-5"], "is not an amount of credits"),
        (["set", "recipe", "perhaps"], "is neither on nor off"),
        (["set", "audio", ""], "audio is empty"),
    ],
)
def test_what_a_new_setting_cannot_hold_is_refused(luma: Luma, folder: Path, words: list[str], what: str) -> None:
    code, out, err = luma("config", *words)
    assert (code, out) == (2, "")
    assert what in err
    assert not list(folder.glob("*.toml"))


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ('timeout = "5m"\n[prompt]\n\nsnow = 3.5\n', " line 4: prompt.snow must be text"),
        ('[prompt]\n"a b" = "x"\n', " line 2: 'prompt.a b' does not name a prompt"),
        ("\nprompt.snow = ''\n", " line 2: prompt.snow: not a usable prompt"),
        ("prompt = 'x'\n", " line 1: 'prompt' does not name a prompt"),
        ("daily_credits = true\n", " line 1: daily_credits must be text"),
        ("\nmodel = 'none'\n", " line 2: model: there is no model 'none'"),
    ],
)
def test_a_fault_in_a_new_setting_names_its_line(luma: Luma, folder: Path, content: str, what: str) -> None:
    folder.mkdir()
    (folder / "config.toml").write_text(content)
    code, _, err = luma("config", "list")
    assert (code, f"{folder}/config.toml{what}" in err) == (2, True), err


def test_numbers_and_switches_may_be_written_as_toml_has_them(folder: Path) -> None:
    folder.mkdir()
    (folder / "config.toml").write_text("daily_credits = 12.5\nrecipe = true\n")
    ours = settings.load_settings()
    assert (ours.daily_credits, ours.recipe, ours.text("daily_credits"), ours.text("recipe")) == (
        12.5,
        True,
        "12.5",
        "on",
    )


def test_variables_come_before_the_file(luma: Luma, monkeypatch: pytest.MonkeyPatch) -> None:
    luma("config", "set", "daily_credits", "100")
    monkeypatch.setenv("LUMA_DAILY_CREDITS", "200")
    monkeypatch.setenv("LUMA_MODEL", "luma")
    ours = settings.load_settings()
    assert (ours.daily_credits, ours.origins["daily_credits"]) == (200.0, "LUMA_DAILY_CREDITS")
    monkeypatch.setenv("LUMA_MODEL", "none")
    with pytest.raises(UsageError, match="LUMA_MODEL: there is no model 'none'"):
        settings.load_settings()


@pytest.mark.parametrize(
    ("typed", "prompt"), [("@snow", "Heavy snow"), ("@@snow", "@snow"), ("Snow", "Snow"), ("a @snow", "a @snow")]
)
def test_a_prompt_is_named_with_an_at_sign(luma: Luma, typed: str, prompt: str) -> None:
    luma("config", "set", "prompt.snow", "Heavy snow")
    assert settings.load_settings().prompt(typed) == prompt


@pytest.mark.parametrize(("typed", "hint"), [("@snwo", "@snow"), ("@", "@@"), ("@home is here", "@@"), ("@x", "@@")])
def test_a_name_under_which_no_prompt_is_kept_is_an_error(luma: Luma, typed: str, hint: str) -> None:
    luma("config", "set", "prompt.snow", "Heavy snow")
    with pytest.raises(UsageError) as caught:
        settings.load_settings().prompt(typed)
    assert hint in str(caught.value.hint)
