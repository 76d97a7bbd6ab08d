# SPDX-License-Identifier: Apache-2.0
"""`node0 finetune` as a program that trains slowly from one step on, so that a signal comes before its end.

The tiny steps of a test take milliseconds, and on a busy machine whoever reads of one hears of it much later.
"""

import sys

SECONDS = 0.5
PROGRAM = """
import sys, time
from node0.pipeline.local import LocalPipeline
from node0.run_finetune import main
quick = LocalPipeline.train_step
def train_step(self, microbatches, step):
    time.sleep({seconds} if step.step >= {step} else 0)
    return quick(self, microbatches, step)
LocalPipeline.train_step = train_step
sys.exit(main())
"""


def slow_after(step: int) -> list[str]:
    """The command, without its arguments; each step behind this one takes `SECONDS`."""
    return [sys.executable, "-c", PROGRAM.format(step=step, seconds=SECONDS)]
