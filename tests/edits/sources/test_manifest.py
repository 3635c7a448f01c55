"""Batch files: every fault with its line, before anything is sent."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luma_cli.config.settings import load_settings
from luma_cli.edits.sources.manifest import in_shard, make_entries, parse_shard
from luma_cli.edits.sources.manifest_file import decode
from luma_cli.edits.sources.manifest_rows import ManifestEntry, parse_manifest
from luma_cli.errors import UsageError
from luma_cli.video.trim_range import Trim
from support.commands import CLIP_URL

GOOD = '{"prompt": "Snow", "video": "a.mp4"}'


def faults(name: str, text: str) -> list[str]:
    with pytest.raises(UsageError) as caught:
        parse_manifest(name, text)
    return [finding.message for finding in caught.value.findings]


def test_a_json_line_is_an_entry() -> None:
    line = {"prompt": "Snow", "video": "a.mp4", "watermark": "mine", "output": "out/b.mp4", "id": "one"}
    assert parse_manifest("-", json.dumps(line) + "\n") == [
        ManifestEntry(1, "one", "Snow", "a.mp4", "mine", "out/b.mp4")
    ]


def test_a_csv_row_is_an_entry_and_an_empty_cell_is_left_out() -> None:
    text = 'video,prompt,id,watermark\r\na.mp4,"Snow,\nheavy",one,\r\n\r\nb.mp4,Rain,two,mine\r\n'
    assert parse_manifest("a.csv", text) == [
        ManifestEntry(2, "one", "Snow,\nheavy", "a.mp4"),
        ManifestEntry(5, "two", "Rain", "b.mp4", "mine"),
    ]


def test_a_stream_is_known_by_its_first_character() -> None:
    assert parse_manifest("-", "\n" + GOOD)[0].line == 2
    assert parse_manifest("-", "prompt,video\nSnow,a.mp4")[0].prompt == "Snow"


ROW = ManifestEntry(2, "", "Snow", "a.mp4", "mine")


@pytest.mark.parametrize(
    "text",
    [
        "prompt,video,watermark\nSnow,a.mp4,mine\n",
        "prompt;video;watermark\r\nSnow;a.mp4;mine\r\n",
        "prompt\tvideo\twatermark\nSnow\ta.mp4\tmine\n",
        "prompt,video,watermark\rSnow,a.mp4,mine\r",
        "PROMPT, Video ,Watermark\nSnow,a.mp4,mine\n",
        '"prompt";"video";"watermark"\n"Snow";"a.mp4";"mine"\n',
        "prompt,video,watermark,,\nSnow,a.mp4,mine,,\n",
        "prompt,video,watermark\nSnow,a.mp4,mine,,,\n",
        "prompt,video,notes,watermark\nSnow,a.mp4,dull,mine\n",
        "prompt,video,takes,watermark\nSnow,a.mp4,1,mine\n",
    ],
)
def test_csv_is_read_in_every_dialect(text: str) -> None:
    assert parse_manifest("a.csv", text) == [ROW]


@pytest.mark.parametrize("first", ["sep=;\r\n", '"sep=;"\n', "SEP=;\n"])
def test_a_line_that_names_the_separator_is_obeyed_and_counted(first: str) -> None:
    [entry] = parse_manifest("a.csv", f"{first}prompt;video\nSnow, heavy;a.mp4\n")
    assert (entry.line, entry.prompt) == (3, "Snow, heavy")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_says_the_encoding(encoding: str) -> None:
    assert decode("a.csv", "prompt,vidéo".encode(encoding)) == "prompt,vidéo"


def test_utf_16_of_either_order_is_read() -> None:
    assert decode("a.csv", b"\xfe\xff" + "é".encode("utf-16-be")) == "é"
    assert decode("a.csv", b"\xff\xfe" + "é".encode("utf-16-le")) == "é"


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16-le", "shift-jis"])
def test_another_encoding_is_an_error_that_says_how_to_save_it(encoding: str) -> None:
    text = "prompt,video\nnäive,a.mp4\n" if encoding != "shift-jis" else "prompt,video\n夜,a.mp4\n"
    with pytest.raises(UsageError, match="not UTF-8") as caught:
        parse_manifest("a.csv", decode("a.csv", text.encode(encoding)))
    assert "CSV UTF-8" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (f"[{GOOD},\n {GOOD}]", [1, 2]),
        (f"\n[\n  {GOOD},\n\n  {GOOD}\n]\n", [1, 2]),
        (json.dumps([json.loads(GOOD)], indent=2), [1]),
    ],
)
@pytest.mark.parametrize("name", ["a.json", "-"])
def test_the_rows_of_a_json_array_are_counted(text: str, lines: list[int], name: str) -> None:
    assert [entry.line for entry in parse_manifest(name, text)] == lines


def test_a_broken_array_is_answered_with_the_command_that_repairs_it() -> None:
    with pytest.raises(UsageError) as caught:
        parse_manifest("a.json", f"[{GOOD},\n{GOOD}")
    assert "jq -c '.[]'" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("promt", "prompt"),
        ("Vidoe", "video"),
        ("video_url", "video"),
        ("videoUrl", "video"),
        ("out", "output"),
        ("output file", "output"),
        ("take", "takes"),
        ("trims", "trim"),
        ("modle", "model"),
    ],
)
def test_an_unknown_column_near_a_known_one_is_an_error_that_names_it(name: str, near: str) -> None:
    row = {**json.loads(GOOD), name: "x"}
    for found in (faults("a.csv", f"prompt,video,{name}\nSnow,a.mp4,x\n"), faults("a.jsonl", json.dumps(row))):
        assert found[0].lower().endswith(f":1: no column '{name.lower()}', did you mean {near}?")


@pytest.mark.parametrize("name", ["notes", "Title", "shot", "client", "tags", "date", "comment", "status", "budget"])
def test_other_unknown_columns_are_ignored_and_named(name: str) -> None:
    ignored: list[str] = []
    parse_manifest("a.csv", f"prompt,video,{name}\nSnow,a.mp4,x\n", on_ignored=ignored.append)
    row = {**json.loads(GOOD), name: [1]}
    [entry] = parse_manifest("a.jsonl", json.dumps(row), on_ignored=ignored.append)
    assert (set(ignored), entry.prompt) == ({name}, "Snow")


def test_at_most_twenty_faults_are_reported_and_the_rest_are_counted() -> None:
    found = faults("a.jsonl", "nonsense\n" * 25)
    assert (len(found), found[20]) == (21, "a.jsonl:25: 5 more faults up to this line")


def test_equal_outputs_are_a_fault_however_they_are_spelled() -> None:
    rows = [
        {**json.loads(GOOD), "id": str(number), "output": name} for number, name in enumerate(["d/b.mp4", "./d//B.mp4"])
    ]
    assert faults("a.jsonl", "\n".join(map(json.dumps, rows))) == ["a.jsonl:2: the same output as in line 1"]


def test_an_output_below_that_of_another_row_is_a_fault() -> None:
    rows = [{**json.loads(GOOD), "id": name, "output": name} for name in ("d/a.mp4/x/b.mp4", "d/A.mp4")]
    found = faults("a.jsonl", "\n".join(map(json.dumps, rows)))
    assert found == ["a.jsonl:1: its folder is the output of line 2"]


@pytest.mark.parametrize("output", ["a.mp4", "rows.jsonl"])
def test_an_output_that_is_a_clip_of_the_batch_or_its_own_file_is_a_fault(tmp_path: Path, output: str) -> None:
    (tmp_path / output).touch()
    row = {"prompt": "Snow", "video": str(tmp_path / "a.mp4"), "output": output}
    with pytest.raises(UsageError) as caught:
        parse_manifest(str(tmp_path / "rows.jsonl"), json.dumps(row), folder=str(tmp_path))
    assert "would overwrite" in caught.value.findings[0].message


def test_csv_and_json_give_the_same_takes_trim_model_and_settings() -> None:
    csv_text = "prompt,video,takes,trim,model,set\nSnow,a.mp4,3,0:01-0:05,aleph,seed=7;aspect-ratio=16:9\n"
    row = {"prompt": "Snow", "video": "a.mp4", "takes": 3, "trim": "1-5", "model": "aleph"}
    line = json.dumps({**row, "set": {"seed": 7, "aspectRatio": "16:9"}})
    [one], [other] = parse_manifest("a.csv", csv_text), parse_manifest("a.jsonl", "\n" + line)
    assert one == other
    assert (one.takes, one.trim, one.model) == (3, Trim(1.0, 5.0), "aleph")


def test_a_number_is_a_trim_too() -> None:
    [entry] = parse_manifest("a.jsonl", '{"prompt": "a", "video": "b", "trim": 2.5}')
    assert entry.trim == Trim(2.5)


def test_each_take_is_an_entry_and_the_first_keeps_the_id() -> None:
    row = {"prompt": "Snow", "video": "https://media.example.net/a.mp4", "id": "one"}
    once = make_entries(load_settings(), parse_manifest("-", json.dumps(row)), None, None)
    thrice = make_entries(load_settings(), parse_manifest("-", json.dumps({**row, "takes": 3})), None, None)
    requests = [entry.request for entry in (*once, *thrice) if entry.request is not None]
    assert [entry.entry_id for entry in thrice] == ["one", "one#2", "one#3"]
    assert requests[0].key == requests[1].key
    assert len({request.key for request in requests}) == 3
    assert [request.take for request in requests] == [1, 1, 2, 3]


@pytest.mark.parametrize(("cell", "means"), [("y", True), ("YES", True), ("n", False), ("0", False)])
def test_a_cell_may_say_yes_or_no_as_spreadsheets_do(cell: str, means: bool) -> None:
    [row] = parse_manifest("a.csv", f"prompt,video,match\nSnow,a.mp4,{cell}\n")
    assert row.match is means


LINK = '{"prompt": "Snow", "video": "https://media.example.net/a.mp4"}'


def ids(text: str) -> list[str | None]:
    return [entry.entry_id for entry in make_entries(load_settings(), parse_manifest("-", text), None, None)]


def test_ids_that_are_made_are_the_same_each_time_and_count_equal_rows() -> None:
    once, twice = ids(LINK), ids(f"{LINK}\n{LINK}")
    assert once[0] == twice[0]
    assert twice[1] == f"{twice[0]}-2"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("}", ', "output": "b.mp4"}'),
        ("}", ', "watermark": ""}'),
        ("Snow", " Snow\\r\\n"),
        ("Snow", "Snow "),
    ],
)
def test_an_id_that_is_made_does_not_depend_on_the_spelling(old: str, new: str) -> None:
    assert ids(LINK) == ids(LINK.replace(old, new))


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("nonsense", "not a JSON object on one line"),
        ("[1]", "not a JSON object on one line"),
        ("[" * 100_000, "not a JSON object on one line"),
        ('{"prompt": "a", "prompt": "b", "video": "c"}', "a key stands there twice"),
        ('{"prompt": "a"}', "video is missing"),
        ('{"prompt": " ", "video": "c"}', "prompt is missing"),
        ('{"prompt": 1, "video": "c"}', "prompt is not a text"),
        ('{"prompt": "a", "video": null}', "video is missing"),
        ('{"prompt": "\\ud800", "video": "c"}', "prompt is not valid text"),
        ('{"promt": "a", "video": "c"}', "no column 'promt', did you mean prompt?"),
        ('{"prompt": "a", "video": "c", "id": "x\\ny"}', "id is not one line of at most 200 characters"),
        ('{"prompt": "a", "video": "c", "output": "/etc/x"}', "output is not the name of a file inside"),
        ('{"prompt": "a", "video": "c", "output": "../x"}', "output is not the name of a file inside"),
        ('{"prompt": "a", "video": "c", "output": "x/"}', "output is not the name of a file inside"),
        ('{"prompt": "a", "video": "c", "output": "..\\\\x"}', "output is not the name of a file inside"),
        ('{"prompt": "a", "video": "c", "output": "CON.mp4"}', "output is not allowed"),
        ('{"prompt": "a", "Prompt": "b", "video": "c"}', "a key stands there twice"),
        ('{"prompt": "a", "video": "c", "takes": 0}', "takes is not a number from 1 to 1000"),
        ('{"prompt": "a", "video": "c", "takes": true}', "takes is not a number from 1 to 1000"),
        ('{"prompt": "a", "video": "c", "takes": 2, "output": "x.mp4"}', "output names one file for 2 takes"),
        ('{"prompt": "a", "video": "c", "split": true}', "split needs output, the file for the whole clip"),
        (
            '{"prompt": "a", "video": "c", "split": true, "takes": 2, "output": "x"}',
            "split and takes do not go together",
        ),
        ('{"prompt": "a", "video": "c", "split": true, "trim": 5, "output": "x"}', "split and trim do not go together"),
        ('{"prompt": "a", "video": "https://e.com/a.mp4", "split": 1, "output": "x"}', "split is for local clips"),
        ('{"prompt": "a", "video": "c", "trim": "5-2"}', "'5-2' ends before it begins"),
        ('{"prompt": "a", "video": "http://c/d", "trim": 1}', "trim is for local clips"),
        ('{"prompt": "a", "video": "c", "model": "lumma"}', "there is no model 'lumma'"),
        ('{"prompt": "a", "video": "c", "model": "aleph", "set": {"sed": 1}}', ""),
        ('{"prompt": "a", "video": "c", "set": [1]}', "set is not an object"),
        ('{"prompt": "a", "video": "c", "match": "perhaps"}', "match is not true or false"),
    ],
)
def test_a_bad_row_is_reported_with_its_line(line: str, fault: str) -> None:
    [found] = faults("a.jsonl", f"{GOOD}\n{line}\n")
    assert found.startswith(f"a.jsonl:2: {fault}")


def test_all_faults_are_reported_at_once() -> None:
    same = '{"prompt": "a", "video": "c", "id": "x", "output": "B.mp4"}'
    other = '{"prompt": "a", "video": "c", "id": "x", "output": "b.mp4"}'
    assert faults("a.jsonl", f"nonsense\n{same}\n{other}\n{{}}") == [
        "a.jsonl:1: not a JSON object on one line",
        "a.jsonl:3: the same id as in line 2",
        "a.jsonl:3: the same output as in line 2",
        "a.jsonl:4: prompt is missing",
    ]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("prompt,video\na,b,c\n", "a.csv:2: 3 values for 2 columns"),
        ("prompt,prompt\na,b\n", "a.csv:1: a column stands there twice"),
        ("prompt,vidoe\na,b\n", "a.csv:1: no column 'vidoe', did you mean video?"),
        ("prompt,film\n", "a.csv:1: no column video in the first line"),
        ("prompt,id\na,b\n", "a.csv:1: no column video in the first line"),
        ("a.mp4,Snow\nb.mp4,Rain\n", "a.csv:1: no column prompt in the first line"),
        ('prompt,video\n"a,b\n', "a.csv:2: not CSV"),
    ],
)
def test_a_bad_csv_row_is_reported_with_its_line(text: str, fault: str) -> None:
    [found] = faults("a.csv", text)
    assert found.startswith(fault)


@pytest.mark.parametrize("text", ["", "\n\n", "prompt,video\n"])
def test_a_file_without_rows_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="holds no rows"):
        parse_manifest("a.csv", text)


@pytest.mark.parametrize("text", ["", "1", "0/3", "4/3", "1/0", "-1/3", "a/b", "1/3/5", "１/２", "1/9999999"])
def test_what_is_not_a_shard_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_shard(text)


@given(st.lists(st.text(min_size=1), unique=True, max_size=50), st.integers(1, 7))
def test_every_entry_is_in_exactly_one_shard(ids: list[str], count: int) -> None:
    for task_id in ids:
        entry = ManifestEntry(1, task_id, "Snow", "a.mp4")
        assert sum(in_shard(entry.id, (number, count)) for number in range(1, count + 1)) == 1


@given(st.text(), st.sampled_from(["a.csv", "a.jsonl", "-"]))
def test_any_text_gives_entries_or_a_usage_error(text: str, name: str) -> None:
    try:
        entries = parse_manifest(name, text)
    except UsageError:
        return
    assert len({entry.id for entry in entries}) == len(entries) > 0


ROWS = st.fixed_dictionaries(
    {"prompt": st.text(min_size=1), "video": st.text(min_size=1)},
    optional={name: st.text() | st.none() | st.integers() for name in ("id", "output", "watermark", "other")},
)


@given(st.lists(ROWS, min_size=1, max_size=6))
def test_any_rows_give_entries_or_a_fault_for_each_bad_line(rows: list[dict[str, object]]) -> None:
    text = "\n".join(map(json.dumps, rows))
    try:
        entries = parse_manifest("a.jsonl", text)
        lines = [entry.line for entry in entries]
    except UsageError as error:
        lines = sorted({int(finding.message.split(":")[1]) for finding in error.findings})
        assert lines
    assert set(lines) <= set(range(1, len(rows) + 1))


@pytest.mark.parametrize(
    ("one", "other"), [("a.mp4", "./a.mp4"), ("d/b.mp4", "d//b.mp4"), ("d/b.mp4", "link/b.mp4"), ("a.mp4", "A.mp4")]
)
def test_outputs_are_compared_as_paths(tmp_path: Path, one: str, other: str) -> None:
    (tmp_path / "out/d").mkdir(parents=True)
    (tmp_path / "out/link").symlink_to("d")
    rows = [{"prompt": "Snow", "video": CLIP_URL, "id": output, "output": output} for output in (one, other)]

    with pytest.raises(UsageError) as caught:
        parse_manifest("a.jsonl", "\n".join(map(json.dumps, rows)), folder="out")
    assert caught.value.findings[0].message == "a.jsonl:2: the same output as in line 1"
