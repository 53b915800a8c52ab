# SPDX-License-Identifier: MIT
"""Runs inside gdb, attached to a guest with the lab kernel: symbols of the loaded modules, and stacks of tasks.

The lab kernel has frame pointers and no debug information; types come from lab/gdb/types.c, names from the symbol tables.
`$drmsqueeze_modules` names a JSON file: for each module of ours its .ko (exact.py).
"""

import json
from collections.abc import Iterator

import gdb

# include/linux/sched.h
TASK_UNINTERRUPTIBLE = 2
TASK_NOLOAD = 0x400
STACK_BYTES = 8 << 12  # arch/x86/include/asm/page_64_types.h: THREAD_SIZE with KASAN; a limit only
MAX_FRAMES = 40
MOD_TEXT, MOD_DATA, MOD_RODATA = 0, 1, 2  # include/linux/module.h, enum mod_mem_type


def _offset(struct: str, member: str) -> int:
    return next(int(field.bitpos) // 8 for field in gdb.lookup_type(f"struct {struct}").fields() if field.name == member)


def _at(struct: str, address: int) -> gdb.Value:
    return gdb.Value(address).cast(gdb.lookup_type(f"struct {struct}").pointer())


def _listed(head: int, struct: str, member: str) -> Iterator[gdb.Value]:
    """The entries of a list_head at address `head`, without the head."""
    offset = _offset(struct, member)
    node = _at("list_head", head)["next"]
    while int(node) != head:
        yield _at(struct, int(node) - offset)
        node = node["next"]


def _address(symbol: str) -> int:
    return int(gdb.parse_and_eval(f"(unsigned long)&{symbol}"))


def _symbol(address: int) -> str:
    """NAME+OFFSET of a place in the kernel or a module; its address alone where nobody knows it."""
    text = gdb.execute(f"info symbol {address:#x}", to_string=True)
    if text.startswith("No symbol"):
        return f"{address:#x}"
    return text.split(" in section ")[0].replace(" ", "")


def modules() -> Iterator[tuple[str, gdb.Value]]:
    """The loaded modules, by name."""
    for module in _listed(_address("modules"), "module", "list"):
        yield module["name"].string(), module


def tasks() -> Iterator[gdb.Value]:
    """All threads of the guest."""
    for process in _listed(_address("init_task") + _offset("task_struct", "tasks"), "task_struct", "tasks"):
        yield from _listed(int(process["signal"]) + _offset("signal_struct", "thread_head"), "task_struct", "thread_node")


def stack(task: gdb.Value) -> list[str]:
    """Where a task that does not run will go on, innermost first: along its frame pointers."""
    frame = _at("inactive_task_frame", int(task["thread"]["sp"]))
    low = int(task["stack"])
    places, base = [_symbol(int(frame["ret_addr"]))], int(frame["bp"])
    word = gdb.lookup_type("unsigned long").pointer()
    while low <= base < low + STACK_BYTES - 16 and len(places) < MAX_FRAMES:
        pair = gdb.Value(base).cast(word)
        if int(pair[1]) == 0:  # the outermost frame, copy_thread() in arch/x86/kernel/process.c
            break
        places.append(_symbol(int(pair[1])))
        if int(pair[0]) <= base:
            break
        base = int(pair[0])
    return places


class Symbols(gdb.Command):
    """drmsqueeze-symbols: read the symbols of the modules that the guest has loaded by now."""

    def __init__(self) -> None:
        super().__init__("drmsqueeze-symbols", gdb.COMMAND_FILES)

    def invoke(self, argument: str, from_tty: bool) -> None:
        with open(gdb.convenience_variable("drmsqueeze_modules").string()) as file:
            files = json.load(file)
        for name, module in modules():
            if name not in files:
                continue
            # The kernel lays out sections of one kind in the order of the file: .text, .data and .rodata are the first of theirs.
            text, data = (int(module["mem"][kind]["base"]) for kind in (MOD_TEXT, MOD_DATA))
            gdb.execute(f"add-symbol-file {files[name]} {text:#x} -s .data {data:#x}", to_string=True)


class Tasks(gdb.Command):
    """drmsqueeze-tasks [all]: tasks in D state, or all, with their stacks."""

    def __init__(self) -> None:
        super().__init__("drmsqueeze-tasks", gdb.COMMAND_STACK)

    def invoke(self, argument: str, from_tty: bool) -> None:
        for task in tasks():
            state = int(task["__state"])
            blocked = state & TASK_UNINTERRUPTIBLE and not state & TASK_NOLOAD
            if not blocked and argument != "all":
                continue
            print(f"{task['comm'].string()} [{int(task['pid'])}] state {state:#x}")
            for place in stack(task):
                print(f"    {place}")


Symbols()
Tasks()
