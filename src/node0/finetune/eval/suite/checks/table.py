# SPDX-License-Identifier: Apache-2.0
"""Every check by the name that data files give it."""

from typing import Annotated

from pydantic import Field

from node0.finetune.eval.suite.checks.words import Decides, Fields, Says

AnyCheck = Annotated[Says | Fields | Decides, Field(discriminator="check")]
"One of the checks, told apart by the field `check`."
