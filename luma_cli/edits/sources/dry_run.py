"""For --dry-run: what would be sent, what became of it before, and what the rest would cost."""

from collections.abc import Sequence
from dataclasses import replace

from luma_cli.api.payload import payload_of
from luma_cli.api.task import Task
from luma_cli.edits.budget import Spending, describe_cost
from luma_cli.edits.events import Failed, Note, Planned, Prepared
from luma_cli.edits.preflight import error_of, findings_of
from luma_cli.edits.request import EditRequest, Entry
from luma_cli.edits.run import Plan, Run
from luma_cli.edits.sources.pieces import counted, pieces_made, show_cuts
from luma_cli.errors import LumaError


def show_requests(run: Run, plan: Plan, requests: Sequence[EditRequest]) -> None:
    """For --dry-run: report what would be sent for each clip; the rejected ones do not cost the others."""
    wanted = []
    for request in requests:
        try:
            if request.error is not None:
                raise request.error
            earlier = request.earlier(run.journal)
        except LumaError as error:
            run.fail(Failed(request.clip.name, error))
            continue
        if earlier is not None:
            run.report(Note(f"{request.clip.name}: task {earlier} would be continued, which costs nothing more"))
            continue
        if request.is_split:
            show_cuts(run, plan.output, request)
        link = None if request.clip.path is None else f"(upload of {request.clip.name})"
        address = run.settings.base_url + request.model.family.submit_path
        run.report(Prepared(address, payload_of(request.submission(link).edit), request.findings))
        wanted.append(request)
    if wanted:
        run.report(Note(describe_cost(run, plan, _submissions(wanted), with_balance=True)))
    run.results.conclude()


def _submissions(requests: Sequence[EditRequest]) -> list[EditRequest]:
    """Each as often as it is submitted: an edit in pieces for each of them."""
    return [request for request in requests for _ in range(request.pieces)]


def show_entries(run: Run, plan: Plan, entries: Sequence[Entry]) -> None:
    """For `batch --dry-run`: report what would become of each row, what that would cost, and what there is."""
    planned = [_planned(run, entry) for entry in entries]
    requests = {row.entry_id: entry.edit for row, entry in zip(planned, entries, strict=True)}
    fresh = [row for row in planned if row.task is None and row.error is None]
    if not plan.skips_checks:
        found = findings_of(run, plan, [requests[row.entry_id] for row in fresh])
        looked = {
            row.entry_id: row._replace(findings=one, error=error_of(one)) for row, one in zip(fresh, found, strict=True)
        }
        planned = [looked.get(row.entry_id, row) for row in planned]
    spending = Spending(run, plan)
    new = []
    for row in planned:
        request = requests[row.entry_id]
        if row.error is not None:
            run.results.errors.append(row.error)
        elif row.task is None:
            new.append(request)
            price = spending.expected(request)
            row = row._replace(expected_credits=None if price is None else price * request.pieces)
        run.report(row)
    run.report(Note(_summary(run, plan, planned, new)))
    run.results.conclude()


def _planned(run: Run, entry: Entry) -> Planned:
    request = entry.edit
    row = Planned(entry.entry_id or "", entry.line, request.clip.name, request.asked, error=request.error)
    try:
        if request.is_split and request.error is None:
            entry.request = request = counted(run, entry.output, request)
        if request.is_split and request.error is None:
            return _planned_in_pieces(run, entry, request, row)
        earlier = request.earlier(run.journal)
    except LumaError as error:
        return row._replace(error=row.error or error)
    known = run.journal.known(earlier) if earlier is not None else None
    if earlier is not None:
        return row._replace(task=known.task if known is not None else Task(earlier), error=None)
    return row


def _planned_in_pieces(run: Run, entry: Entry, request: EditRequest, row: Planned) -> Planned:
    """Only pieces that no earlier run has submitted are still to be paid."""
    made = pieces_made(run, entry.output, request)
    if len(made) == request.pieces:
        return row._replace(task=made[-1])
    entry.request = replace(request, pieces=request.pieces - len(made))
    return row


def _summary(run: Run, plan: Plan, planned: Sequence[Planned], new: Sequence[EditRequest]) -> str:
    failed = sum(row.error is not None for row in planned)
    paid = sum(row.task is not None for row in planned)
    text = f"{len(planned)} row{'s' if len(planned) != 1 else ''}: {len(new)} to submit, {paid} submitted before"
    text += f", {failed} with a fault" if failed else ""
    text += f"; {describe_cost(run, plan, _submissions(new))}" if new else "; nothing to pay"
    try:
        return f"{text}; the balance is {run.client.credits():.12g}"
    except LumaError:
        return text  # without a key, or a connection, there is still all the rest
