# SPDX-License-Identifier: MIT
"""`drmsqueeze nightly`: what a lab runs at night, and what there is to read in the morning."""

import argparse
from dataclasses import replace
from pathlib import Path

from drmsqueeze_results import morning
from drmsqueeze_results.model import Status

from drmsqueeze import lab_file, night_page, nightly, progress
from drmsqueeze.errors import InfrastructureError
from drmsqueeze.night import Night


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("lab", type=Path, metavar="LAB.json", help="what is run on which machines, and how long (docs/nightly.md)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where the nights are kept, each in a directory (default: as the file says)")
    parser.add_argument("--resume", action="store_true", help="go on with the last night, which was killed or stopped before it was over")
    parser.add_argument("--markdown", action="store_true", help="print the morning page as Markdown, for a mail, and nothing else")


def _night(lab: lab_file.LabFile, resume: bool) -> Night | None:
    """The night to carry out; None where there is nothing to go on with."""
    before = nightly.last(lab.results)
    going_on = before is not None and not before.state().over
    if resume:
        if before is None or not going_on:
            progress.say(f"nothing to resume: {before.directory.name if before else 'no night'} is over" if before else
                         f"nothing to resume: there was no night yet in {lab.results}")
            return None
        before.note("resumed")
        progress.say(f"goes on with the night {before.directory}")
        return before
    if before and going_on:
        progress.say(f"the night {before.directory} had not come to its end, and nobody resumed it: what it has is kept")
        nightly.close(before)
        night_page.write(before)
    return nightly.begin(lab)


def run(args: argparse.Namespace) -> int:
    """Carry out a night, or the rest of one. The exit code is that of the worst run; 3 also where a board was left out."""
    lab = lab_file.load(args.lab)
    if args.out:
        lab = replace(lab, results=args.out.absolute())
    again = f"drmsqueeze nightly {args.lab} --resume" + (f" --out {args.out}" if args.out else "")
    with nightly.alone(lab.results) as lock:
        night = _night(lab, args.resume)
        if night is None:
            return 0
        plan = night.plan()
        progress.say(f"night {night.directory}: {len(plan.order)} runs are planned, until {plan.until} at the latest")
        try:
            nightly.Crew(night, lock).carry_out()
        except nightly.NoRoomForResults as error:
            raise InfrastructureError(f"the night stops: {error}. Nothing is lost; once there is room, `{again}` goes on") from None
        except KeyboardInterrupt:
            night.note("stopped", reason="somebody stopped it")
            night_page.write(night)
            raise InfrastructureError(f"the night was stopped; `{again}` goes on") from None
        night.note("over")
        page = night_page.write(night)
        mail = page.with_name(morning.MAIL).read_text(encoding="utf-8")
        if args.markdown:
            print(mail, end="")
            progress.say(f"page: {page}")
        else:
            print("\n".join(mail.split("\n\n")[1:3]))
            print(page)
            print(night.directory)
        return exit_code(night)


def exit_code(night: Night) -> int:
    """Of a night that is over: 0 where all that was run passed, 1 an unexpected outcome, 3 something could not do its work."""
    state = night.state()
    statuses = {attempt.status for attempt in state.finished.values()}
    if Status.ERROR.value in statuses or state.left_out:
        return Status.ERROR.exit_code
    return Status.FAIL.exit_code if Status.FAIL.value in statuses else 0
