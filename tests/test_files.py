import errno
import logging
import os
import re
import socket
import stat
import subprocess
import sys
import threading

import pytest

from luma_cli import files
from luma_cli.errors import FileError
from luma_cli.files import Lock, publish, save_whole, sync_file, sync_folder

UNSUPPORTED = [errno.EPERM, errno.EACCES, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EINVAL, errno.EXDEV]
UNSUPPORTED += [errno.ENOTTY, errno.EPROTO]
FAILED = [errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.ESTALE, errno.ENOTCONN]


def failing(number):
    def call(*_args, **_options):
        raise OSError(number, os.strerror(number))

    return call


def names(folder):
    return sorted(path.name for path in folder.iterdir())


# Whole files


def test_a_file_is_saved_whole_and_nothing_else_is_left(tmp_path):
    save_whole(b"page", tmp_path / "a", overwrite=False)
    save_whole(b"new page", tmp_path / "a", overwrite=True)

    assert (tmp_path / "a").read_bytes() == b"new page"
    assert names(tmp_path) == ["a"]


def test_a_name_that_is_taken_is_refused_and_its_file_left_alone(tmp_path):
    (tmp_path / "a").write_bytes(b"mine")
    with pytest.raises(FileError, match="exists"):
        save_whole(b"page", tmp_path / "a", overwrite=False)

    assert (tmp_path / "a").read_bytes() == b"mine"
    assert names(tmp_path) == ["a"]


@pytest.mark.parametrize(("mode", "umask", "expected"), [(0o666, 0o022, 0o644), (0o600, 0, 0o600)])
def test_a_file_has_its_mode_from_birth(tmp_path, mode, umask, expected):
    before = os.umask(umask)
    try:
        save_whole(b"page", tmp_path / "a", overwrite=False, mode=mode)
    finally:
        os.umask(before)

    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == expected


def test_a_folder_that_is_missing_is_a_file_error(tmp_path):
    with pytest.raises(FileError, match="cannot save"):
        save_whole(b"page", tmp_path / "no" / "a", overwrite=False)


@pytest.mark.parametrize("number", UNSUPPORTED, ids=errno.errorcode.get)
def test_a_file_system_without_hard_links_still_overwrites_nothing(tmp_path, monkeypatch, number):
    monkeypatch.setattr(files.os, "link", failing(number))  # file systems that answer so need root or a phone
    save_whole(b"page", tmp_path / "a", overwrite=False)
    with pytest.raises(FileError, match="exists"):
        save_whole(b"other", tmp_path / "a", overwrite=False)

    assert (tmp_path / "a").read_bytes() == b"page"
    assert names(tmp_path) == ["a"]


@pytest.mark.parametrize("number", FAILED, ids=errno.errorcode.get)
def test_a_disk_that_fails_to_link_is_an_error(tmp_path, monkeypatch, number):
    monkeypatch.setattr(files.os, "link", failing(number))
    with pytest.raises(FileError):
        save_whole(b"page", tmp_path / "a", overwrite=False)

    assert names(tmp_path) == []


def test_a_claimed_name_is_given_back_if_the_rename_fails(tmp_path, monkeypatch):
    (tmp_path / "part").write_bytes(b"page")
    monkeypatch.setattr(files.os, "link", failing(errno.EACCES))
    monkeypatch.setattr(files.os, "replace", failing(errno.EIO))
    with pytest.raises(OSError, match="Input/output"):
        publish(tmp_path / "part", tmp_path / "a", overwrite=False)

    assert names(tmp_path) == ["part"]


@pytest.mark.parametrize("number", UNSUPPORTED, ids=errno.errorcode.get)
def test_fsync_that_is_not_supported_is_a_fact_and_no_error(tmp_path, monkeypatch, number):
    monkeypatch.setattr(files.os, "fsync", failing(number))

    assert not sync_folder(tmp_path)
    save_whole(b"page", tmp_path / "a", overwrite=False)
    assert (tmp_path / "a").read_bytes() == b"page"


@pytest.mark.parametrize("number", FAILED, ids=errno.errorcode.get)
def test_fsync_that_fails_is_an_error(tmp_path, monkeypatch, number):
    monkeypatch.setattr(files.os, "fsync", failing(number))

    with pytest.raises(OSError, match=re.escape(os.strerror(number))):
        sync_folder(tmp_path)
    with pytest.raises(FileError):
        save_whole(b"page", tmp_path / "a", overwrite=False)
    assert names(tmp_path) == []


def test_what_is_not_a_file_at_all_cannot_be_synced():
    reader, writer = os.pipe()
    try:
        assert not sync_file(writer)  # EINVAL from the kernel itself
    finally:
        os.close(reader)
        os.close(writer)


# Files of ours


as_root = pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can give files away")


@as_root
def test_a_file_of_another_user_is_not_ours(tmp_path):
    (tmp_path / "a").write_bytes(b"theirs")
    os.chown(tmp_path / "a", 12345, 12345)

    with pytest.raises(FileError, match="belongs to another user"):
        files.open_ours(tmp_path / "a", 0o600)
    assert (tmp_path / "a").read_bytes() == b"theirs"


def test_where_every_file_has_one_owner_that_is_how_ours_look(tmp_path, monkeypatch):
    """vfat, exFAT and some network mounts show the owner that the mount names."""
    (tmp_path / "a").write_bytes(b"ours")
    monkeypatch.setattr(files.os, "geteuid", lambda: os.getuid() + 1)

    os.close(files.open_ours(tmp_path / "a", 0o600))


def test_a_file_that_more_may_write_to_than_to_a_new_one_is_not_private(tmp_path):
    before = os.umask(0o022)
    try:
        (tmp_path / "a").touch()
        assert files.is_private((tmp_path / "a").stat(), tmp_path)
        (tmp_path / "a").chmod(0o664)
        assert not files.is_private((tmp_path / "a").stat(), tmp_path)
        os.umask(0o002)
        assert files.is_private((tmp_path / "a").stat(), tmp_path)
    finally:
        os.umask(before)


def test_what_a_new_file_looks_like_leaves_none_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_nameless", lambda _folder: None)

    assert files.new_file_facts(tmp_path).st_uid == os.geteuid()
    assert names(tmp_path) == []


# Locks


class Clock:
    """Time that passes only while someone sleeps."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        assert seconds >= 0
        self.now += max(seconds, 0.01)


def clocked(path):
    clock = Clock()
    return Lock(path, clock=clock, sleep=clock.sleep), clock


def test_a_free_lock_is_taken_at_once_and_leaves_nothing(tmp_path):
    lock, clock = clocked(tmp_path / "x.lock")
    assert lock.acquire()
    assert lock.is_held
    lock.release()

    assert (lock.is_held, clock.now, names(tmp_path)) == (False, 100.0, [])


def test_a_held_lock_is_reported_once_after_3_seconds_and_waited_for_until_the_deadline(tmp_path):
    first = Lock(tmp_path / "x.lock")
    first.acquire()
    lock, clock = clocked(tmp_path / "x.lock")
    reports = []
    with pytest.raises(FileError) as caught:
        lock.acquire(105.0, lambda holder: reports.append((round(clock.now, 1), holder)))

    assert clock.now == pytest.approx(105.0, abs=0.02)
    [(when, holder)] = reports
    assert when == pytest.approx(103.0, abs=0.2)
    assert f"process {os.getpid()}" in holder
    assert str(tmp_path / "x.lock") in caught.value.message
    assert holder in caught.value.message
    first.release()


def test_the_holder_is_named_by_its_command_and_machine_but_no_arguments(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/usr/bin/luma", "-q", "download", "https://h/v.mp4?sig=canary"])
    lock = Lock(tmp_path / "x.lock")
    lock.acquire()

    assert lock.holder() == f"process {os.getpid()} (luma download) on {socket.gethostname()}"
    lock.release()


def test_without_a_deadline_a_wait_is_still_bounded(tmp_path):
    first = Lock(tmp_path / "x.lock")
    first.acquire()
    lock, clock = clocked(tmp_path / "x.lock")
    with pytest.raises(FileError):
        lock.acquire(None, lambda _holder: None)

    assert clock.now <= 100 + files.MAX_LOCK_WAIT + 1
    first.release()


def test_a_long_wait_is_logged_if_nobody_asks_to_see_it(tmp_path, caplog):
    first = Lock(tmp_path / "x.lock")
    first.acquire()
    lock, _ = clocked(tmp_path / "x.lock")
    with caplog.at_level(logging.WARNING), pytest.raises(FileError):
        lock.acquire(104.0)

    assert [record.getMessage() for record in caplog.records] == [
        f"waiting for {tmp_path / 'x.lock'}, which {first.holder()} holds"
    ]
    first.release()


HOLD = """
import fcntl, sys
file = open(sys.argv[1], "a+")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


def holding(path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    return process


def test_a_lock_of_a_killed_process_is_free(tmp_path):
    with holding(tmp_path / "x.lock") as process:
        process.kill()
        process.wait(10)
    lock, clock = clocked(tmp_path / "x.lock")

    assert lock.acquire(101.0)
    assert clock.now == 100.0
    lock.release()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other kernels do not list locks")
def test_a_holder_that_wrote_nothing_is_named_as_the_kernel_knows_it(tmp_path):
    (tmp_path / "x.lock").write_text("process 1 (luma download) on a dead container\n")
    with holding(tmp_path / "x.lock") as process:
        lock, _ = clocked(tmp_path / "x.lock")
        with pytest.raises(FileError, match=rf"process {process.pid} \(python"):
            lock.acquire(101.0)
        process.stdin.close()


def test_a_lock_file_that_a_dead_container_left_blocks_nobody(tmp_path):
    (tmp_path / "x.lock").write_text(f"process {os.getpid()} (luma download) on 3f1c\n")
    lock, clock = clocked(tmp_path / "x.lock")

    assert lock.acquire(101.0)
    assert clock.now == 100.0
    lock.release()


def test_what_a_stranger_wrote_into_the_lock_file_cannot_act_on_a_terminal(tmp_path):
    (tmp_path / "x.lock").write_bytes(b"\x1b]0;x\x07::error::\xff\n" + b"y" * 5000)

    holder = Lock(tmp_path / "x.lock").holder()

    assert holder.isprintable()
    assert len(holder) <= 200


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.EACCES])
def test_a_file_system_without_locks_is_a_fact_and_no_error(tmp_path, monkeypatch, number):
    monkeypatch.setattr(files.fcntl, "flock", failing(number))
    lock = Lock(tmp_path / "x.lock")

    assert not lock.acquire()
    assert not lock.is_held


def test_a_disk_that_fails_to_lock_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(files.fcntl, "flock", failing(errno.EIO))
    with pytest.raises(FileError, match="input/output error"):
        Lock(tmp_path / "x.lock").acquire()


@pytest.mark.parametrize("kind", ["link", "folder", "fifo", "second name"])
def test_a_lock_that_is_not_a_plain_file_of_ours_is_refused(tmp_path, kind):
    path, victim = tmp_path / "x.lock", tmp_path / "victim"
    victim.write_bytes(b"mine")
    {
        "link": lambda: path.symlink_to(victim),
        "folder": path.mkdir,
        "fifo": lambda: os.mkfifo(path),
        "second name": lambda: os.link(victim, path),
    }[kind]()
    with pytest.raises(FileError, match="refused link"):
        Lock(path).acquire()

    assert victim.read_bytes() == b"mine"


def test_threads_take_turns_and_no_two_hold_it(tmp_path):
    inside, most = [], []

    def work():
        for _ in range(20):
            lock = Lock(tmp_path / "x.lock", sleep=lambda _seconds: threading.Event().wait(0.001))
            lock.acquire()
            inside.append(1)
            most.append(len(inside))
            inside.pop()
            lock.release()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert most == [1] * 80
