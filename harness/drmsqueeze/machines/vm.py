# SPDX-License-Identifier: MIT
"""Machine `vm`: a QEMU guest that boots from an initramfs and shares the ring's memory with the harness."""

import array
import fcntl
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import termios
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from drmsqueeze import progress
from drmsqueeze.errors import InfrastructureError
from drmsqueeze.guest import Guest
from drmsqueeze.machines.events import Events
from drmsqueeze.machines.machine import UNTIL_WE_DIE, last_lines, press_sysrq, wait
from drmsqueeze.machines.qmp import Monitor

QEMU = "qemu-system-x86_64"
HALTED = threading.Event()
"""Set while guests that other threads look after are to be ended: who waits for one hears of it."""
UP = "drmsqueeze-init: up"
"""What the guest prints once its modules are loaded."""
WAITS = "drmsqueeze-agent: waits for its request"
"""What the guest prints while its ring is empty (agent/awaited.h)."""
BOOT_TIMEOUT_S = 120.0
# QEMU's escape for a serial BREAK on a multiplexed character device; the kernel takes the byte after it as a sysrq.
BREAK = b"\x01b"
# Under record/replay an instruction takes 2^3 ns of the guest's time, about what TCG achieves, and a guest with nothing to do sleeps (the
# default, not sleep=off): so its time goes about as the host's, limits in the host's time hold, and evidence is taken while it lasts.
ICOUNT = "shift=3"
QUIT_S = 30.0
# Saving and restoring take some tenths of a second; these are for a machine that does much else.
SAVE_S = 60.0
RESTORE_S = 60.0
SAVE_BYTES_PER_S = 1 << 40
TYPING_S = 2.0


@dataclass(frozen=True)
class Hardware:
    """What the guest is given; memory that a debug kernel needs for itself comes on top (Guest.ram_mib())."""

    ram_mib: int = 256
    vcpus: int = 2
    zram_mib: int = 192
    devices: tuple[str, ...] = ()
    """QEMU's -device options for the drivers under test."""


@dataclass(frozen=True)
class Recording:
    """That QEMU writes down all that the guest's execution depends on beside its files, so that it can be replayed (exact.py).

    Time is then what the guest's instructions take: `icount` are QEMU's options for that. It needs one virtual CPU and TCG.
    """

    log: Path
    icount: str = ICOUNT


@dataclass(frozen=True)
class Snapshot:
    """A guest that was saved while it waited for its request; `text` is what it had printed by then."""

    id: str
    """From the content of `state`."""
    state: Path
    text: str


def option(path: Path | str) -> str:
    """A path as part of one of QEMU's comma-separated options."""
    return str(path).replace(",", ",,")


def _unread_by_peer(line: socket.socket) -> int:
    """How much of what was sent over a UNIX socket its peer has not read; nothing of it where that is 0 (unix(7), SIOCOUTQ)."""
    count = array.array("i", [0])
    fcntl.ioctl(line, termios.TIOCOUTQ, count)
    return count[0]


class Vm:
    """A guest under way. Use it as a context: leaving it ends QEMU and removes the sockets."""

    def __init__(self, guest: Guest, accelerator: str, hardware: Hardware, modules: Sequence[str], console_log: Path | None,
                 *, mode: str = "agent", command: str = "", ring: Path | None = None,
                 arguments: Mapping[str, str] | None = None, recording: Recording | None = None,
                 snapshot: Snapshot | None = None) -> None:
        """`modules` are loaded in order, each `NAME[:PARAMETER=VALUE]`; `mode` is init's (lab/guest/init); `arguments` are more of
        the kernel's command line.

        Without `console_log` the guest's console is this process's terminal. A guest with `recording` has one virtual CPU and a
        console that nobody can type on. Raises InfrastructureError where QEMU does not start to record.

        With `snapshot` the guest does not boot: it was saved with the very same arguments, and stands still until `resume()`; what
        lies in the ring by then is overwritten. Raises InfrastructureError where QEMU does not restore it, OSError where it cannot be
        read. The console log then begins with what the guest had printed before it was saved.
        """
        self._scratch = Path(tempfile.mkdtemp(prefix="drmsqueeze-vm-"))
        self._console_socket = self._scratch / "console"
        self.monitor_socket, self.events_socket = self._scratch / "monitor", self._scratch / "qmp"
        self._monitor: Monitor | None = None
        self.console_log = console_log
        self.recording = recording
        self.snapshot = snapshot
        kernel_arguments = {
            "console": "ttyS0", "panic": "-1", "loglevel": "4", "random.trust_cpu": "1", "no_timer_check": "1", "drmsqueeze.mode": mode,
            "drmsqueeze.modules": ",".join(modules), "drmsqueeze.zram_mib": str(hardware.zram_mib),
            "drmsqueeze.command": command.replace(" ", "+"), "drmsqueeze.await": "1" if ring else "", **(arguments or {}),
        }
        command_line = [
            QEMU, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-machine", "pc", "-accel", accelerator,
            "-cpu", "host" if accelerator == "kvm" else "max", "-smp", str(1 if recording else hardware.vcpus),
            "-m", str(guest.ram_mib(hardware.ram_mib)),
            "-kernel", str(guest.kernel.image), "-initrd", str(guest.initramfs),
            "-append", " ".join(f"{name}={value}" for name, value in kernel_arguments.items() if value), "-device", "pvpanic-pci",
            "-qmp", f"unix:{option(self.events_socket)},server=on,wait=off",
        ]
        command_line += [word for device in hardware.devices for word in ("-device", device)]
        if console_log is None:
            command_line += ["-serial", "mon:stdio"]
        elif recording:
            # A BREAK or a character on the serial line is not among what QEMU records; keys of the keyboard are.
            command_line += ["-chardev", f"file,id=console,path={option(console_log)}", "-serial", "chardev:console",
                             "-qmp", f"unix:{option(self.monitor_socket)},server=on,wait=off",
                             "-icount", f"{recording.icount},rr=record,rrfile={option(recording.log)}"]
        else:
            command_line += ["-chardev", f"socket,id=console,path={option(self._console_socket)},server=on,wait=off,mux=on,"
                             f"logfile={option(console_log)},logappend={'on' if snapshot else 'off'}", "-serial", "chardev:console",
                             "-qmp", f"unix:{option(self.monitor_socket)},server=on,wait=off"]
        if ring:
            # Nothing but the "master" of shared memory can be saved with the guest.
            command_line += ["-object", f"memory-backend-file,id=ring,share=on,mem-path={option(ring)},size={ring.stat().st_size}",
                             "-device", "ivshmem-plain,memdev=ring,master=on"]
        self._events = Events(self.events_socket)
        self._stderr = (self._scratch / "stderr").open("w+")
        self.command_line = command_line
        """QEMU's, without what sees to it that no guest outlives us."""
        try:
            with ExitStack() as files:
                passed = []
                if snapshot and console_log:
                    passed = [files.enter_context(snapshot.state.open("rb")).fileno()]
                    command_line += ["-incoming", f"fd:{passed[0]}"]
                    console_log.write_text(snapshot.text)
                self.started = time.monotonic()
                silent = None if console_log is None else subprocess.DEVNULL
                self.process = subprocess.Popen([*UNTIL_WE_DIE, *command_line], stdin=silent, stdout=silent,
                                                stderr=None if console_log is None else self._stderr, pass_fds=passed)
        except BaseException:
            self._forget()
            raise
        try:
            if recording:
                self._monitor = Monitor(self.monitor_socket, self.process)
            elif snapshot:
                self._wait_restored()
        except BaseException as error:
            complaint = self.complaint()
            self.__exit__(None, None, None)
            if isinstance(error, InfrastructureError | OSError):
                raise InfrastructureError(f"{error}; {complaint}") from None
            raise

    def _wait_restored(self) -> None:
        with closing(Monitor(self.monitor_socket, self.process)) as monitor:
            until = time.monotonic() + RESTORE_S
            while (status := monitor.do("query-status")["status"]) != "paused":
                if time.monotonic() > until:
                    raise InfrastructureError(f"the guest is not restored after {RESTORE_S:.0f} s (QEMU: {status})")
                time.sleep(0.005)

    def resume(self) -> None:
        """Let a restored guest go on. Raises OSError where QEMU is gone, InfrastructureError where it refuses."""
        with closing(Monitor(self.monitor_socket, self.process)) as monitor:
            monitor.do("cont")

    def save(self, state: Path) -> None:
        """Write the guest's state into a file; it stands still from then on. Raises InfrastructureError where QEMU cannot, with its reason."""
        with closing(Monitor(self.monitor_socket, self.process)) as monitor:
            monitor.do("stop")  # or memory is sent twice, and the guest goes on by itself once it is restored
            monitor.do("migrate-set-parameters", **{"max-bandwidth": SAVE_BYTES_PER_S})
            with state.open("wb") as file:  # not through a program: when that is done with it QEMU does not say
                monitor.hand_over(file.fileno(), "state")
            monitor.do("migrate", uri="fd:state")
            until = time.monotonic() + SAVE_S
            while (done := monitor.do("query-migrate"))["status"] != "completed":
                if done["status"] in ("failed", "cancelled") or time.monotonic() > until:
                    raise InfrastructureError(f"the guest is not saved (QEMU: {done['status']}, {done.get('error-desc', 'no reason given')})")
                time.sleep(0.01)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.kill()
        self._forget()

    def _forget(self) -> None:
        self._stderr.close()
        self._events.close()
        shutil.rmtree(self._scratch, ignore_errors=True)

    @property
    def exit_status(self) -> int | None:
        """QEMU's, or None while it runs. Raises KeyboardInterrupt where all guests of this process are to be ended (HALTED)."""
        if HALTED.is_set():
            raise KeyboardInterrupt
        return self.process.poll()

    @property
    def powers_off(self) -> bool:
        return True

    @property
    def over(self) -> str | None:
        status = self.exit_status
        return None if status is None else "killed" if status < 0 else "poweroff-without-bye"

    @property
    def deserted(self) -> bool:
        return False  # the guest powers off then

    def silence(self, answered: bool) -> str:
        """Records come through memory that outlives the guest: where there are none, none were written."""
        return "silent"

    def kill(self) -> None:
        """End QEMU at once, whatever the guest is doing; one that records finishes its log before."""
        if self._monitor and self.process.poll() is None:
            with suppress(OSError, InfrastructureError):
                self._monitor.do("quit")
            self.wait_for_end(QUIT_S)
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    @property
    def instructions(self) -> int | None:
        """How many instructions the guest has executed, where that is recorded and QEMU still there."""
        try:
            return self._monitor.instructions if self._monitor else None
        except OSError:
            return None

    def wait_for_end(self, limit_s: float) -> None:
        """Until QEMU has ended, but not longer than this."""
        wait(lambda: self.exit_status is not None, limit_s)

    def panics(self) -> list[str]:
        """What QEMU was newly told by the guest's pvpanic device, without a console: "panicked", "crashloaded"."""
        names = {"GUEST_PANICKED": "panicked", "GUEST_CRASHLOADED": "crashloaded"}
        return [names[event["event"]] for event in self._events.read() if event["event"] in names]

    def console(self) -> str:
        """All that the guest has printed up to now."""
        if self.console_log is None or not self.console_log.exists():
            return ""
        return self.console_log.read_text(errors="replace")

    def complaint(self) -> str:
        """What QEMU itself said on standard error, and the end of the guest's console; for messages."""
        self._stderr.seek(0)
        said = self._stderr.read().strip()
        return (f"QEMU said: {said}\n" if said else "") + last_lines(self.console())

    def type(self, text: str) -> None:
        """Type on the guest's serial console. Raises OSError where QEMU is gone."""
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(str(self._console_socket))
            line.sendall(text.encode())
            # QEMU drops what it has not read when the connection ends. It must end soon after: while it stands, output goes to it too,
            # and QEMU logs again what it must write again because nobody has read what was before: doubled characters on the console.
            until = time.monotonic() + TYPING_S
            while time.monotonic() < until and _unread_by_peer(line):
                time.sleep(0.001)

    def sysrq(self, keys: str) -> bool:
        """Send magic sysrq keys over the serial console (by the keyboard where QEMU records), and wait until what they print has ended.

        Returns whether the guest answered every key: with its interrupts off it cannot.
        """
        return all([press_sysrq(lambda: self._press(key), lambda: self.console().count("sysrq: "), lambda: len(self.console())) for key in keys])

    def _press(self, key: str) -> bool:
        """A sysrq key; False where QEMU is gone."""
        try:
            if self._monitor:
                self._monitor.press("alt", "sysrq", key)
            else:
                self.type(BREAK.decode())
                self.type(key)
        except OSError:
            return False
        return True

    def wait_up(self, limit_s: float = BOOT_TIMEOUT_S, said: str = UP) -> float:
        """Seconds from QEMU's start until the guest is up, or has `said` something else.

        Raises InfrastructureError where that does not come in time.
        """
        while said not in self.console():
            elapsed = time.monotonic() - self.started
            if self.exit_status is not None or elapsed > limit_s:
                what = f"ended with status {self.exit_status}" if self.exit_status is not None else f"is not up after {limit_s:.0f} s"
                raise InfrastructureError(f"the guest {what}; {self.complaint()}")
            time.sleep(0.02)
        return time.monotonic() - self.started


def run_command(guest: Guest, accelerator: str, command: str, modules: Sequence[str] = (), limit_s: float = BOOT_TIMEOUT_S,
                hardware: Hardware = Hardware(), recording: Recording | None = None) -> str:
    """Boot, run one program of the image with these words, power off; the console's text.

    Raises InfrastructureError where the guest does not come up, or is not done within `limit_s`.
    """
    with tempfile.TemporaryDirectory() as scratch:
        log = Path(scratch) / "console.log"
        with Vm(guest, accelerator, hardware, modules, log, mode="command", command=command, recording=recording) as vm:
            vm.wait_up(limit_s)
            try:
                vm.process.wait(limit_s)
            except subprocess.TimeoutExpired:
                raise InfrastructureError(f"`{command}` in the guest was not done after {limit_s:.0f} s; {vm.complaint()}") from None
            return vm.console()


def qemu_version() -> str:
    """The first line of what QEMU says of its version."""
    return subprocess.run([QEMU, "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]


def shell(guest: Guest, accelerator: str, modules: Sequence[str]) -> int:
    """An interactive shell in the guest on this terminal; returns QEMU's exit status."""
    with Vm(guest, accelerator, Hardware(), modules, None, mode="shell") as vm:
        progress.say("QEMU: " + shlex.join(vm.command_line))
        return vm.process.wait()
