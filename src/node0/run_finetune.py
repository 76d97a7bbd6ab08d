# SPDX-License-Identifier: Apache-2.0
"""`node0-finetune`, under the name that the plan gives it."""

import sys

from node0.commands.finetune.finetune_options import app, main
from node0.console import is_rank
from node0.utils.rank_end import end_rank

__all__ = ["app", "main"]

if __name__ == "__main__":
    code = main()
    if is_rank():
        end_rank(code)
    sys.exit(code)
