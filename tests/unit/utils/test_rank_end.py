# SPDX-License-Identifier: Apache-2.0
import subprocess
import sys
from pathlib import Path

ENDING = """
import atexit, sys, tempfile
from node0.utils.rank_end import end_rank
held = tempfile.TemporaryDirectory()
atexit.register(lambda: print("behind", file=sys.stderr))
print(held.name, end="")
end_rank(75)
"""


def test_a_rank_ends_with_its_code_its_words_and_no_temporary_directory() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ENDING], capture_output=True, text=True, timeout=60, check=False
    )

    assert (done.returncode, done.stderr) == (75, "behind\n")
    assert done.stdout
    assert not Path(done.stdout).exists()
