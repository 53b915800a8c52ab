# SPDX-License-Identifier: MIT
"""QEMU's monitor: its machine protocol, QMP, on a Unix socket (QEMU, docs/interop/qmp-spec)."""

import json
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from drmsqueeze.errors import InfrastructureError

CONNECT_S = 30.0


class Monitor:
    """A connection to the monitor of a QEMU. Nothing said here is part of what QEMU records."""

    def __init__(self, path: Path, qemu: subprocess.Popen[bytes] | None = None) -> None:
        """Of a QEMU that was started a moment ago, or of another's, which listens by now.

        Raises InfrastructureError where nobody listens there within CONNECT_S, or QEMU ends.
        """
        self._socket = socket.socket(socket.AF_UNIX)
        until = time.monotonic() + CONNECT_S
        while True:
            try:
                self._socket.connect(str(path))
                break
            except OSError as error:
                if time.monotonic() > until or qemu is None or qemu.poll() is not None:
                    self._socket.close()
                    raise InfrastructureError(f"QEMU's monitor does not answer on {path}: {error}") from None
                time.sleep(0.02)
        self._file = self._socket.makefile("rw")
        self._file.readline()  # the greeting
        self.do("qmp_capabilities")

    def close(self) -> None:
        self._file.close()
        self._socket.close()

    def hand_over(self, fd: int, name: str) -> None:
        """Give QEMU an open file, which commands after this call `fd:NAME`. Raises as `do`."""
        self._send("getfd", {"fdname": name}, [fd])

    def do(self, command: str, **arguments: Any) -> Any:
        """What a command returns. Raises OSError where QEMU is gone, InfrastructureError where it refuses."""
        return self._send(command, arguments)

    def _send(self, command: str, arguments: Mapping[str, Any], fds: Sequence[int] = ()) -> Any:
        socket.send_fds(self._socket, [(json.dumps({"execute": command, "arguments": arguments}) + "\n").encode()], fds)
        while line := self._file.readline():
            answer = json.loads(line)
            if "error" in answer:
                raise InfrastructureError(f"QEMU refuses {command}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]
        raise ConnectionError(f"QEMU ended while it did {command}")

    @property
    def instructions(self) -> int:
        """How many instructions the guest has executed; 0 where QEMU neither records nor replays."""
        return int(self.do("query-replay")["icount"])

    def press(self, *keys: str) -> None:
        """Press keys of the guest's keyboard together; by their names in QEMU (QKeyCode)."""
        self.do("send-key", keys=[{"type": "qcode", "data": key} for key in keys])
