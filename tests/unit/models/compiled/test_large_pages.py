# SPDX-License-Identifier: Apache-2.0
import mmap
import sys
from pathlib import Path

import pytest
import torch

from node0.models.compiled.large_pages import PAGE, LargePages, room_for


def test_tensors_lie_one_behind_the_other_from_the_beginning_of_a_page_on() -> None:
    first, second = torch.randn(7, 5), torch.randn(300, 4).to(torch.bfloat16)
    pages = LargePages(PAGE)

    held = [pages.hold(each) for each in (first, second)]

    assert held[0].data_ptr() % PAGE == 0
    assert held[1].data_ptr() == held[0].data_ptr() + room_for(first.nbytes)
    for own, given in zip(held, (first, second), strict=True):
        torch.testing.assert_close(own, given, rtol=0, atol=0)


def test_what_is_held_is_contiguous_and_nobody_elses() -> None:
    given = torch.randn(40, 30)

    held = LargePages(PAGE).hold(given.T)
    given.zero_()

    assert held.is_contiguous()
    assert held.shape == (30, 40)
    assert held.abs().sum() > 0


def test_without_room_a_tensor_has_its_own_place() -> None:
    for pages in (LargePages(PAGE - 1), LargePages(0)):
        assert pages.hold(torch.ones(3, 2).T).is_contiguous()
    full = LargePages(PAGE)
    held = full.hold(torch.zeros(PAGE, dtype=torch.uint8))
    beside = full.hold(torch.ones(64, dtype=torch.uint8))

    assert not 0 <= beside.data_ptr() - held.data_ptr() < PAGE
    assert not held.any()


def test_what_is_held_outlives_the_room() -> None:
    def made() -> torch.Tensor:
        return LargePages(PAGE).hold(torch.arange(1000))

    assert made().tolist() == list(range(1000))


def test_a_kernel_without_large_pages_gives_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mmap, "MADV_HUGEPAGE", -1, raising=False)  # no advice that a kernel takes

    assert LargePages(PAGE).hold(torch.arange(9)).tolist() == list(range(9))


@pytest.mark.skipif(sys.platform != "linux", reason="large pages are asked for on Linux")
def test_linux_is_asked_for_large_pages() -> None:
    held = LargePages(4 * PAGE).hold(torch.zeros(4 * PAGE, dtype=torch.uint8))

    assert "hg" in _flags_at(held.data_ptr())


def _flags_at(address: int) -> list[str]:
    """What the kernel notes of the mapping that holds an address."""
    inside = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        words = line.split()
        if "-" in words[0] and ":" not in words[0]:
            first, last = (int(side, 16) for side in words[0].split("-"))
            inside = first <= address < last
        elif inside and words[0] == "VmFlags:":
            return words[1:]
    raise AssertionError("no mapping holds the address")
