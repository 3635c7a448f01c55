"""`luma config check` says what is wrong and what to do, also when what it reports on is broken."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipapp
from collections.abc import Callable
from pathlib import Path

import pytest

from luma_cli.cli import installation
from luma_cli.sandbox import Sandbox
from support.commands import CLIP_URL, KEY, ROOT, Result
from support.fault_server import FaultServer, reply

Luma = Callable[..., Result]
CHECKS = ["versions", "libraries", "current folder", "settings", "config folder", "output folder", "journal"]
CHECKS += ["certificates", "proxy", "ffmpeg", "key", "clock"]


def rows(out: str) -> dict[str, tuple[str, str]]:
    found = (line.split("\t") for line in out.splitlines())
    return {name: (verdict, text) for name, verdict, text in found}


def test_everything_is_looked_at(luma: Luma, sandbox: Sandbox) -> None:
    found = rows(luma("config", "check").out)
    assert [name for name in CHECKS if name not in found] == []
    assert found["key"][0] == "ok"
    assert re.fullmatch(r"from LUMA_API_KEY, accepted; \d+ credits", found["key"][1])


def test_a_broken_settings_file_is_named_with_its_line_and_the_rest_is_looked_at(
    luma: Luma, sandbox: Sandbox, home: Path
) -> None:
    (home / "config").mkdir()
    (home / "config" / "config.toml").write_text("# mine\ntimout = '5m'\n")
    code, out, err = luma("config", "check")
    found = rows(out)
    fault = f"{home}/config/config.toml line 2: unknown setting 'timout'"
    assert code == 2
    assert found["settings"] == ("error", f"{fault}; fix: did you mean timeout?")
    assert found["journal"][0] == "ok"
    assert f"luma: error: {fault}" in err
    assert out.count("fix: did you mean") == 1


def test_a_damaged_journal_is_named_with_the_way_on(luma: Luma, sandbox: Sandbox, home: Path) -> None:
    (home / "state").mkdir()
    (home / "state" / "tasks.db").write_bytes(b"no journal at all" * 100)
    code, out, _ = luma("config", "check")
    assert (code, rows(out)["journal"][0]) == (11, "error")
    assert "luma tasks recover" in rows(out)["journal"][1]
    assert rows(out)["key"][0] == "ok"


@pytest.mark.parametrize("scenario", ["bad-key", "http-200-401"])
def test_a_refused_key_says_where_it_came_from(luma: Luma, sandbox: Sandbox, scenario: str) -> None:
    sandbox.scenario = scenario
    code, out, _ = luma("config", "check")
    assert (code, rows(out)["key"][0]) == (4, "error")
    assert "(the key from LUMA_API_KEY)" in rows(out)["key"][1]


def test_no_key_is_an_error_with_a_fix_and_stops_nothing_else(luma: Luma, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LUMA_API_KEY")
    code, out, _ = luma("config", "check")
    assert code == 4
    assert "fix: make a key at https://kie.ai/api-key" in rows(out)["key"][1]
    assert rows(out)["versions"][0] == "ok"


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"])
def test_an_unusable_bundle_is_named(luma: Luma, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    (tmp_path / "ca.pem").touch()
    monkeypatch.setenv(name, str(tmp_path / "ca.pem"))
    code, out, _ = luma("config", "check")
    assert (code, rows(out)["certificates"][0]) == (2, "error")
    assert f"{name}: {tmp_path}/ca.pem holds no certificates" in rows(out)["certificates"][1]


def test_a_proxy_is_named_without_its_password(luma: Luma, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LUMA_API_KEY")
    monkeypatch.setenv("HTTPS_PROXY", "http://me:secret@proxy.example.net:3128")
    out = luma("config", "check").out
    assert "https://api.kie.ai through proxy.example.net:3128" in rows(out)["proxy"][1]
    assert "secret" not in out


def test_the_output_folder_is_judged_where_files_will_be_saved(
    luma: Luma, sandbox: Sandbox, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    luma("config", "set", "output_dir", "~/Videos")
    assert rows(luma("config", "check").out)["output folder"] == ("ok", f"{home}/Videos")
    (home / "Videos").write_text("a file")
    assert rows(luma("config", "check").out)["output folder"][0] == "error"


def test_without_ffmpeg_the_way_to_it_is_named(
    luma: Luma, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "modules", {**sys.modules, "imageio_ffmpeg": None})
    verdict, text = rows(luma("config", "check").out)["ffmpeg"]
    assert verdict == "warning"
    assert "kie-luma[ffmpeg]" in text


@pytest.mark.usefixtures("no_pauses")
def test_the_ffmpeg_that_is_named_is_judged(luma: Luma, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUMA_FFMPEG", "/none/ffmpeg")
    found = rows(luma("config", "check").out)["ffmpeg"]
    assert (found[0], "LUMA_FFMPEG is /none/ffmpeg" in found[1]) == ("error", True)

    (home / "ffmpeg").write_text("#!/bin/sh\n[ \"$1\" = -version ] && echo 'ffmpeg version 3.0 of mine'\n")
    (home / "ffmpeg").chmod(0o755)
    monkeypatch.setenv("LUMA_FFMPEG", "~/ffmpeg")
    found = rows(luma("config", "check").out)["ffmpeg"]
    assert found[0] == "warning"
    assert found[1].startswith(f"{home}/ffmpeg 3.0 lacks ")


def test_a_clock_that_is_wrong_is_a_warning(luma: Luma, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = reply(b'{"code": 200, "msg": "success", "data": 80.0}', date="Fri, 01 Jan 2021 00:00:00 GMT")
    with FaultServer([answer]) as server:
        monkeypatch.setenv("LUMA_BASE_URL", server.url("").rstrip("/"))
        verdict, text = rows(luma("config", "check").out)["clock"]
    assert (verdict, "differs from the service's by" in text, "fix: set" in text) == ("warning", True, True)


@pytest.mark.skipif(os.name != "posix", reason="a folder in use cannot be removed here")
def test_a_missing_current_folder_is_named(sandbox: Sandbox, tmp_path: Path) -> None:
    script = f'mkdir gone; cd gone; rmdir ../gone; exec "{sys.executable}" -m luma_cli config check'
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["sh", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert "Traceback" not in done.stderr
    assert rows(done.stdout)["current folder"] == (
        "error",
        "the current folder does not exist any more; fix: cd to another one",
    )
    assert rows(done.stdout)["key"][0] == "ok"


def test_an_old_library_that_comes_first_is_named(run: Callable[..., Result], sandbox: Sandbox, tmp_path: Path) -> None:
    old = tmp_path / "old" / "urllib3"
    old.mkdir(parents=True)
    (old / "__init__.py").write_text('__version__ = "1.25.3"\n')
    code, out, err = run("config", "check", PYTHONPATH=f"{tmp_path}/old")
    assert "Traceback" not in err
    assert code != 0
    assert f"urllib3 1.25.3 in {tmp_path}/old" in out + err
    assert f"take {tmp_path}/old out of PYTHONPATH" in out + err


def test_a_zip_file_is_named(tmp_path: Path, sandbox: Sandbox) -> None:
    shutil.copytree(ROOT / "luma_cli", tmp_path / "app" / "luma_cli", ignore=shutil.ignore_patterns("__pycache__"))
    zipapp.create_archive(tmp_path / "app", tmp_path / "luma.pyz", main="luma_cli.__main__:run")
    done = subprocess.run(
        [sys.executable, tmp_path / "luma.pyz", "config", "check"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=tmp_path,
    )
    assert "Traceback" not in done.stderr
    assert f"luma runs from {tmp_path}/luma.pyz" in rows(done.stdout)["zip file"][1]


@pytest.mark.parametrize(
    ("version", "lowest", "usable"),
    [("2.3.0", "2.3", True), ("2.10", "2.9", True), ("1.26.20", "2.3", False), (None, "2.3", False)],
)
def test_versions_are_compared_as_numbers(version: str | None, lowest: str, usable: bool) -> None:
    assert installation.Library("urllib3", version, lowest, "/x").is_usable is usable


def test_a_failed_import_without_a_faulty_library_says_to_install_again() -> None:
    error = installation.explain(ImportError("no name x in y"))
    assert "no name x in y" in error.message


def test_a_finding_never_shows_the_key(luma: Luma, sandbox: Sandbox) -> None:
    luma("modify", CLIP_URL, "-p", "Snow")
    assert KEY not in luma("config", "check", "--json").out


def test_the_lowest_versions_are_those_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = dict(re.match(r"([a-z0-9-]+)[^>]*>=([0-9.]+)", line).groups() for line in project["dependencies"])
    assert declared == installation.LIBRARIES
