# SPDX-License-Identifier: Apache-2.0
"""Transcripts of any size and content are read in bounded memory, by a process of their own."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc"),
]

ROOT = Path(__file__).parents[2]
MEGABYTES = 300
READ = """
import json, re, sys
from pathlib import Path
from node0.finetune.corpus.transcript.claude_code.session_file import SessionFile
transcript = SessionFile(Path(sys.argv[1]))
calls = [call.exact for row in transcript.trajectories() for call in row.calls]
peak = re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]
print(json.dumps([len(calls), sum(calls), transcript.skipped, int(peak) / 1024]))
"""


def read(path: Path) -> tuple[int, int, dict[str, int], float]:
    """Calls, exact ones, what was skipped, and the peak of memory in MB."""
    done = subprocess.run(
        [sys.executable, "-c", READ, str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    calls, exact, skipped, peak = json.loads(done.stdout)
    return calls, exact, skipped, peak


def write_session(path: Path, *megabytes: int) -> Path:
    command = [sys.executable, str(ROOT / "bench" / "large_session.py"), str(path), *map(str, megabytes)]
    subprocess.run(command, check=True)
    return path


def test_200_mb_are_read_whole_in_300(tmp_path: Path) -> None:
    path = write_session(tmp_path / "s.jsonl", 200)
    with path.open() as file:
        logged = sum('"type": "api-request",' in line[:30] for line in file)

    calls, exact, skipped, peak = read(path)

    assert path.stat().st_size >= 200_000_000
    assert peak <= MEGABYTES
    assert (calls, exact) == (logged, logged)
    assert skipped.keys() == {"system line"}


def test_a_conversation_that_no_window_holds_is_read_up_to_a_bound(tmp_path: Path) -> None:
    path = write_session(tmp_path / "s.jsonl", 80, 1000)

    calls, exact, skipped, peak = read(path)

    assert peak <= MEGABYTES
    assert 2000 < exact <= calls
    assert skipped["call with more than 48 MB before it"] > 1000


def zeros(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(200 << 20)


def one_line(path: Path) -> None:
    path.write_text('{"type": "user", "x": "' + "x" * (200 << 20) + '"}\n')


def long_lines_with_a_rare_letter(path: Path) -> None:
    line: dict[str, Any] = {
        "type": "user",
        "uuid": "u",
        "message": {"role": "user", "content": "🏭" + "x" * (23 << 20)},
    }
    with path.open("w", encoding="utf-8") as file:
        for number in range(8):
            file.write(json.dumps({**line, "uuid": f"u{number}"}, ensure_ascii=False) + "\n")


def noise(path: Path) -> None:
    path.write_bytes(b"".join(bytes([number * 37 % 256]) * 9973 + b"\n" for number in range(20_000)))


@pytest.mark.parametrize(
    ("fill", "reason"),
    [
        (zeros, "line over 24 MB"),
        (one_line, "line over 24 MB"),
        (long_lines_with_a_rare_letter, ""),
        (noise, "not JSON"),
    ],
)
def test_what_is_no_transcript_is_counted(fill: Callable[[Path], None], reason: str, tmp_path: Path) -> None:
    fill(tmp_path / "s.jsonl")

    calls, _, skipped, peak = read(tmp_path / "s.jsonl")

    assert peak <= MEGABYTES
    assert calls == 0
    assert not reason or skipped[reason] > 0
