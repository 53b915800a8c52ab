# SPDX-License-Identifier: MIT
"""The agent of a board made of processes (process_board.py), run there as a program: it carries jobs out as the real one does.

Its processes, its records in the ring and its restore journal are those of agent/; what it has no GPU for is a job, which here is work
on a file. The real agent, which the harness has copied there, sends the records and puts back what the journal says. Every record is
noted before it is published, where the harness never reads: that is the truth which a campaign holds runs against. Nothing but the
standard library, for it is started often.
"""

import ctypes
import errno
import json
import mmap
import os
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable
from typing import Any, NoReturn

if __package__:
    from drmsqueeze.campaign import process_ring as ring
else:
    import process_ring as ring  # type: ignore[no-redef]  # on the board: a program beside it

TICK_S, BEAT_S = 0.01, 0.2
ROUNDS, LAST_ROUNDS, HANGS = 3, 20, 4  # the last: the job that never ends
PAYLOAD = bytes(range(256)) * 16
# What each injector turns, below knobs/ of the board.
INJECTORS: dict[str, dict[str, str]] = {"fail-page-alloc": {"probability": "100", "times": "1000"}, "memcg": {"max": "67108864", "high": "33554432"},
             "shrinker-scan": {"scan": "1"}, "hog": {}}
_prctl = ctypes.CDLL(None).prctl


def after_parent(number: int) -> None:
    """This signal for us once our parent is dead (prctl(2), PR_SET_PDEATHSIG)."""
    _prctl(1, number, 0, 0, 0)


def named(name: str) -> None:
    """What /proc/PID/comm says (prctl(2), PR_SET_NAME)."""
    _prctl(15, name.encode(), 0, 0, 0)


class Agent:
    """One run. Its processes share `shared`: jobs open and ended per client, and what is wanted of them."""

    def __init__(self, root: str, real: str, words: list[str], request: bytes) -> None:
        def word(name: str, default: str = "") -> str:
            return words[words.index(name) + 1] if name in words else default

        self.root, self.real, self.journal, self.ring_file = root, real, word("--journal"), word("--ring")
        self.console, self.console_after_s = word("--console"), float(word("--console-after", "0"))
        self.request = json.loads(request)
        self.ring = ring.Ring(self.ring_file, f"{root}/truth/{time.monotonic_ns()}-{os.getpid()}", request)
        self.scenario = self.request["scenario"]
        self.shared = mmap.mmap(-1, 4096)
        """Bytes: 0 all over, 1 jobs may begin, 2 no more of them; from 1024 on a client's open job, from 2048 on since when it is."""

    def open_job(self, client: int) -> int:
        return int(struct.unpack_from("<Q", self.shared, 1024 + 8 * client)[0])

    def set_open(self, client: int, job: int) -> None:
        struct.pack_into("<d", self.shared, 2048 + 8 * client, time.monotonic())
        struct.pack_into("<Q", self.shared, 1024 + 8 * client, job)

    def end(self, client: int, fate: int, reason: str, flags: int = 0) -> None:
        """In a client's place, of the job that it has open."""
        if job := self.open_job(client):
            self.set_open(client, 0)
            self.ring.put(ring.END, fate, client, job, c=flags, text=reason)

    def spawn(self, name: str, signal_at_death: int, body: Callable[[], int | None]) -> int:
        parent = os.getpid()
        pid = os.fork()
        if pid:
            return pid
        after_parent(signal_at_death)
        if os.getppid() != parent:
            os._exit(3)
        named(name)
        code = 3
        try:
            code = body() or 0
        finally:
            os._exit(code)

    def carry_out(self) -> int:
        """The keeper: it stands in for a guardian that was killed."""
        named("drmsqueeze-agent")
        self.ring.put(ring.HELLO, a=os.getpid(), b=1_000_000, c=time.time_ns(), text="campaign")
        if self.console:
            self.spawn("drmsq-teller", 0, self.tell)
        guardian = self.spawn("drmsq-guardian", signal.SIGTERM, self.guard)
        told = False

        def forward(number: int, frame: Any) -> None:
            nonlocal told
            told = True
            os.kill(guardian, signal.SIGTERM)

        signal.signal(signal.SIGTERM, forward)
        _, status = os.waitpid(guardian, 0)
        code, reason = 0, ""
        if os.WIFSIGNALED(status):
            code, reason = errno.ECHILD, f"the guardian was killed by signal {os.WTERMSIG(status)}"
            self.ring.put(ring.RELEASE)
            restored = os.spawnv(os.P_WAIT, self.real, [self.real, "--journal", self.journal, "--restore"]) == 0
            self.ring.put(ring.RELEASE, code=1, a=restored)
        elif os.WEXITSTATUS(status):
            code, reason = os.WEXITSTATUS(status), bytes(self.shared[3000:3100]).rstrip(b"\0").decode()
        self.ring.put(ring.BYE, a=code, text=reason)
        return code

    def fail(self, code: int, reason: str) -> int:
        print(f"drmsqueeze-agent: {reason}", file=sys.stderr, flush=True)
        self.shared[3000:3100] = reason.encode()[:100].ljust(100, b"\0")
        return code

    def guard(self) -> int:
        """Turns, lets the supervisor work, and puts back."""
        ended = False

        def end(number: int, frame: Any) -> None:
            nonlocal ended
            ended = True

        signal.signal(signal.SIGTERM, end)
        try:
            journal = ring.RestoreJournal(self.journal)
        except OSError as error:
            return self.fail(error.errno or 1, str(error.strerror))
        detectors: dict[str, int] = self.request.get("detectors_s", {})
        knobs = [(name, str(limit)) for name, limit in detectors.items()]
        for injector in self.scenario.get("injectors", []):
            knobs += [(f"{injector['kind']}.{name}", value) for name, value in INJECTORS[injector["kind"]].items()]
        for name, value in knobs:
            journal.turn(f"{self.root}/knobs/{name}", value)
            time.sleep(0.002)
        supervisor = self.spawn("drmsq-superv", signal.SIGKILL, self.supervise)
        code, reason = 0, ""
        while True:
            pid, status = os.waitpid(supervisor, os.WNOHANG)
            if pid:
                if status:
                    code, reason = (errno.ECHILD, "the supervisor was killed") if os.WIFSIGNALED(status) else (os.WEXITSTATUS(status), "too slow")
                break
            if ended or self.ring.stop:
                code, reason = errno.ECANCELED, "told to end by signal 15" if ended else "stopped by the host"
                self.shared[2] = 1
                os.waitpid(supervisor, 0)
                break
            time.sleep(TICK_S)
        if code == errno.ECHILD:
            time.sleep(0.05)  # its clients died with it
            self.ring.put(ring.RELEASE)
        restored = journal.restore()
        self.ring.put(ring.RELEASE, code=1, a=restored)
        if code == errno.ECHILD:
            for client in range(self.clients):
                self.end(client, ring.LOST, "the supervisor was killed")
        self.ring.file(1, "injections.json", json.dumps([
            {"injector": one["kind"], "settings": one, "fired": 1, "restored": restored} for one in self.scenario.get("injectors", [])]).encode())
        return self.fail(code, reason) if code else 0

    @property
    def hangs(self) -> bool:
        return "hangs" in self.scenario["name"]

    @property
    def clients(self) -> int:
        return int(self.scenario["stressors"][0].get("contexts", 1))

    def supervise(self) -> int:
        """Beats, and says of jobs what their clients cannot say."""
        pids = {self.spawn("drmsq-client", signal.SIGKILL, lambda number=number: self.work(number)): number  # type: ignore[misc]
                for number in range(self.clients)}
        self.shared[1] = 1
        deadline_s, grace_s = self.request["deadline_ms"] / 1000, self.request["grace_ms"] / 1000
        beat_at, late_at = 0.0, 0.0
        while pids:
            now = time.monotonic()
            if now >= beat_at:
                beat_at = now + BEAT_S
                self.ring.put(ring.BEAT, b=sum(bool(self.open_job(number)) for number in pids.values()))
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid and os.WIFSIGNALED(status):
                self.end(pids[pid], ring.LOST, f"client killed by signal {os.WTERMSIG(status)}")
                self.ring.put(ring.WITNESS, client=pids[pid], a=os.WTERMSIG(status), text="client-killed")
            if pid:
                del pids[pid]
            for number in pids.values():
                since = struct.unpack_from("<d", self.shared, 2048 + 8 * number)[0]
                if self.open_job(number) and now - since > deadline_s and not late_at:
                    late_at = now
                    self.ring.put(ring.WITNESS, job=self.open_job(number), text="late-fence")
                    self.shared[2] = 1
            if late_at and now - late_at > grace_s:
                break
            time.sleep(TICK_S)
        self.ring.put(ring.RELEASE)
        if late_at and not (self.hangs and HANGS in [self.open_job(number) for number in pids.values()]):
            return self.fail(errno.ETIMEDOUT, "this host is too slow for these deadlines")
        for pid, number in pids.items():
            self.end(number, ring.HUNG, "unsignalled after release and grace", ring.AFTER_RELEASE)
            os.kill(pid, signal.SIGKILL)
        return 0

    def work(self, number: int) -> int:
        """A client: each job is a file that is written and read back."""
        stressor = self.scenario["stressors"][0]
        pause_s = 1 / stressor["rate_hz"] if stressor.get("rate_hz") else 0.02
        file = f"{self.root}/job-files/{os.getpid()}"
        while not self.shared[1]:
            time.sleep(TICK_S)
        for count in range(stressor["jobs"]):
            if self.shared[2]:
                break
            job = count * self.clients + number + 1
            self.set_open(number, job)
            self.ring.put(ring.INTENT, client=number, job=job, a=number, c=4096, text=stressor["kind"])
            began = time.monotonic_ns()
            if "fails" in self.scenario["name"] and job % 5 == 3:
                self.set_open(number, 0)
                self.ring.put(ring.END, ring.FAILED, number, job, a=errno.ENOMEM, c=ring.SUBMIT_FAILED, text="submit")
                continue
            self.ring.put(ring.SUBMIT, client=number, job=job)
            with open(file, "wb", buffering=0) as out:
                out.write(PAYLOAD)
            if self.hangs and job == HANGS:
                time.sleep(1000)
            time.sleep(pause_s)
            with open(file, "rb") as back:
                sound = back.read() == PAYLOAD
            self.ring.put(ring.END, ring.COMPLETED if sound else ring.CORRUPTED, number, job, b=time.monotonic_ns() - began)
            self.set_open(number, 0)  # last: killed before this, the job is ended twice, and the first end stands
        if os.path.exists(file):
            os.unlink(file)
        return 0

    def tell(self) -> int:
        """Records that nobody takes, on the console, a few times each (agent/console_teller.cc)."""
        keeper, out = os.getppid(), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        taken, since, ahead, rounds = 0, time.monotonic(), 1, 0
        while os.path.exists(self.ring_file):
            time.sleep(0.05)
            consumed, claimed, over = self.ring.number(ring.CONSUMED), self.ring.number(ring.CLAIMED), os.getppid() != keeper
            if over and consumed >= claimed:
                break
            if consumed != taken or consumed >= claimed:
                taken, since, ahead, rounds = consumed, time.monotonic(), consumed + 1, 0
            elif time.monotonic() - since > self.console_after_s:
                if ahead <= claimed:
                    for seq in range(ahead, claimed + 1):
                        out.sendto(self.ring.tell(seq, keeper), f"{self.root}/uart")
                    ahead = claimed + 1
                elif rounds < (LAST_ROUNDS if over else ROUNDS):
                    rounds, ahead = rounds + 1, consumed + 1
                elif over:
                    break
        return 0


def start(root: str, real: str, words: list[str]) -> int:
    """As agent/detached.cc."""
    if os.system(f"'{real}' --version >/dev/null") != 0:  # a copy that was cut off is no agent
        return 126
    request = sys.stdin.buffer.read()
    try:
        agent = Agent(root, real, words, request)
    except OSError as error:
        print(f"drmsqueeze-agent: {error.filename}: {error.strerror}", file=sys.stderr)
        return 3
    log = words[words.index("--start") + 1]
    pid = os.fork()
    if pid:
        print(json.dumps({"pid": pid, "watchdog": None, "watchdog_reason": "a board of processes has none"}), flush=True)
        return 0
    os.setsid()
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for fd, to in ((0, os.open("/dev/null", os.O_RDONLY)), (1, out), (2, out)):
        os.dup2(to, fd)
    code = 3
    try:
        code = agent.carry_out()
    finally:
        os._exit(code)


def main() -> NoReturn:
    root, real, *words = sys.argv[1:]
    if "--start" not in words:
        os.execv(real, [real, *words])
    sys.exit(start(root, real, words))


if __name__ == "__main__":
    main()
