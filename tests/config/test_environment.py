"""What variables say, and what a `~` in a path means."""

from collections.abc import Callable
from pathlib import Path

import pytest

from luma_cli.config import environment, folders
from luma_cli.config.settings import load_settings
from luma_cli.errors import UsageError
from luma_cli.sandbox import Sandbox
from support.commands import CLIP_URL, KEY, Result

Luma = Callable[..., Result]


@pytest.mark.parametrize(("text", "is_on"), [("0", False), ("off", False), ("No", False), ("1", True), ("on", True)])
def test_switches_are_read_alike(monkeypatch: pytest.MonkeyPatch, text: str, is_on: bool) -> None:
    for name in ("LUMA_JOURNAL", "LUMA_OSC", "LUMA_DEBUG"):
        monkeypatch.setenv(name, text + "\r")
        assert environment.is_on(name, default=not is_on) is is_on
    assert environment.debug_is_on() is is_on


def test_a_switch_that_says_neither_is_named(luma: Luma, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUMA_JOURNAL", "perhaps")
    code, _, err = luma("modify", CLIP_URL, "-p", "Snow")
    assert (code, "LUMA_JOURNAL: 'perhaps' is neither on nor off" in err) == (2, True)


def test_what_follows_a_tilde_is_in_the_home_folder(
    luma: Luma, sandbox: Sandbox, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / ".key").write_text(f"{KEY}\n")
    (home / "luma" / "out").mkdir(parents=True)
    (home / "luma" / "config.toml").write_text(
        f'output_dir = "~/luma/out"\nbase_url = "{sandbox.url}"\nupload_url = "{sandbox.url}"\n'
    )
    for name in ("LUMA_API_KEY", "LUMA_BASE_URL", "LUMA_UPLOAD_URL"):
        monkeypatch.delenv(name)
    for name, path in {
        "LUMA_STATE_DIR": "~/luma/state",
        "LUMA_CONFIG_DIR": "~/luma",
        "LUMA_API_KEY_FILE": "~/.key",
    }.items():
        monkeypatch.setenv(name, path)
    code, task_id, err = luma("modify", CLIP_URL, "-p", "Snow")
    assert code == 0, err
    assert luma("download", task_id.strip()).code == 0

    assert (home / "luma" / "state" / "tasks.db").exists()
    assert list((home / "luma" / "out").glob("*.mp4"))
    assert not list(Path().glob("~*"))
    (home / ".key").unlink()


def test_settings_hold_paths_without_a_tilde(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "config").mkdir()
    (home / "config" / "config.toml").write_text('audio = "~/rain.wav"\n')
    monkeypatch.setenv("LUMA_OUTPUT_DIR", "~/Videos")
    monkeypatch.setenv("LUMA_FFMPEG", "~/bin/ffmpeg")
    ours = load_settings()
    assert (ours.audio, ours.output_dir, ours.ffmpeg) == (
        f"{home}/rain.wav",
        f"{home}/Videos",
        f"{home}/bin/ffmpeg",
    )


@pytest.mark.parametrize("path", ["a~b", "./~/x", "no-such-user-of-this-name", "~no-such-user-of-this-name/x"])
def test_a_tilde_that_is_part_of_a_name_stays(path: str) -> None:
    assert folders.expanded(path) == path


@pytest.mark.parametrize("value", ["", "relative"])
def test_without_a_usable_home_a_tilde_is_an_error_and_no_folder(
    luma: Luma, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("HOME", value)
    with pytest.raises(UsageError, match="there is no home folder for ~/x"):
        environment.expand_home("~/x")
    monkeypatch.setenv("LUMA_STATE_DIR", "~/x")
    assert luma("modify", CLIP_URL, "-p", "Snow").code == 11
    assert not Path("~").exists()
