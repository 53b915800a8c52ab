# SPDX-License-Identifier: MIT
import json
from pathlib import Path

import pytest

from drmsqueeze import kernels, modules
from drmsqueeze.errors import InfrastructureError, UsageError


def test_options_that_the_build_drops_are_named() -> None:
    asked = "# a comment\nCONFIG_A=y\nCONFIG_B=m\nCONFIG_C=y\n"
    assert kernels.dropped_options(asked, "CONFIG_A=y\nCONFIG_B=y\n# CONFIG_C is not set\n") == [
        "CONFIG_B=m (became CONFIG_B=y)", "CONFIG_C=y (became unset)"]
    assert not kernels.dropped_options(asked, "CONFIG_C=y\nCONFIG_B=m\nCONFIG_A=y\n")


def test_kernel_names() -> None:
    assert kernels.KernelSpec.parse("lab").variants == ()
    assert [v.name for v in kernels.KernelSpec.parse("lab+panfrost-nowait").variants] == ["panfrost-nowait"]


@pytest.mark.parametrize(("name", "complaint"), [
    ("lba", "there is no kernel `lba`"),
    ("lab+none", "there is no variant `none`"),
    ("lab+panfrost-nowait+panfrost-nowait", "twice"),
])
def test_missing_kernels_are_refused(name: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        kernels.KernelSpec.parse(name)


@pytest.mark.parametrize("series", ["6.12", "6.1"])
def test_every_variant_says_what_it_is(series: str) -> None:
    known = kernels.variants(series)
    assert known
    for variant in known.values():
        assert len(variant.description) > 20, variant.name
        assert not variant.description.startswith(("---", "diff")), variant.name
        assert all(needed in known for needed in variant.needs), variant.name


def test_a_variant_brings_what_it_is_written_on_top_of() -> None:
    spec = kernels.KernelSpec.parse("lab+panfrost-errfix+panfrost-atomic")
    assert [variant.name for variant in spec.variants] == ["panfrost-errfix", "panfrost-nowait", "panfrost-atomic"]
    assert spec.name == "lab+panfrost-errfix+panfrost-atomic"
    with pytest.raises(UsageError, match="panfrost-atomic is panfrost-nowait with a change; name one of the two"):
        kernels.KernelSpec.parse("lab+panfrost-nowait+panfrost-atomic")


def test_variants_are_those_of_the_release() -> None:
    """Each base takes its own patch; one that there is for another release only is told from one that there is not at all."""
    assert [v.patch.name for v in kernels.KernelSpec.parse("lab-6.1+panfrost-atomic").variants] == ["6.1.patch", "6.1.patch"]
    with pytest.raises(UsageError, match=r"variant `panfrost-annotated` has no patch for 6\.1 .*only for 6\.12; there are for 6\.1: .*errfix"):
        kernels.KernelSpec.parse("lab-6.1+panfrost-annotated")
    with pytest.raises(UsageError, match="there is no variant `../variants`"):
        kernels.KernelSpec.parse("lab-6.1+../variants")
    told = dict(kernels.describe_variants())
    assert "not for 6.1" in told["panfrost-annotated"] and "not for" not in told["panfrost-atomic"]
    assert told["panfrost-atomic"].endswith("with panfrost-nowait")


def test_a_release_says_where_its_config_differs() -> None:
    base = kernels.BASES["lab-6.1"]
    asked = base.asked()
    assert "CONFIG_DRM_PANTHOR=m" not in asked and "# CONFIG_DRM_PANTHOR is not set" in asked
    assert "CONFIG_DRM_PANFROST=m" in asked
    differing = [line for line in base.series_fragment.read_text().splitlines() if kernels.option_names(line)] if base.series_fragment else []
    assert len(base.differences()) == len(differing) > 0, "each line has its reason above it"
    assert not kernels.BASES["lab"].differences()
    assert kernels.in_place_of("CONFIG_A=y\nCONFIG_B=m\n# a word\n", "# CONFIG_B is not set\n") == "CONFIG_A=y\n# a word\n"
    assert kernels.BASES["lab"].asked() == kernels.FRAGMENT.read_text()


def test_what_decides_the_lab_kernel_is_what_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another set of inputs would be another key of the cache, and everybody would build the kernel again for nothing."""
    monkeypatch.setattr(kernels.Base, "source", kernels.FRAGMENT)
    assert sorted(kernels.lab_kernel_inputs()) == ["compiler", "fragment", "layout", "linker", "source"]
    assert "series" in kernels.lab_kernel_inputs("lab-6.1") and "more" in kernels.lab_kernel_inputs("lab-debug")


def test_a_patch_that_does_not_apply_names_the_hunk(tmp_path: Path) -> None:
    (tmp_path / "file.c").write_text("one\ntwo\nthree\n")
    patch = tmp_path / "x.patch"
    patch.write_text("A change.\n--- a/file.c\n+++ b/file.c\n@@ -1,3 +1,3 @@\n one\n-other\n+2\n three\n")
    with pytest.raises(InfrastructureError, match=r"variant v does not apply.*\n.*Hunk #1 FAILED"):
        modules.patch_driver(tmp_path, kernels.Variant("v", patch))
    patch.write_text("A change.\n--- a/file.c\n+++ b/file.c\n@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n")
    modules.patch_driver(tmp_path, kernels.Variant("v", patch))
    assert (tmp_path / "file.c").read_text() == "one\n2\nthree\n"


@pytest.mark.parametrize("mutant", json.loads((kernels.LAB / "models" / "mutants.json").read_text()), ids=lambda mutant: mutant["name"])
def test_a_mutant_fits_its_model(mutant: dict[str, str]) -> None:
    """Told here, before anything is built: tests/vm/test_kernel.py builds all of them."""
    assert (kernels.LAB / "models" / mutant["file"]).read_text().count(mutant["old"]) == 1
