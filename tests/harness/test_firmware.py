# SPDX-License-Identifier: MIT
"""The firmware image for panthor. That the driver takes it, and refuses others, is seen in tests/vm/test_panthor_model.py."""

import struct

import pytest

from drmsqueeze import firmware
from drmsqueeze.firmware import Flags, Section

SHARED = firmware.MODEL_SECTIONS[0]


def entries(image: bytes) -> list[tuple[tuple[int, ...], bytes]]:
    """Header fields and name of each entry, read as panthor_fw_load_entry() does."""
    (end,) = struct.unpack_from("<I", image, 16)
    offset, found = 20, []
    while offset < end:
        header = struct.unpack_from("<6I", image, offset)
        size = header[0] >> 8 & 0xFF
        found.append((header[1:], image[offset + 24:offset + size].rstrip(b"\0")))
        offset += size
    assert offset == end
    return found


def test_header() -> None:
    magic, minor, major, pad, hash_, pad2, size = struct.unpack_from("<IBBHIII", firmware.image())
    assert (magic, major, pad, pad2) == (0xC3F13A6E, 0, 0, 0)
    assert 20 < size <= len(firmware.image())


def test_sections_and_their_contents() -> None:
    image = firmware.image((SHARED, Section(0x1000, 0x2000, Flags.READ | Flags.EXECUTE, b"abcde", "code"),
                            Section(0x8000, 0x1000, Flags.READ)))
    (shared, shared_name), (code, code_name), (last, last_name) = entries(image)
    assert shared == (0xC0000013, 0x04000000, 0x04008000, code[3], code[3])
    assert (code[0], code[1], code[2], image[code[3]:code[4]]) == (5, 0x1000, 0x3000, b"abcde")
    assert last[3] == last[4] and last[3] % 4 == 0
    assert (shared_name, code_name, last_name) == (b"shared", b"code", b"")


@pytest.mark.parametrize("sections, why", [
    ((), "no section is shared"),
    ((Section(0x04000000, 0x8000, Flags.READ),), "no section is shared"),
    ((SHARED, Section(0x800, 0x1000, Flags.READ)), "whole pages"),
    ((SHARED, Section(0, 0x1800, Flags.READ)), "whole pages"),
    ((SHARED, Section(0, 0, Flags.READ)), "whole pages"),
    ((SHARED, Section(0, 0x1000, Flags.READ, bytes(0x1001))), "hold its contents"),
    ((SHARED, Section(0, 0x1000, Flags.READ, name="x" * 240)), "too long"),
])
def test_what_the_driver_would_refuse_is_not_made(sections: tuple[Section, ...], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        firmware.image(sections)
