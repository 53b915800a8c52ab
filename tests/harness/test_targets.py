# SPDX-License-Identifier: MIT
import json

from drmsqueeze import TOP, targets


def test_what_a_guest_loads_and_qemu_offers_for_a_target() -> None:
    target = {"driver": "vmwgfx", "companions": ["vgem", "qxl"]}
    assert targets.modules(target, []) == ["vmwgfx:force_coherent=1", "vgem", "qxl"]
    assert targets.devices(target) == ["vmware-svga", "qxl,ram_size_mb=16,vgamem_mb=4,vram_size_mb=8"]


def test_the_schema_knows_the_targets_that_there_are() -> None:
    target = json.loads((TOP / "configs/scenario.schema.json").read_text())["properties"]["target"]["properties"]
    assert set(target["driver"]["enum"]) == set(target["companions"]["items"]["enum"]) == set(targets.TARGETS)
