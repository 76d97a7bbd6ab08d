# SPDX-License-Identifier: Apache-2.0
"""What `make release` refuses, and that the wheel works in a fresh environment outside of the checkout."""

import io
import tarfile
import zipfile
from importlib.metadata import distributions
from pathlib import Path

import pytest
import torch

import release

pytestmark = pytest.mark.integration

WHOLE = (
    "node0/py.typed",
    "node0/configs/finetune/lora_sft_deacon.yaml",
    "x-1.2.3.dist-info/licenses/LICENSE",
)


def _packages(directory: Path, *names: str, sources: str = "x-1.2.3/src/node0/cli.py") -> None:
    with zipfile.ZipFile(directory / "x-1.2.3-py3-none-any.whl", "w") as wheel:
        for name in names:
            wheel.writestr(name, "")
    with tarfile.open(directory / "x-1.2.3.tar.gz", "w:gz") as sdist:
        sdist.addfile(tarfile.TarInfo(sources), io.BytesIO())


def test_a_wheel_and_an_sdist_that_have_what_they_need_are_found(tmp_path: Path) -> None:
    _packages(tmp_path, *WHOLE)

    wheel, sdist = release.check_files(tmp_path, "1.2.3")

    assert (wheel.suffix, sdist.name) == (".whl", "x-1.2.3.tar.gz")


@pytest.mark.parametrize(
    ("names", "version", "sources", "said"),
    [
        (WHOLE[1:], None, "x/src/node0/cli.py", "lacks ['node0/py.typed']"),
        ((*WHOLE, "tests/conftest.py"), None, "x/src/node0/cli.py", "holds ['tests/conftest.py']"),
        (WHOLE, "1.2.4", "x/src/node0/cli.py", "is not of version 1.2.4"),
        (WHOLE, None, "x/README.md", "has no sources"),
    ],
)
def test_packages_that_would_not_work_are_refused(
    names: tuple[str, ...], version: str | None, sources: str, said: str, tmp_path: Path
) -> None:
    _packages(tmp_path, *names, sources=sources)

    with pytest.raises(ValueError, match=r"x-1\.2\.3") as caught:
        release.check_files(tmp_path, version)
    assert said in str(caught.value)


def test_an_empty_directory_has_no_packages(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="0 wheels and 0 sdists"):
        release.check_files(tmp_path, None)


@pytest.mark.timeout(600)
@pytest.mark.skipif(
    not all(any(distributions(name=name)) for name in ("build", "hatchling", "hatch-vcs")),
    reason="nothing here builds packages; run: make setup",
)
def test_the_wheel_walks_the_path_of_the_readme_in_an_empty_environment(tmp_path: Path) -> None:
    release.build(tmp_path, "--no-isolation")
    wheel, _ = release.check_files(tmp_path, None)

    release.walk(wheel, Path(torch.__file__).parents[1])
