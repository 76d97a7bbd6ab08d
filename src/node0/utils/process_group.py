# SPDX-License-Identifier: Apache-2.0
"""Send SIGTERM to this process group, which only pretraining asks for."""

import os
import signal


def end_process_group() -> None:
    """Ask every process of this group to end, this one included.

    Pretraining stops this way when gradients are lost: its workers share one group, and none of
    them may go on alone.
    """
    os.killpg(os.getpgrp(), signal.SIGTERM)  # noqa: TID251  # the one place, and what pretraining wants
