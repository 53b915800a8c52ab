# SPDX-License-Identifier: MIT
"""Commands on a board, through ssh, or on this machine itself. What is run there are fixed words and places from the board's file, each
quoted; scenarios travel on standard input and never reach a shell."""

import shlex
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence

from drmsqueeze.errors import InfrastructureError
from drmsqueeze.machines.board_file import BoardFile
from drmsqueeze.machines.machine import UNTIL_WE_DIE

SSH_FAILED = 255
"""ssh's exit status where it is ssh itself that failed (ssh(1))."""
RETRY_S = 1.0


class LinkError(InfrastructureError):
    """The board is not reached."""


class HostKeyError(InfrastructureError):
    """Somebody answers there who is not the board that we know. Nothing is tried again."""


class Link(ABC):
    """The way to a board."""

    def __init__(self, board: BoardFile) -> None:
        self._board = board

    @abstractmethod
    def argv(self, words: Sequence[str]) -> list[str]:
        """What to run here to run these words there; `words` may hold anything, the board sees each as one word."""

    @abstractmethod
    def run(self, words: Sequence[str], given: bytes = b"", limit_s: float | None = None) -> subprocess.CompletedProcess[bytes]:
        """Run to the end. Raises LinkError where the board is not reached or does not answer in time, HostKeyError for a wrong key."""

    def output(self, words: Sequence[str], given: bytes = b"", limit_s: float | None = None) -> str:
        """Standard output. Raises as `run`, and InfrastructureError where the command fails."""
        done = self.run(words, given, limit_s)
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip()
            raise InfrastructureError(f"{self._board.title}: {words[0]} ended with status {done.returncode}: {said}")
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


class LocalLink(Link):
    """The machine that we run on."""

    def argv(self, words: Sequence[str]) -> list[str]:
        return [*UNTIL_WE_DIE, *words]

    def run(self, words: Sequence[str], given: bytes = b"", limit_s: float | None = None) -> subprocess.CompletedProcess[bytes]:
        limit_s = limit_s or self._board.limits.command
        try:
            return subprocess.run(self.argv(words), input=given, capture_output=True, timeout=limit_s)
        except subprocess.TimeoutExpired:
            raise LinkError(f"{self._board.title}: {words[0]} did not end within {limit_s:.0f} s") from None
        except OSError as error:
            raise InfrastructureError(f"{self._board.title}: {error}") from None


class SshLink(Link):
    """Nothing is asked of a user, and no host key is taken on trust."""

    def argv(self, words: Sequence[str]) -> list[str]:
        ssh, limits = self._board.ssh, self._board.limits
        assert ssh
        options = {
            "BatchMode": "yes", "StrictHostKeyChecking": "yes", "ConnectTimeout": f"{max(1, round(limits.connect))}", "ConnectionAttempts": "1",
            "ServerAliveInterval": "5", "ServerAliveCountMax": "3", "ForwardAgent": "no", "ForwardX11": "no", "PermitLocalCommand": "no",
            "ControlPath": "none", "LogLevel": "ERROR", "UpdateHostKeys": "no",
        }
        if ssh.known_hosts:
            options |= {"UserKnownHostsFile": str(ssh.known_hosts), "GlobalKnownHostsFile": "/dev/null"}
        if ssh.identity:
            options |= {"IdentitiesOnly": "yes"}
        return [*UNTIL_WE_DIE, "ssh", "-T", *(word for name, value in options.items() for word in ("-o", f"{name}={value}")),
                *(("-i", str(ssh.identity)) if ssh.identity else ()), *(("-p", str(ssh.port)) if ssh.port else ()),
                "-l", ssh.user, "--", ssh.host, shlex.join(words)]

    def run(self, words: Sequence[str], given: bytes = b"", limit_s: float | None = None) -> subprocess.CompletedProcess[bytes]:
        limit_s = limit_s or self._board.limits.command
        try:
            done = subprocess.run(self.argv(words), input=given, capture_output=True, timeout=limit_s)
        except subprocess.TimeoutExpired:
            raise LinkError(f"{self._board.title}: no answer to a command within {limit_s:.0f} s") from None
        if done.returncode < 0:  # whether the board has carried it out is not known
            raise LinkError(f"{self._board.title}: ssh was killed by signal {-done.returncode}")
        if done.returncode == SSH_FAILED:
            said = done.stderr.decode(errors="replace").strip()
            if "Host key verification failed" in said or "host key is known" in said:
                raise HostKeyError(f"{self._board.title}: its host key is not the one that is known: {said}")
            raise LinkError(f"{self._board.title}: ssh: {said}")
        return done
