# SPDX-License-Identifier: Apache-2.0
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from node0.directory_digests import DIGESTS, damage, write_digests


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for name in ("trainer.json", "pipeline/state-000.safetensors", "pipeline/state-001.safetensors"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(name.encode() * 20)
    write_digests(tmp_path)
    return tmp_path


def test_what_is_as_it_was_written_has_no_damage(place: Path) -> None:
    assert damage(place) is None


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (lambda place: (place / "trainer.json").unlink(), "trainer.json is missing"),
        (lambda place: (place / "trainer.json").write_bytes(b""), "trainer.json is not as it was written"),
        (
            lambda place: (place / "pipeline" / "state-002.safetensors").write_bytes(b"x"),
            "pipeline/state-002.safetensors is not listed",
        ),
        (lambda place: (place / DIGESTS).unlink(), "digests.json is missing"),
        (lambda place: (place / DIGESTS).write_bytes(b"[" * 100_000), "digests.json cannot be read"),
        (lambda place: (place / DIGESTS).write_text('{"files": {"a": 1}}'), "a is missing"),
        (lambda place: (place / DIGESTS).write_text('{"files": 7}'), "digests.json cannot be read"),
        (
            lambda place: (place / DIGESTS).write_text(
                (place / DIGESTS).read_text().replace('"size"', '"length"')
            ),
            "digests.json cannot be read",
        ),
    ],
)
def test_each_fault_is_told_by_its_file(place: Path, fault: Callable[[Path], object], told: str) -> None:
    fault(place)

    assert (damage(place) or "").startswith(told)


def test_a_link_that_leads_nowhere_is_told(place: Path) -> None:
    (place / "trainer.json").unlink()
    (place / "trainer.json").symlink_to("gone")

    assert damage(place) == "gone is missing" or damage(place) == "trainer.json is missing"


def test_no_flipped_bit_passes(place: Path) -> None:
    draw = random.Random(16)
    files = sorted(path for path in place.rglob("*") if path.is_file())

    for _ in range(400):
        path = draw.choice(files)
        whole = path.read_bytes()
        damaged = bytearray(whole)
        damaged[draw.randrange(len(whole))] ^= 1 << draw.randrange(8)
        path.write_bytes(damaged)
        assert damage(place) is not None, path
        path.write_bytes(whole)
