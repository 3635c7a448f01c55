"""How several tasks ended, as one exit code."""

from luma_cli.api.hosts import shown
from luma_cli.errors import LumaError, MixedOutcomes, OutcomeUnknown
from luma_cli.output import streams


class Outcomes:
    """Collects the failures among `count` tasks; each of several is told at once, the sum at the end."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.errors: list[LumaError] = []

    def fail(self, error: LumaError, name: str) -> None:
        if self.count > 1:
            streams.complain(f"{shown(name)}: {error.message}", error.hint)
        self.errors.append(error)

    def give_up(self, error: LumaError, left: int) -> None:
        """`left` more have not been tried, since they would fail alike."""
        if left:
            streams.note(f"{left} more not tried")
        self.errors += [error] * left

    def forgive(self, row: int) -> None:
        """The submission of this row of the journal, of unknown outcome until now, has its task after all."""
        self.errors = [each for each in self.errors if not (isinstance(each, OutcomeUnknown) and each.row == row)]

    def conclude(self) -> None:
        """Raise what went wrong, if anything did.

        Raises:
            MixedOutcomes: several tasks ended differently. Where all failed alike, their own class.
        """
        if not self.errors:
            return
        first = self.errors[0]
        if self.count == 1:
            raise first
        alike = len(self.errors) == self.count and len({error.exit_code for error in self.errors}) == 1
        kind = type(first) if alike else MixedOutcomes
        summary = kind(f"{len(self.errors)} of {self.count} did not succeed", hint="each has its own line above")
        summary.findings = tuple(finding for error in self.errors for finding in error.findings)
        raise summary
