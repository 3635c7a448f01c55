"""The facts that edits report while they run. Whoever gets them decides what is shown; nothing here prints."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from luma_cli.api.task import Task
from luma_cli.errors import Finding, LumaError

if TYPE_CHECKING:
    from fractions import Fraction

    from luma_cli.edits.poll import Poll
    from luma_cli.journal.splits import Piece

OnProgress = Callable[[float, float | None], None]


class Started(NamedTuple):
    """So many `edits` are to be seen through. Times are in seconds."""

    edits: int
    timeout: float = 0.0  # 0: no limit
    estimate: float | None = None
    is_manifest: bool = False  # rows of a file, which are counted and not named
    output: str | None = None  # where their videos go


class Finished:
    """Nothing more is to be drawn."""


class Note(NamedTuple):
    """A remark for the user. `once`: the same words are not repeated in this run."""

    text: str
    once: bool = False


class Warned(NamedTuple):
    """Something that the user should know of, and that ends nothing."""

    text: str
    once: bool = True


class Checked(NamedTuple):
    """What the checks before a submission found. Those in `raised` are reported as errors of their own."""

    findings: Sequence[Finding]
    raised: Sequence[Finding] = ()


class Transfer:
    """An upload, a download, or seconds of a clip that are worked through (`unit`)."""

    def __init__(self, label: str, unit: str = "bytes") -> None:
        self.label = label
        self.unit = unit


class Transferred(NamedTuple):
    """`done` of `total` so far (None: not known). At the end `has_ended`, and `is_whole` if it went well."""

    transfer: Transfer
    done: float = 0.0
    total: float | None = None
    has_ended: bool = False
    is_whole: bool = False


class Uploaded(NamedTuple):
    """A local clip is in the service's temporary store."""

    name: str


class Prepared(NamedTuple):
    """For --dry-run: the request that would be sent, and what the checks found."""

    url: str
    payload: Mapping[str, object]
    findings: Sequence[Finding] = ()


class PiecesPlanned(NamedTuple):
    """For --dry-run of an edit in pieces: where the clip is cut, in frames of `rate` a second."""

    name: str
    rate: "Fraction"
    pieces: "tuple[Piece, ...]"


class Planned(NamedTuple):
    """For --dry-run: what would become of a row of a manifest, which asks for `asked`."""

    entry_id: str
    line: int
    video: str
    asked: Task
    task: Task | None = None  # what it has already
    error: LumaError | None = None  # what stops it
    expected_credits: float | None = None  # what it would probably cost, None if nobody knows
    findings: Sequence[Finding] = ()


class Submitted(NamedTuple):
    """A task was created. `is_new`: by this run, and not by an earlier one that this run continues."""

    name: str
    task: Task
    is_new: bool = True


class Polled(NamedTuple):
    """What one poll brought. `clip` and `prompt` are those of the edit, `age` is seconds since its submission."""

    name: str
    poll: "Poll"
    clip: str = ""
    prompt: str = ""
    age: float = 0.0


class Tally(NamedTuple):
    """How many entries are in each phase."""

    counts: Mapping[str, int]


class Ended(NamedTuple):
    """An entry has come to its end, with what it was to bring."""

    name: str
    task: Task
    entry_id: str | None = None  # of a manifest, as is its line
    line: int = 0
    output: str | None = None
    clip: str = ""  # the source as the user named it, "" if that is not known
    pieces: tuple[Mapping[str, object], ...] | None = None  # those of an edit in pieces, as JSON has them


class Failed(NamedTuple):
    """An entry did not come to its end. What `Ended` has, too, is the same."""

    name: str
    error: LumaError
    task: Task | None = None  # what is known of it, None if there is none
    entry_id: str | None = None
    line: int = 0
    asked: Task = Task("")  # what was asked for, as far as that is known
    clip: str = ""
    pieces: tuple[Mapping[str, object], ...] | None = None


class NotTried(NamedTuple):
    """So many more were left, since they would fail alike."""

    left: int


class StillRunning(NamedTuple):
    """Tasks are left behind."""


Event = (
    Started
    | Finished
    | Note
    | Warned
    | Checked
    | Transferred
    | Uploaded
    | Prepared
    | PiecesPlanned
    | Planned
    | Submitted
    | Polled
    | Tally
    | Ended
    | Failed
    | NotTried
    | StillRunning
)
Report = Callable[[Event], None]


@contextmanager
def transferring(report: Report, label: str, unit: str = "bytes") -> Iterator[OnProgress]:
    """Report the progress of one transfer; safe in any thread."""
    transfer = Transfer(label, unit)
    report(Transferred(transfer))
    try:
        yield lambda done, total: report(Transferred(transfer, done, total))
    except BaseException:
        report(Transferred(transfer, has_ended=True))
        raise
    report(Transferred(transfer, has_ended=True, is_whole=True))
