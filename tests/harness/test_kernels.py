# SPDX-License-Identifier: MIT
import json
from pathlib import Path

import pytest

from drmsqueeze import kernels
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


def test_every_variant_says_what_it_is() -> None:
    assert kernels.variants()
    for variant in kernels.variants().values():
        assert len(variant.description) > 20, variant.name
        assert not variant.description.startswith(("---", "diff")), variant.name


def test_a_patch_that_does_not_apply_names_the_hunk(tmp_path: Path) -> None:
    (tmp_path / "file.c").write_text("one\ntwo\nthree\n")
    patch = tmp_path / "x.patch"
    patch.write_text("A change.\n--- a/file.c\n+++ b/file.c\n@@ -1,3 +1,3 @@\n one\n-other\n+2\n three\n")
    with pytest.raises(InfrastructureError, match=r"variant v does not apply.*\n.*Hunk #1 FAILED"):
        kernels.patch_driver(tmp_path, kernels.Variant("v", patch))
    patch.write_text("A change.\n--- a/file.c\n+++ b/file.c\n@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n")
    kernels.patch_driver(tmp_path, kernels.Variant("v", patch))
    assert (tmp_path / "file.c").read_text() == "one\n2\nthree\n"


@pytest.mark.parametrize("mutant", json.loads((kernels.LAB / "models" / "mutants.json").read_text()), ids=lambda mutant: mutant["name"])
def test_a_mutant_fits_its_model(mutant: dict[str, str]) -> None:
    """Told here, before anything is built: tests/vm/test_kernel.py builds all of them."""
    assert (kernels.LAB / "models" / mutant["file"]).read_text().count(mutant["old"]) == 1
