"""Transfers against curl in the same run: time, CPU and memory; exits 1 when a budget is exceeded.

    python tests/benchmarks/transfer.py [MIB]

`luma download` checks the length and the container, hashes, syncs and renames; curl is given the same to do.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from luma_cli.sandbox import Sandbox

LUMA = [sys.executable, "-m", "luma_cli"]
ROUNDS = 3
MAX_MEMORY = 60 << 20
CLIP = Path(__file__).parents[1] / "data" / "street.mp4"


class Cost(NamedTuple):
    seconds: float
    cpu: float
    memory: int


def make_video(path: Path, size: int) -> None:
    """A playable clip with a box of padding: random, so that no file system saves itself the work."""
    with path.open("wb") as file:
        file.write(CLIP.read_bytes())
        file.write((size - CLIP.stat().st_size).to_bytes(4, "big") + b"free")
        while (left := size - file.tell()) > 0:
            file.write(os.urandom(min(left, 1 << 20)))


def cost(command: list[str], environment: dict[str, str]) -> Cost:
    """What a command took. It runs below a process of its own, since the peak of memory is kept per process."""
    program = (
        "import resource, subprocess, sys, time\n"
        "started = time.perf_counter()\n"
        "code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode\n"
        "used = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "print(code, time.perf_counter() - started, used.ru_utime + used.ru_stime, used.ru_maxrss)\n"
    )
    words = [sys.executable, "-c", program, *command]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    code, seconds, cpu, memory = done.stdout.split()
    if code != "0":
        raise SystemExit(f"{' '.join(command)} exited {code}")
    return Cost(float(seconds), float(cpu), int(memory) * 1024)


def best(runs: list[Cost]) -> Cost:
    return Cost(min(each.seconds for each in runs), min(each.cpu for each in runs), max(each.memory for each in runs))


def nginx(folder: Path) -> tuple[subprocess.Popen[bytes], str]:
    """A file server on loopback."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "nginx.conf").write_text(
        f"daemon off; pid {folder}/pid; error_log {folder}/error.log; worker_processes 1; user root;\n"
        "events {}\n"
        f"http {{ access_log off; sendfile on; server {{ listen 127.0.0.1:{port}; root {folder}; }} }}\n"
    )
    server = subprocess.Popen(["nginx", "-p", folder, "-c", folder / "nginx.conf"], stderr=subprocess.DEVNULL)
    while True:  # until it listens
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
            return server, f"http://127.0.0.1:{port}"
        except ConnectionRefusedError:
            if server.poll() is not None:
                raise SystemExit("nginx does not start") from None
            time.sleep(0.01)


def main(mib: int) -> int:
    """Print the table; the exit code."""
    if not shutil.which("nginx") or not shutil.which("curl"):
        print("nginx or curl is not installed: nothing to compare with")
        return 0
    with tempfile.TemporaryDirectory() as name, Sandbox(duration=0, api_key="benchmark-key") as sandbox:
        folder = Path(name)
        make_video(folder / "source.mp4", mib << 20)
        environment = {**os.environ, "LUMA_CONFIG_DIR": name, "LUMA_STATE_DIR": name, "LUMA_API_KEY": "benchmark-key"}
        environment |= {"LUMA_BASE_URL": sandbox.url, "LUMA_UPLOAD_URL": sandbox.url}
        server, url = nginx(folder)
        try:
            return _compare(folder, f"{url}/source.mp4", sandbox.url, environment)
        finally:
            server.terminate()
            server.wait()


def _compare(folder: Path, link: str, sandbox: str, environment: dict[str, str]) -> int:
    ours, theirs, up, their_up = [], [], [], []
    out, source = folder / "out.mp4", folder / "source.mp4"
    script = 'curl -s -o "$1" "$2" && sync "$1" && sha256sum "$1"'
    form = ["curl", "-s", "-H", "Authorization: Bearer benchmark-key", "-F", "uploadPath=a", "-F", f"file=@{source}"]
    for _ in range(ROUNDS):
        out.unlink(missing_ok=True)
        ours.append(cost([*LUMA, "download", link, "-q", "-o", str(out)], environment))
        out.unlink()
        theirs.append(cost(["sh", "-c", script, "sh", str(out), link], environment))
        up.append(cost([*LUMA, "upload", "-q", str(source)], environment))
        their_up.append(cost([*form, f"{sandbox}/api/file-stream-upload"], environment))
    rows = [("luma download", best(ours)), ("curl, sync, sha256sum", best(theirs))]
    rows += [("luma upload", best(up)), ("curl -F", best(their_up))]
    print(f"{'command':28}{'s':>8}{'CPU s':>8}{'MiB':>8}")
    for label, found in rows:
        print(f"{label:28}{found.seconds:8.2f}{found.cpu:8.2f}{found.memory / (1 << 20):8.1f}")
    (_, mine), (_, other), (_, sent), _ = rows
    print(f"download: time {mine.seconds / other.seconds:.2f} (budget 1), CPU {mine.cpu / other.cpu:.2f} (budget 1.2)")
    fine = mine.seconds <= other.seconds and mine.cpu <= 1.2 * other.cpu
    return 0 if fine and max(mine.memory, sent.memory) < MAX_MEMORY else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 512))
