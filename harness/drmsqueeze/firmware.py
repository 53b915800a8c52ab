# SPDX-License-Identifier: MIT
"""Firmware images for CSF Malis, as panthor reads them (panthor_fw.c). Ours holds no code: the GPU model is the firmware, and the image only
describes the memory that it works in. And those for the two processors of an Adreno a200, which hold nothing at all."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntFlag

PANTHOR_PATH = "arm/mali/arch10.8/mali_csffw.bin"
"""Below /lib/firmware; the architecture is that of GPU_ID in lab/models/mali_csf_gpu.c."""

MSM_PATHS = ("qcom/yamato_pm4.fw", "qcom/yamato_pfp.fw")
"""Below /lib/firmware; those of a200 (adreno/a2xx_catalog.c)."""
MSM_IMAGE = b"".join(word.to_bytes(4, "little") for word in (0, 0x200000, 0, 0, 0, 0x200000))
"""The driver writes the words from the second on into registers, and takes the second for a version: 0 would be one without protection
(a2xx_hw_init())."""

MAGIC = 0xC3F13A6E
HEADER = struct.Struct("<IBBHIII")
"""magic, minor, major, padding, hash of the version, padding, where the entries end"""
ENTRY = struct.Struct("<IIIIII")
"""entry header (type in bits 7:0, size in bits 15:8), flags, va.start, va.end, data.start, data.end"""
PAGE = 4096


class Flags(IntFlag):
    """CSF_FW_BINARY_IFACE_ENTRY_RD_* of panthor_fw.c"""

    READ = 1 << 0
    WRITE = 1 << 1
    EXECUTE = 1 << 2
    CACHED = 1 << 3
    UNCACHED_COHERENT = 2 << 3
    SHARED = 1 << 30
    ZERO = 1 << 31


@dataclass(frozen=True)
class Section:
    """A range of the MCU's memory. With Flags.ZERO all behind `data` is cleared each time the driver loads it."""

    va: int
    size: int
    flags: Flags
    data: bytes = b""
    name: str = ""


# The interface between host and firmware (CSF_MCU_SHARED_REGION_START; its layout: lab/models/mali_csf_fw.h), and some memory with contents,
# which the driver has to load and, after a reset that was not clean, to load again.
MODEL_SECTIONS = (
    Section(0x04000000, 0x8000, Flags.READ | Flags.WRITE | Flags.UNCACHED_COHERENT | Flags.SHARED | Flags.ZERO, name="shared"),
    Section(0x00000000, 0x4000, Flags.READ | Flags.WRITE | Flags.EXECUTE | Flags.CACHED, b"the GPU model is the firmware\0", name="text"),
)


def image(sections: Sequence[Section] = MODEL_SECTIONS) -> bytes:
    """The image that describes these sections.

    Raises ValueError for what panthor_fw_load_section_entry() refuses or cannot mean: a section that does not consist of whole pages or that
    its contents do not fit into, a name that is too long for an entry, no shared section.
    """
    if not any(Flags.SHARED in section.flags and section.va == 0x04000000 for section in sections):
        raise ValueError("no section is shared and at 0x04000000")
    names = [section.name.encode() + b"\0" * (-len(section.name.encode()) % 4) for section in sections]
    data_start = HEADER.size + sum(ENTRY.size + len(name) for name in names)
    entries = data = b""
    for section, name in zip(sections, names):
        if section.va % PAGE or section.size % PAGE or not section.size or len(section.data) > section.size:
            raise ValueError(f"section {section.name or hex(section.va)} is not made of whole pages that hold its contents")
        if ENTRY.size + len(name) > 0xFC:
            raise ValueError(f"the name {section.name} is too long")
        start = data_start + len(data)
        entries += ENTRY.pack((ENTRY.size + len(name)) << 8, section.flags, section.va, section.va + section.size, start,
                              start + len(section.data)) + name
        data += section.data + b"\0" * (-len(section.data) % 4)
    return HEADER.pack(MAGIC, 0, 0, 0, 0, 0, data_start) + entries + data
