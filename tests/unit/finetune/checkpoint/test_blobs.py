# SPDX-License-Identifier: Apache-2.0
import hashlib
import threading
from collections.abc import Generator
from pathlib import Path

import pytest

from node0.errors import BadCheckpoint, ConfigError, SwarmTimeout
from node0.finetune.checkpoint.blobs import Blobs

DATA = bytes(range(256)) * 40
SHA = hashlib.sha256(DATA).hexdigest()
PIECE = 1000


class Source:
    """Gives `data` in pieces; remembers from where it was asked."""

    def __init__(self, data: bytes = DATA, *, ends_after: int | None = None) -> None:
        self.data, self.ends_after = data, ends_after
        self.offsets: list[int] = []

    def __call__(self, offset: int) -> Generator[bytes, None, None]:
        self.offsets.append(offset)
        end = len(self.data) if self.ends_after is None else self.ends_after
        for start in range(offset, end, PIECE):
            yield self.data[start : min(start + PIECE, end)]


def fill(blobs: Blobs, source: Source, *, left: float = 9.0) -> Path:
    return blobs.fill(SHA, len(DATA), read=source, left=lambda: left)


def part(tmp_path: Path) -> Path:
    return tmp_path / f"{SHA}.part"


def test_a_file_lies_under_its_digest_once_it_is_whole(tmp_path: Path) -> None:
    path = fill(Blobs(tmp_path), Source())

    assert path.name == f"{SHA}.safetensors"
    assert path.read_bytes() == DATA
    assert list(tmp_path.iterdir()) == [path]


def test_a_whole_file_is_not_asked_for_again(tmp_path: Path) -> None:
    blobs, source = Blobs(tmp_path), Source()
    fill(blobs, Source())

    fill(blobs, source)

    assert source.offsets == []


def test_what_came_before_the_end_is_kept_and_the_rest_is_asked_for(tmp_path: Path) -> None:
    blobs, source = Blobs(tmp_path), Source()
    with pytest.raises(SwarmTimeout, match="only 3000 of"):
        fill(blobs, Source(ends_after=3000))

    path = fill(blobs, source)

    assert source.offsets == [3000]
    assert path.read_bytes() == DATA


def test_time_that_is_up_keeps_what_came(tmp_path: Path) -> None:
    with pytest.raises(SwarmTimeout, match="time is up"):
        fill(Blobs(tmp_path), Source(), left=0.0)

    assert part(tmp_path).read_bytes() == DATA[:PIECE]


def test_wrong_bytes_are_refused_and_not_kept(tmp_path: Path) -> None:
    with pytest.raises(BadCheckpoint, match="digest is another"):
        fill(Blobs(tmp_path), Source(bytes(len(DATA))))

    assert part(tmp_path).stat().st_size == 0


def test_more_bytes_than_announced_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadCheckpoint, match="more than the 10240 bytes"):
        fill(Blobs(tmp_path), Source(DATA + b"x"))

    assert not (tmp_path / f"{SHA}.safetensors").exists()


@pytest.mark.parametrize("begun", [b"\xff" * 3000, b"\xff" * len(DATA), b"\xff" * (len(DATA) + 1)])
def test_wrong_bytes_of_an_earlier_source_are_not_blamed_on_this_one(tmp_path: Path, begun: bytes) -> None:
    part(tmp_path).write_bytes(begun)

    path = fill(Blobs(tmp_path), Source())

    assert path.read_bytes() == DATA


def test_a_file_that_changed_since_is_fetched_again(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    path = fill(blobs, Source())
    path.write_bytes(bytes(len(DATA)))

    assert blobs.find(SHA, len(DATA)) is None
    assert fill(blobs, Source()).read_bytes() == DATA


def test_a_shard_larger_than_the_disk_is_refused_before_it_is_asked_for(tmp_path: Path) -> None:
    source = Source()

    with pytest.raises(ConfigError, match="make room"):
        Blobs(tmp_path).fill(SHA, 1 << 60, read=source, left=lambda: 9.0)
    assert source.offsets == []


def test_several_at_once_ask_once_for_each_byte(tmp_path: Path) -> None:
    sources = [Source() for _ in range(6)]
    start = threading.Barrier(6)
    paths: list[Path] = []

    def work(source: Source) -> None:
        start.wait()
        paths.append(fill(Blobs(tmp_path), source))

    threads = [threading.Thread(target=work, args=(source,)) for source in sources]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20.0)

    assert len(paths) == 6
    assert [offset for source in sources for offset in source.offsets] == [0]
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [DATA]


def test_who_waits_for_another_gives_up_when_its_time_is_up(tmp_path: Path) -> None:
    inside, leave = threading.Event(), threading.Event()

    def slow(offset: int) -> Generator[bytes, None, None]:
        inside.set()
        leave.wait(20.0)
        yield DATA

    blobs = Blobs(tmp_path)
    first = threading.Thread(target=lambda: blobs.fill(SHA, len(DATA), read=slow, left=lambda: 9.0))
    first.start()
    inside.wait(20.0)
    blobs.prune([])
    with pytest.raises(SwarmTimeout, match="another process"):
        fill(Blobs(tmp_path), Source(), left=0.0)
    leave.set()
    first.join(20.0)

    assert blobs.find(SHA, len(DATA)) is not None


def test_pruning_keeps_what_is_named(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    fill(blobs, Source())
    (tmp_path / f"{'b' * 64}.part").write_bytes(b"x")
    (tmp_path / f"{'c' * 64}.safetensors").write_bytes(b"x")

    blobs.prune([SHA])

    assert [path.stem for path in tmp_path.iterdir()] == [SHA]
