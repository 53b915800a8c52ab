# SPDX-License-Identifier: MIT
"""`drmsqueeze selftest --kills N`: many nights in which something is killed, and what was wrong after each."""

import argparse
import shutil
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from random import Random

from rich.console import Console

from drmsqueeze import TOP, progress
from drmsqueeze.campaign import benches, harness_process, killers, plants, summary
from drmsqueeze.campaign.results_disk import refusal
from drmsqueeze.campaign.round import Conductor, Outcome, Round
from drmsqueeze.errors import InfrastructureError, UsageError
from drmsqueeze.ring import scratch_in_memory

NOT_KEPT = ("*.ring", "ring", "somebody-else", "uart", "console", "disk.img")
CAMPAIGN_FAILED = "the campaign itself"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("--kills", type=int, required=True, metavar="N", help="rounds: a night each, during which something is killed")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of all that is drawn (default: %(default)s)")
    parser.add_argument("--round", type=int, metavar="R", help="only this one of the rounds, again")
    parser.add_argument("--machine", choices=tuple(benches.BENCHES), default=killers.FAST,
                        help="fast: a board made of processes of this host; stand-in: a guest reached as a board; vm (default: %(default)s)")
    parser.add_argument("--killer", action="append", choices=[killer.name for killer in killers.KILLERS], metavar="NAME",
                        help="only this killer; may be given again")
    parser.add_argument("--at-once", type=int, metavar="K", help="rounds side by side (default: by the machine)")
    parser.add_argument("--plant", choices=(*plants.PLANTS, plants.EACH), help="plant a fault after each night, which a check must find: "
                        "whether the checks are worth anything; each: one after the other")
    parser.add_argument("--out", type=Path, metavar="DIR", help="for the summary and all of the rounds in which something was wrong")


def rounds(kills: int, seed: int, machine: str, only: Sequence[str] | None) -> list[Round]:
    """The rounds of a campaign. Every killer comes as often as any other, in an order that is drawn."""
    chosen = [killer for killer in killers.of(machine) if not only or killer.name in only]
    if not chosen:
        raise UsageError(f"--killer: found none that machine {machine} has; expected one of: {', '.join(k.name for k in killers.of(machine))}")
    order = [killer for block in range(kills // len(chosen) + 1) for killer in Random(f"{seed}:block {block}").sample(chosen, len(chosen))]
    return [Round(number, seed, order[number]) for number in range(kills)]


def plant_of(asked: str | None, number: int) -> str | None:
    return list(plants.PLANTS)[number % len(plants.PLANTS)] if asked == plants.EACH else asked


def repeat(args: argparse.Namespace, number: int) -> str:
    """The command that does this round again."""
    only = "".join(f" --killer {name}" for name in args.killer or ())
    plant = f" --plant {args.plant}" if args.plant else ""
    return f"drmsqueeze selftest --kills {args.kills} --seed {args.seed} --machine {args.machine}{only}{plant} --round {number}"


@contextmanager
def _threads_end() -> Iterator[None]:
    yield
    for thread in threading.enumerate():
        if thread.name == "board":
            thread.join(5)


class _Campaign:
    def __init__(self, args: argparse.Namespace, scratch: Path, out: Path, bench_of: benches.Makers) -> None:
        self._args, self._scratch, self._out, self._bench_of = args, scratch, out, bench_of
        self._context = harness_process.server()
        self._no_disk = refusal()

    def carry_out(self, one: Round) -> Outcome:
        if one.killer.disk and self._no_disk:
            return Outcome(one.number, one.killer.name, {}, skipped=self._no_disk)
        place = self._scratch / f"{one.number:04d}"
        try:
            outcome = Conductor(one, place, self._bench_of, self._context, plant_of(self._args.plant, one.number)).carry_out()
        except Exception:  # a round that the campaign could not carry out is no round that went well
            outcome = Outcome(one.number, one.killer.name, {CAMPAIGN_FAILED: [traceback.format_exc()]})
        if outcome.faults:
            kept = self._out / "rounds" / place.name
            kept.parent.mkdir(exist_ok=True)
            shutil.copytree(place, kept, symlinks=True, ignore=shutil.ignore_patterns(*NOT_KEPT), dirs_exist_ok=True)
            summary.write_round(kept / "round.json", outcome, repeat(self._args, one.number))
        shutil.rmtree(place, ignore_errors=True)
        return outcome

    def all(self, wanted: Sequence[Round], at_once: int) -> list[Outcome]:
        """Those that are done; where it is interrupted, too."""
        done: list[Outcome] = []
        began = time.monotonic()
        with progress.step(f"rounds on machine {self._args.machine}", len(wanted)) as shown, ThreadPoolExecutor(at_once) as pool:
            waiting: set[Future[Outcome]] = {pool.submit(self.carry_out, one) for one in wanted}
            try:
                while waiting:
                    ready, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                    for future in ready:
                        done.append(outcome := future.result())
                        shown.advance(1, outcome.killer)
                        for check, sentences in outcome.faults.items():
                            progress.say(f"round {outcome.number} ({outcome.killer}): {check}: {sentences[0]}\n  again: {repeat(self._args, outcome.number)}")
                    summary.write(self._out, self._args, done, time.monotonic() - began)
            except KeyboardInterrupt:
                pool.shutdown(wait=True, cancel_futures=True)
                progress.say(f"interrupted after {len(done)} rounds")
        return sorted(done, key=lambda outcome: outcome.number)


def run(args: argparse.Namespace) -> int:
    """Exit code 0 where nothing was wrong after any round, 1 where something was, 3 where the campaign could not do its work."""
    if args.kills < 1:
        raise UsageError(f"--kills: found {args.kills}; expected at least 1")
    wanted = rounds(args.kills, args.seed, args.machine, args.killer)
    if args.round is not None:
        if not 0 <= args.round < args.kills:
            raise UsageError(f"--round: found {args.round}; expected 0 to {args.kills - 1}")
        wanted = [wanted[args.round]]
    out = args.out or TOP / "results-data" / f"{time.strftime('%Y%m%d-%H%M%S')}-selftest"
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} is not an empty directory; results are not written over")
    out.mkdir(parents=True, exist_ok=True)
    with scratch_in_memory("dsq-") as scratch, benches.BENCHES[args.machine].opened() as bench_of, _threads_end():
        done = _Campaign(args, Path(scratch), out, bench_of).all(wanted, args.at_once or benches.BENCHES[args.machine].at_once)
    console = Console(soft_wrap=True, highlight=False)
    console.print(summary.table(done))
    for line in summary.sentences(done):
        console.print(line, markup=False)
    console.print(out, markup=False)
    if any(CAMPAIGN_FAILED in outcome.faults for outcome in done) or not done:
        return InfrastructureError.exit_code
    return 1 if any(outcome.faults for outcome in done) or len(done) < len(wanted) else 0
