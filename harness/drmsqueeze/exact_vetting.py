# SPDX-License-Identifier: MIT
"""Whether what a recording says, which may come from a stranger's bundle, is what we write into one: it is executed here."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from drmsqueeze import targets
from drmsqueeze.errors import UsageError
from drmsqueeze.machines.vm import QEMU

_DEVICES = ("pvpanic-pci", "ivshmem-plain,memdev=ring", "ivshmem-plain,memdev=ring,master=on",
            *(target.device for target in targets.TARGETS.values() if target.device))
# The words of a recording's command line, which may come from a stranger: as Vm gives them, with no file but those that we put there.
_WORDS: Mapping[str, str | None] = {
    "-nodefaults": None, "-no-user-config": None, "-no-reboot": None, "-display": "none", "-machine": "pc", "-accel": "tcg|kvm", "-cpu": "max|host",
    "-smp": "[0-9]+", "-m": "[0-9]+", "-kernel": "@kernel@", "-initrd": "@initramfs@", "-append": "[^@]*",
    "-qmp": "unix:@(events|monitor)@,server=on,wait=off", "-chardev": "file,id=console,path=@console@", "-serial": "chardev:console",
    "-icount": "shift=[a-z0-9]+(,(align|sleep)=(on|off))*,rr=record,rrfile=@log@",
    "-object": "memory-backend-file,id=ring,share=on,mem-path=@ring@,size=[0-9]+",
    "-device": "|".join(map(re.escape, _DEVICES)),
}
_IN_CACHE = re.compile(r"[A-Za-z0-9_+-][A-Za-z0-9._+-]*(/[A-Za-z0-9_+-][A-Za-z0-9._+-]*)*")


def refuse_strange(document: Mapping[str, Any], file: Path) -> None:
    """Raises UsageError for what no recording of ours has: QEMU's words may run programs and write files, and gdb's too."""
    command = [str(word) for word in document["command"]]
    rest = iter(command[1:])
    strange = command[:1] != [QEMU]
    for word in rest:
        rule = _WORDS.get(word, "")
        value = "" if rule is None else next(rest, "")
        strange |= rule == "" or not re.fullmatch(rule or "", value)
    if strange:
        raise UsageError(f"{file}: /command: found {' '.join(command)[:200]!r}; expected QEMU's as `drmsqueeze run --record` writes it")
    symbols = document["symbols"]
    places = [*document["files"].items(), ("vmlinux", symbols["vmlinux"]), *symbols["modules"].items(), ("kernel", {"path": symbols["kernel"]})]
    for name, place in places:
        for text in (name, place.get("path", "")):
            if text and not _IN_CACHE.fullmatch(text):
                raise UsageError(f"{file}: found {text!r}; expected the name or the place of a file in the cache")
