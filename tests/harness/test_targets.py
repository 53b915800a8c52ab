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


def test_traps_may_share_a_module_and_probes_come_where_they_look() -> None:
    traps = [{"trap": name} for name in ("shrinker-lies", "shrinker-goes-on", "lost-wakeup")]
    assert targets.modules({"driver": "vgem"}, traps) == ["vgem", "trap_bad_shrinker", "trap_lost_wakeup"]
    assert targets.probes([{"kind": "hog"}], ["tiler-heap"], traps[2:]) == ["who_waits"]
    assert targets.probes([{"kind": "fail-nth"}], ["error-sweep"]) == ["who_waits", "fault_site"]
    assert targets.probes([{"kind": "shrinker-scan"}], ["bo-churn"]) == ["who_waits", "shrinker_rules"]
    assert targets.probes([], ["shrinker"]) == ["who_waits", "shrinker_rules"]
    assert targets.probes([], [], traps) == ["who_waits", "shrinker_rules"]
    assert targets.probes([], ["shrinker"], judged_by_lockdep=True) == ["who_waits"]


def test_what_firmware_does_without_memory_is_the_scenarios_choice() -> None:
    target = {"driver": "panthor", "model": "mali-csf"}
    assert "mali_csf" in targets.modules(target, []) and targets.oom_null(target) == "default"
    target["oom_null"] = "fault"
    assert "mali_csf:oom_null=fault" in targets.modules(target, []) and targets.oom_null(target) == "fault"
    assert targets.oom_null({"driver": "panfrost", "model": "mali-jm"}) is None
