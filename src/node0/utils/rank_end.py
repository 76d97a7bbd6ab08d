# SPDX-License-Identifier: Apache-2.0
"""End the process of a rank, whose threads may outlive Python."""

import atexit
import logging
import os
import sys
from typing import NoReturn


def end_rank(code: int) -> NoReturn:
    """End the process of a rank as Python would, but for its last step, where modules are taken down.

    A thread of gloo may still hold a tensor that it has sent. It lets go of it when Python is gone, and the
    rank of a job that has succeeded would abort.
    """
    logging.shutdown()
    atexit._run_exitfuncs()  # no public name; what removes temporary directories
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)
