"""The names of codecs are a data file."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from support.commands import CLIP, ROOT


def test_they_are_read_out_of_a_zip_file_too(tmp_path: Path) -> None:
    archive = shutil.make_archive(str(tmp_path / "luma"), "zip", ROOT, "luma_cli")
    probe = "import sys; from luma_cli.video import headers; print(headers.probe_file(headers.Path(sys.argv[1])).codec)"
    done = subprocess.run(
        [sys.executable, "-c", probe, CLIP],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": archive},
    )
    assert (done.stdout, done.stderr) == ("h264\n", "")
