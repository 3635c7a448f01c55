import os
from pathlib import Path

import pytest

from luma_cli.downloads.target import ignores_case, real_target, remove_siblings, sibling, target_key
from luma_cli.errors import FileError


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder `real/deep` and a link to it."""
    (tmp_path / "real" / "deep").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "real" / "deep")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a.mp4", "./a.mp4"),
        ("real/a.mp4", "real//a.mp4"),
        ("real/a.mp4", "real/deep/../a.mp4"),
        ("real/a.mp4", "link/../a.mp4"),
        ("real/deep/a.mp4", "link/a.mp4"),
        ("new/a.mp4", "./new//a.mp4"),
        ("new/sub/a.mp4", "new/sub/../sub/a.mp4"),
        ("Caf\udce9.mp4", "./Caf\udce9.mp4"),
    ],
)
def test_spellings_of_one_path_are_one_target(here, one, other):
    assert target_key(Path(one)) == target_key(Path(other)) == target_key(here / other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a.mp4", "b.mp4"),
        ("a.mp4", "real/a.mp4"),
        ("a.mp4", "link/../a.mp4"),
        ("new/a.mp4", "new2/a.mp4"),
        ("Caf\udce9.mp4", "Caf\udcea.mp4"),
    ],
)
def test_different_paths_are_different_targets(here, one, other):
    assert target_key(Path(one)) != target_key(Path(other))


def test_case_makes_a_difference_exactly_where_the_file_system_says_so(here):
    (here / "Probe").touch()
    is_blind = (here / "pROBE").exists()

    assert ignores_case(here) is is_blind
    assert (target_key(Path("A.mp4")) == target_key(Path("a.mp4"))) is is_blind


def test_hard_links_are_different_targets(here):
    Path("a.mp4").touch()
    os.link("a.mp4", "b.mp4")

    assert target_key(Path("a.mp4")) != target_key(Path("b.mp4"))


@pytest.mark.parametrize(
    ("typed", "real"),
    [
        ("a.mp4", "a.mp4"),
        ("./real/../a.mp4", "a.mp4"),
        ("link/a.mp4", "link/a.mp4"),
        ("link/../a.mp4", "real/a.mp4"),
        ("link/../deep/a.mp4", "real/deep/a.mp4"),
        ("link/../\udcff.mp4", "real/\udcff.mp4"),
    ],
)
def test_a_path_says_where_the_file_is_and_keeps_what_was_typed_if_that_is_right(here, typed, real):
    Path(typed).write_bytes(b"x")

    found = real_target(Path(typed))

    assert found == here / real
    assert found.samefile(typed)


def test_a_sibling_is_new_empty_and_ours_each_time(here):
    first = sibling(here / "out.mp4.part", ".mp4")
    first.write_bytes(b"half a clip")
    again = sibling(here / "out.mp4.part", ".mp4")

    assert (first, again.read_bytes(), again.suffix) == (again, b"", ".mp4")
    remove_siblings(here / "out.mp4.part")
    assert not again.exists()


def test_a_planted_sibling_is_not_written_through(here):
    made = sibling(here / "out.mp4.part", ".mp4")
    made.unlink()
    made.symlink_to(here / "victim")
    with pytest.raises(FileError, match="refused link"):
        sibling(here / "out.mp4.part", ".mp4")

    assert not (here / "victim").exists()
