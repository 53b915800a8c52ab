# SPDX-License-Identifier: MIT
"""Commands on a board, through ssh. What is run there are fixed words and places from the board's file, each quoted; scenarios travel on
standard input and never reach a shell."""

import shlex
import subprocess
import time
from collections.abc import Sequence

from drmsqueeze.errors import InfrastructureError
from drmsqueeze.machines.board_file import BoardFile

SSH_FAILED = 255
"""ssh's exit status where it is ssh itself that failed (ssh(1))."""
RETRY_S = 1.0


class LinkError(InfrastructureError):
    """The board is not reached."""


class HostKeyError(InfrastructureError):
    """Somebody answers there who is not the board that we know. Nothing is tried again."""


class SshLink:
    """The way to a board. Nothing is asked of a user, and no host key is taken on trust."""

    def __init__(self, board: BoardFile) -> None:
        self._board = board

    def argv(self, words: Sequence[str]) -> list[str]:
        """What to run here to run these words there; `words` may hold anything, the board's shell sees each as one word."""
        ssh, limits = self._board.ssh, self._board.limits
        options = {
            "BatchMode": "yes", "StrictHostKeyChecking": "yes", "ConnectTimeout": f"{max(1, round(limits.connect))}", "ConnectionAttempts": "1",
            "ServerAliveInterval": "5", "ServerAliveCountMax": "3", "ForwardAgent": "no", "ForwardX11": "no", "PermitLocalCommand": "no",
            "ControlPath": "none", "LogLevel": "ERROR", "UpdateHostKeys": "no",
        }
        if ssh.known_hosts:
            options |= {"UserKnownHostsFile": str(ssh.known_hosts), "GlobalKnownHostsFile": "/dev/null"}
        if ssh.identity:
            options |= {"IdentitiesOnly": "yes"}
        return ["ssh", "-T", *(word for name, value in options.items() for word in ("-o", f"{name}={value}")),
                *(("-i", str(ssh.identity)) if ssh.identity else ()), *(("-p", str(ssh.port)) if ssh.port else ()),
                "-l", ssh.user, "--", ssh.host, shlex.join(words)]

    def run(self, words: Sequence[str], given: bytes = b"", limit_s: float | None = None) -> subprocess.CompletedProcess[bytes]:
        """Run to the end. Raises LinkError where the board is not reached or does not answer in time, HostKeyError for a wrong key."""
        limit_s = limit_s or self._board.limits.command
        try:
            done = subprocess.run(self.argv(words), input=given, capture_output=True, timeout=limit_s)
        except subprocess.TimeoutExpired:
            raise LinkError(f"board {self._board.name}: no answer to a command within {limit_s:.0f} s") from None
        if done.returncode == SSH_FAILED:
            said = done.stderr.decode(errors="replace").strip()
            if "Host key verification failed" in said or "host key is known" in said:
                raise HostKeyError(f"board {self._board.name}: its host key is not the one that is known: {said}")
            raise LinkError(f"board {self._board.name}: ssh: {said}")
        return done

    def output(self, words: Sequence[str], given: bytes = b"", limit_s: float | None = None) -> str:
        """Standard output. Raises as `run`, and InfrastructureError where the command fails."""
        done = self.run(words, given, limit_s)
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip()
            raise InfrastructureError(f"board {self._board.name}: {words[0]} ended with status {done.returncode}: {said}")
        return done.stdout.decode(errors="replace")

    def wait_up(self, limit_s: float, words: Sequence[str]) -> str:
        """Until these words work there; what they print. Raises LinkError with the last reason, HostKeyError at once."""
        until = time.monotonic() + limit_s
        while True:
            try:
                return self.output(words, limit_s=max(1.0, min(self._board.limits.command, limit_s)))
            except HostKeyError:
                raise
            except InfrastructureError as error:
                if time.monotonic() > until:
                    raise LinkError(f"{error} (for {limit_s:.0f} s)") from None
            time.sleep(RETRY_S)
