# SPDX-License-Identifier: MIT
"""Kernels of the user's own: what is taken, what is refused and why, and that they take part under their names."""

import struct
from pathlib import Path

import pytest

from drmsqueeze import TOP, cli, kernels, scenario, user_kernels
from drmsqueeze.errors import InfrastructureError, UsageError
from drmsqueeze.lab import Lab

CONFIG = "\n".join([*(f"CONFIG_{name}=y" for name in user_kernels.BUILT_IN), *(f"CONFIG_{n}={v[-1]}" for n, v in user_kernels.BUILT.items()), ""])


@pytest.fixture(autouse=True)
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def image(path: Path, release: str = "6.12.9-mine") -> Path:
    """The header of a bzImage."""
    head = bytearray(0x400)
    head[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", head, 0x20E, 0x100)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(head[:0x300]) + f"{release} (me@here) #1\0".encode())
    return path


def build_tree(top: Path, config: str = CONFIG) -> Path:
    """What `lab add --build` looks at."""
    image(top / "arch/x86/boot/bzImage")
    (top / "drivers/gpu/drm/panfrost").mkdir(parents=True)
    (top / "include/config").mkdir(parents=True)
    (top / "include/config/kernel.release").write_text("6.12.9-mine\n")
    (top / "Module.symvers").write_text("")
    (top / ".config").write_text(config)
    return top


def test_a_build_tree_takes_part_under_its_name(tmp_path: Path) -> None:
    added = user_kernels.add("mine", "build", build_tree(tmp_path / "tree"), kernels.BASES)
    assert (added.release, added.series, added.bare) == ("6.12.9-mine", "6.12", False)
    assert kernels.KernelSpec.parse("mine").base == "mine"
    assert [v.patch.name for v in kernels.KernelSpec.parse("mine+panfrost-atomic").variants] == ["6.12.patch", "6.12.patch"]
    first = kernels.lab_kernel_inputs("mine")
    (added.path / "Module.symvers").write_text("built again")
    assert kernels.lab_kernel_inputs("mine") != first, "a tree that was built again is another kernel"
    assert not kernels.lab_kernel_built("mine")
    user_kernels.remove("mine")
    with pytest.raises(UsageError, match="there is no kernel `mine`"):
        kernels.KernelSpec.parse("mine")


def test_only_what_makes_a_kernel_slow_stretches_its_times(tmp_path: Path) -> None:
    """lab's deadlines are those of every kernel that has no detector which looks at everything."""
    kernel = kernels.LabKernel(tmp_path)
    assert kernel.slow, "of a bare image nobody knows"
    for config, slow in ((CONFIG, False), (CONFIG + "CONFIG_KASAN=y\n", True), (CONFIG + "# CONFIG_KASAN is not set\n", False),
                         (kernels.BASES["lab-debug"].asked(), True), (kernels.BASES["lab-6.1"].asked(), False)):
        (tmp_path / "build").mkdir(exist_ok=True)
        (tmp_path / "build/.config").write_text(config)
        assert kernels.LabKernel(tmp_path).slow is slow


def test_a_release_between_takes_the_patches_before_it(tmp_path: Path) -> None:
    for release, patch in (("6.6.1", "6.1.patch"), ("6.18.0-rc1", "6.12.patch")):
        user_kernels.add("other", "bzimage", image(tmp_path / "bzImage", release), kernels.BASES)
        base = kernels.bases()["other"]
        assert kernels.known_variants(base)["panfrost-nowait"].patch.name == patch
        user_kernels.remove("other")
    user_kernels.add("old", "bzimage", image(tmp_path / "bzImage", "5.15.2"), kernels.BASES)
    assert not kernels.known_variants(kernels.bases()["old"])


def test_a_build_tree_without_what_the_lab_needs_is_refused(tmp_path: Path) -> None:
    lacking = CONFIG.replace("CONFIG_MEMCG=y\n", "").replace("CONFIG_DRM_PANFROST=m", "CONFIG_DRM_PANFROST=y")
    with pytest.raises(UsageError, match=r"CONFIG_MEMCG=y \(is not set\)\n  CONFIG_DRM_PANFROST=m \(is y\)"):
        user_kernels.add("mine", "build", build_tree(tmp_path / "tree", lacking), kernels.BASES)
    assert not user_kernels.missing_options(CONFIG) and not user_kernels.all_of_them()
    assert not user_kernels.missing_options(kernels.FRAGMENT.read_text()), "the lab's own kernels have what it asks of others"
    (tmp_path / "tree/Module.symvers").unlink()
    with pytest.raises(UsageError, match=r"has no Module.symvers: build its modules"):
        user_kernels.add("mine", "build", tmp_path / "tree", kernels.BASES)


def test_a_source_tree_must_be_one_and_clean(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a kernel source tree"):
        user_kernels.add("mine", "source", tmp_path, kernels.BASES)
    tree = build_tree(tmp_path / "tree")
    (tree / "Kconfig").write_text("")
    with pytest.raises(UsageError, match="has been built in.*--build, or clean it"):
        user_kernels.add("mine", "source", tree, kernels.BASES)
    (tree / ".config").unlink()
    (tree / "include/config/kernel.release").unlink()
    (tree / "include/config").rmdir()
    (tree / "Makefile").write_text("kernelversion:\n\t@echo 6.12.9\n")
    added = user_kernels.add("mine", "source", tree, kernels.BASES)
    before = added.inputs()
    assert added.inputs() == before
    (tree / "drivers/gpu/drm/panfrost/new.c").write_text("int x;\n")
    assert added.inputs() != before, "a changed source is another kernel"


@pytest.mark.parametrize("name", ["a+b", "Mine", "../x", "", "lab", "lab-mine", "x" * 41])
def test_names_that_would_be_misread_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no name for a kernel|begin with `lab`"):
        user_kernels.add(name, "bzimage", image(tmp_path / "bzImage"), kernels.BASES)


def test_a_bare_image_serves_drivers_without_a_model_only(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a bzImage"):
        user_kernels.add("bare", "bzimage", TOP / "README.md", kernels.BASES)
    user_kernels.add("bare", "bzimage", image(tmp_path / "bzImage"), kernels.BASES)
    Lab().refuse("bare", scenario.load(TOP / "configs/suite/bo-churn-vgem.json"))
    for config, needs in (("panfrost-heap", "the GPU model mali-jm"), ("suite/bo-churn-vmwgfx", "vmwgfx behind a shim"),
                          ("traps/leak", "the trap "), ("error-sweep-dmabuf", "the probe fault_site")):
        with pytest.raises(UsageError, match=f"bare bzImage, and .* needs .*{needs}"):
            Lab().refuse("bare", scenario.load(TOP / f"configs/{config}.json"))
    Lab().refuse("lab", scenario.load(TOP / "configs/panfrost-heap.json"))
    with pytest.raises(UsageError, match="bare is a bare bzImage, and variants are patches"):
        kernels.KernelSpec.parse("bare+panfrost-nowait")


def test_the_command_line_adds_lists_and_forgets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = image(tmp_path / "bzImage")
    assert cli.main(["lab", "add", "bare", "--bzimage", str(file)]) == 0
    assert cli.main(["lab", "add", "bare", "--bzimage", str(file)]) == 2, "it is there already"
    assert cli.main(["list", "kernels"]) == 0
    assert "bare" in capsys.readouterr().out
    file.unlink()
    with pytest.raises(InfrastructureError, match="kernel `bare` is gone .*lab remove bare"):
        kernels.lab_kernel_inputs("bare")
    assert cli.main(["list", "kernels"]) == 0, "a kernel that is gone does not stop the list"
    assert cli.main(["lab", "remove", "bare"]) == 0
    assert cli.main(["lab", "remove", "bare"]) == 2
