# SPDX-License-Identifier: Apache-2.0
import signal
import subprocess
import sys

PROGRAM = """
import subprocess, sys
from node0.utils.process_group import end_process_group
beside = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], stdout=sys.stdout)
end_process_group()
print("still alive")
"""


def test_every_process_of_the_group_ends() -> None:
    # `run` waits until nobody holds the pipe: also the child's child must have ended.
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        timeout=30,
        start_new_session=True,
        check=False,
    )

    assert done.returncode == -signal.SIGTERM
    assert "still alive" not in done.stdout
