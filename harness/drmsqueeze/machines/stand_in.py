# SPDX-License-Identifier: MIT
"""The stand-in board: a QEMU guest that the harness reaches only as it would reach a board.

It has ssh on loopback, a serial console on a socket, and a power switch (a command that speaks QMP; this module, run as a program).
What a harness must know of it stands in its board.json, as for any board. It can be told to misbehave, through a serial port that the
harness does not know of. Its network card is e1000, whose driver is built from the kernel's own source (lab/net).
"""

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from drmsqueeze import guest as guests
from drmsqueeze.errors import InfrastructureError
from drmsqueeze.guest import Guest
from drmsqueeze.kernels import LAB
from drmsqueeze.machines.qmp import Monitor
from drmsqueeze.machines.vm import QEMU, UNTIL_WE_DIE, Hardware, option
from drmsqueeze.modules import build_network

DROPBEAR = Path("/usr/sbin/dropbear")
BOARD = LAB / "guest" / "board"
MARK = "etc/drmsqueeze-target"
# Memory that a reset does not clear, for the kernel's last words (Documentation/admin-guide/ramoops.rst): above the kernel, and below the
# initramfs, which QEMU puts at the end of memory and writes again at every reset.
RAMOOPS = {"memmap": "0x100000$0x6000000", "ramoops.mem_address": "0x6000000", "ramoops.mem_size": "0x100000", "ramoops.record_size": "0x10000"}
# What QEMU takes for a BREAK on a console that is shared (mux).
BREAK = "\u0001b"
POLL_S = 0.05
QUIT_S = 10.0


def _free_port() -> int:
    with socket.socket() as line:
        line.bind(("127.0.0.1", 0))
        return int(line.getsockname()[1])


def switch(directory: Path, position: str) -> None:
    """The power switch: `on`, `off` or `cycle`. Returns once the power is as wanted, which says nothing of the board."""
    if position in ("off", "cycle"):
        (directory / "power").write_text("off")
        with suppress(OSError, InfrastructureError), closing(Monitor(directory / "qmp")) as monitor:
            monitor.do("quit")
        until = time.monotonic() + QUIT_S
        while (directory / "running").exists() and time.monotonic() < until:
            time.sleep(POLL_S)
    if position in ("on", "cycle"):
        (directory / "power").write_text("on")


class StandIn:
    """A stand-in board with its power supply. Use it as a context; it is off at first."""

    def __init__(self, kernels: Mapping[str, Guest], accelerator: str, time_scale: float, *, modules: Sequence[str] = (),
                 models: Sequence[str] = (), hardware: Hardware = Hardware(vcpus=2), target: bool = True, panic_s: int = 2,
                 console_port: bool = False) -> None:
        """`modules` are loaded at boot, `models` are those of them that are GPU models. Not a `target`: it has no /etc/drmsqueeze-target.

        `panic_s`: the kernel resets the board so long after a panic; 0: it stands still. The first of `kernels` is its own.
        `console_port`: its console is on a TCP port, and not on a Unix socket.
        """
        self.directory = Path(tempfile.mkdtemp(prefix="drmsqueeze-board-"))
        self.port = _free_port()
        self.console_port = _free_port() if console_port else None
        self._kernels, self._accelerator, self._modules, self._hardware = kernels, accelerator, modules, hardware
        self._panic_s = panic_s
        self.slow_s, self.dead = 0, False
        """What it does at the next boots: takes so much longer, or never comes up."""
        self.boots = 0
        self._closing = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        (self.directory / "disk").mkdir()
        (self.directory / "power").write_text("off")
        (self.directory / "kernel").write_text(next(iter(kernels)))
        self._make_keys()
        self._images = {name: self._image(guest, target) for name, guest in kernels.items()}
        self.file = self.directory / "board.json"
        self.file.write_text(json.dumps(self._description(time_scale, models), indent=1) + "\n")
        self._supply = threading.Thread(target=self._supply_power, name="stand-in", daemon=True)

    def _make_keys(self) -> None:
        for program in (DROPBEAR, Path("/usr/bin/ssh-keygen")):
            if not program.exists():
                raise InfrastructureError(f"{program} is missing; install the packages of debian-packages.txt")
        host_key = self.directory / "host_key"
        subprocess.run(["dropbearkey", "-t", "ed25519", "-f", host_key], check=True, capture_output=True)
        told = subprocess.run(["dropbearkey", "-y", "-f", host_key], check=True, capture_output=True, text=True).stdout
        public = next(line for line in told.splitlines() if line.startswith("ssh-ed25519 "))
        (self.directory / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {' '.join(public.split()[:2])}\n")
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "harness", "-f", self.directory / "id"], check=True)

    def _image(self, guest: Guest, target: bool) -> Path:
        """The guest's image, with what makes it this board."""
        root = self.directory / "root"
        guests.install_programs(root, [(DROPBEAR, Path("bin/dropbear"))])
        for place, source in (("bin/board", BOARD), ("etc/dropbear/host_key", self.directory / "host_key"),
                              ("var/lib/board/.ssh/authorized_keys", self.directory / "id.pub"),
                              ("lib/board/e1000.ko", build_network(guest.kernel) / "e1000.ko")):
            (root / place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, root / place)
        (root / "etc/passwd").write_text("root:x:0:0:root:/var/lib/board:/bin/sh\n")
        if target:
            (root / MARK).write_text("A stand-in board of drmsqueeze.\n")
        image = self.directory / f"{guest.spec.name}.img"
        guests.pack(root, image, guest.initramfs)
        shutil.rmtree(root)
        return image

    def command(self, *words: str) -> list[str]:
        """A program that turns one of the board's switches: `on`, `off`, `cycle`, `kernel NAME`."""
        paths = os.pathsep.join(path for path in sys.path if path)
        return ["/usr/bin/env", f"PYTHONPATH={paths}", sys.executable, "-m", "drmsqueeze.machines.stand_in", str(self.directory), *words]

    def _description(self, time_scale: float, models: Sequence[str]) -> dict[str, Any]:
        return {
            "schema": "drmsqueeze.board/1", "name": "stand-in", "description": "A QEMU guest that is reached as a board is.",
            "ssh": {"host": "127.0.0.1", "port": self.port, "user": "root", "identity": "id", "known_hosts": "known_hosts"},
            "console": {"socket": f"127.0.0.1:{self.console_port}" if self.console_port else "console", "break": BREAK},
            "power": {position: self.command(position) for position in ("on", "off", "cycle")},
            "kernels": {name: {"boot": [self.command("kernel", name), self.command("cycle")], "release": guest.kernel.release}
                        for name, guest in self._kernels.items()},
            "limits_s": {"boot": 120, "connect": 15, "command": 60, "power": 30, "reset": 20},
            "time_scale": time_scale, "models": list(models),
        }

    def __enter__(self) -> Self:
        self._supply.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self._closing.set()
        self._supply.join()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _qemu(self) -> list[str]:
        kernel = (self.directory / "kernel").read_text()
        guest, place = self._kernels[kernel], {name: option(self.directory / name) for name in ("console", "qmp", "gremlin", "disk")}
        console = f"host=127.0.0.1,port={self.console_port}" if self.console_port else f"path={place['console']}"
        arguments = {
            "console": "ttyS0", "panic": str(self._panic_s), "loglevel": "4", "random.trust_cpu": "1", "no_timer_check": "1",
            "drmsqueeze.mode": "board", "drmsqueeze.modules": ",".join(guest.loadable(self._modules)),
            "drmsqueeze.zram_mib": str(self._hardware.zram_mib), "drmsqueeze.slow": str(self.slow_s),
            "drmsqueeze.dead": str(int(self.dead)), **RAMOOPS,
        }
        return [
            QEMU, "-nodefaults", "-no-user-config", "-display", "none", "-machine", "pc", "-accel", self._accelerator,
            "-cpu", "host" if self._accelerator == "kvm" else "max", "-smp", str(self._hardware.vcpus),
            "-m", str(guest.ram_mib(self._hardware.ram_mib)), "-kernel", str(guest.kernel.image), "-initrd", str(self._images[kernel]),
            "-append", " ".join(f"{name}={value}" for name, value in arguments.items() if value),
            "-qmp", f"unix:{place['qmp']},server=on,wait=off",
            "-chardev", f"socket,id=console,{console},server=on,wait=off,mux=on", "-serial", "chardev:console",
            "-chardev", f"socket,id=gremlin,path={place['gremlin']},server=on,wait=off", "-serial", "chardev:gremlin",
            "-netdev", f"user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{self.port}-:22", "-device", "e1000,netdev=net,romfile=",
            "-virtfs", f"local,path={place['disk']},mount_tag=disk,security_model=none", "-device", "i6300esb",
            *(word for device in self._hardware.devices for word in ("-device", device)),
        ]

    def _supply_power(self) -> None:
        """QEMU runs while the switch is on; a thread of its own, with which QEMU dies."""
        running = self.directory / "running"
        with (self.directory / "stderr").open("ab") as complaints:
            while not self._closing.wait(POLL_S):
                on = (self.directory / "power").read_text() == "on"
                if self._process and self._process.poll() is not None:
                    self._process = None
                    running.unlink(missing_ok=True)
                if on and not self._process:
                    self.boots += 1
                    running.touch()
                    self._process = subprocess.Popen([*UNTIL_WE_DIE, *self._qemu()], stdin=subprocess.DEVNULL, stdout=complaints,
                                                     stderr=complaints)
            if self._process:
                self._process.send_signal(signal.SIGKILL)
                self._process.wait()

    def press(self, position: str) -> None:
        """The power switch, by hand."""
        switch(self.directory, position)

    def kill(self) -> bool:
        """As where the power fails, and comes back: QEMU is killed, and the switch is on. Whether it ran."""
        process = self._process
        if process is None or process.poll() is not None:
            return False
        process.kill()
        return True

    def tell(self, misfortune: str) -> None:
        """Somebody inside the board: `panic`, `hang`, `reboot`, `flood`, `kill-agent` (lab/guest/board). Raises OSError where it is off."""
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(str(self.directory / "gremlin"))
            line.sendall(f"{misfortune}\n".encode())
            time.sleep(1.0)  # QEMU drops what the guest has not read when the connection ends

    def freeze(self) -> None:
        """All of it stands still from now on, its hardware watchdog too."""
        with closing(Monitor(self.directory / "qmp")) as monitor:
            monitor.do("stop")

    def unplug(self, unplugged: bool = True) -> None:
        """Pull the network cable, or put it back."""
        with closing(Monitor(self.directory / "qmp")) as monitor:
            monitor.do("set_link", name="net", up=not unplugged)


def main(arguments: Sequence[str] | None = None) -> int:
    """The power switch, and what chooses the kernel of the next boot, as programs."""
    parser = argparse.ArgumentParser(description="The switches of a stand-in board.")
    parser.add_argument("directory", type=Path)
    parser.add_argument("what", choices=("on", "off", "cycle", "kernel"))
    parser.add_argument("name", nargs="?")
    asked = parser.parse_args(arguments)
    if asked.what == "kernel":
        (asked.directory / "kernel").write_text(asked.name)
    else:
        switch(asked.directory, asked.what)
    return 0


if __name__ == "__main__":
    sys.exit(main())
