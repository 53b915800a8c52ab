# SPDX-License-Identifier: MIT
"""What the agent says it can do, as a line for a person."""

from drmsqueeze.doctor import _stressor


def test_drivers_with_one_reason_stand_together() -> None:
    check = _stressor("bo-churn", {"can": True, "drivers": {
        "panfrost": {"can": True, "limits": []},
        "vgem": {"can": True, "limits": ["policy: no madvise", "gpu: no jobs"]},
        "vkms": {"can": True, "limits": ["gpu: no jobs"]},
        "bochs-drm": {"can": True, "limits": ["gpu: no jobs"]},
        "qxl": {"can": False, "reason": "no primary node of driver qxl"},
    }})
    assert check.can
    assert check.detail == ("on panfrost, vgem, vkms, bochs-drm; not on qxl: no primary node of driver qxl; "
                            "on vgem without policy (no madvise), gpu (no jobs); on vkms, bochs-drm without gpu (no jobs)")
    assert check.drivers["vgem"] is None
    assert check.limits == {"vgem": ["policy: no madvise", "gpu: no jobs"], "vkms": ["gpu: no jobs"], "bochs-drm": ["gpu: no jobs"]}


def test_a_stressor_without_limits_and_without_a_driver() -> None:
    check = _stressor("x", {"can": False, "drivers": {"vgem": {"can": False, "reason": "no node"}}})
    assert not check.can
    assert check.detail == "not on vgem: no node"
    assert not check.limits
