"""A clip is uploaded once for all edits of it, while its link lives."""

from pathlib import Path

from luma_cli.journal import journal
from support.journals import BASE

HASH = "0" * 64
URL = "https://files.example.net/clip.mp4"


def test_an_upload_is_found_by_clip_variant_age_and_account(file: Path) -> None:
    now = [1_700_000_000.0]
    book = journal.open_journal(file, service=BASE, account="mine", now=lambda: now[0])
    book.uploads.record(HASH, "trim=0", URL, 5)
    assert book.uploads.find(HASH, "trim=0", max_age=3600) == URL
    assert book.uploads.find(HASH, "", max_age=3600) is None
    assert book.uploads.find("1" * 64, "trim=0", max_age=3600) is None
    assert book.for_account("theirs").uploads.find(HASH, "trim=0", max_age=3600) is None
    now[0] += 3601
    assert book.uploads.find(HASH, "trim=0", max_age=3600) is None
    book.close()


def test_one_process_uploads_and_the_others_look_again(file: Path) -> None:
    one = journal.open_journal(file, service=BASE, account="mine")
    other = journal.open_journal(file, service=BASE, account="mine")
    with one.uploads.only_one(HASH, "") as is_ours, other.uploads.only_one(HASH, "") as is_theirs:
        assert (is_ours, is_theirs) == (True, False)
    one.close()
    other.close()
