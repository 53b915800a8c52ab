# SPDX-License-Identifier: MIT
"""QEMU's monitor protocol (docs/interop/qmp-spec), as much as it takes to hear what QEMU says of its guest."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# QEMU sends no event before this, and no answer is waited for.
HELLO = b'{"execute": "qmp_capabilities"}\n'


class Events:
    """The events of one QEMU. Nothing here blocks, and what QEMU said before it ended can still be read afterwards."""

    def __init__(self, path: Path) -> None:
        """`path` is the socket, which need not exist yet."""
        self._path = path
        self._line: socket.socket | None = None
        self._rest = b""

    def _connect(self) -> socket.socket | None:
        if self._line is None:
            line = socket.socket(socket.AF_UNIX)
            try:
                line.connect(str(self._path))
                line.sendall(HELLO)
            except OSError:
                line.close()
                return None
            line.setblocking(False)
            self._line = line
        return self._line

    def read(self) -> Iterator[dict[str, Any]]:
        """The events that are new."""
        line = self._connect()
        while line:
            try:
                more = line.recv(65536)
            except OSError:  # nothing there, or QEMU is gone
                break
            if not more:
                break
            self._rest += more
        *whole, self._rest = self._rest.split(b"\n")
        for text in whole:
            try:
                message = json.loads(text)
            except ValueError:
                continue
            if isinstance(message, dict) and "event" in message:
                yield message

    def close(self) -> None:
        """No more events."""
        if self._line:
            self._line.close()
