# SPDX-License-Identifier: Apache-2.0
"""Every check by the name that data files give it."""

from typing import Annotated

from pydantic import Field

from node0.finetune.eval.suite.checks.bead_state import ABead, NewBead, NewBeads, OthersUntouched
from node0.finetune.eval.suite.checks.code_tests import CodeTests
from node0.finetune.eval.suite.checks.command_lines import Runs, Worked
from node0.finetune.eval.suite.checks.conventions_kept import ConventionsKept
from node0.finetune.eval.suite.checks.plan_steps import Plan
from node0.finetune.eval.suite.checks.proposed_files import Wrote
from node0.finetune.eval.suite.checks.repository import AFile, Probe
from node0.finetune.eval.suite.checks.words import Decides, Fields, Says

AnyCheck = Annotated[
    Says
    | Fields
    | Decides
    | Plan
    | Runs
    | Worked
    | ConventionsKept
    | Wrote
    | ABead
    | NewBead
    | NewBeads
    | OthersUntouched
    | Probe
    | AFile
    | CodeTests,
    Field(discriminator="check"),
]
"One of the checks, told apart by the field `check`."
