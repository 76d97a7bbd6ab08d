# SPDX-License-Identifier: Apache-2.0
"""`node0-inference`, under the name that the plan gives it."""

import sys

from node0.commands.infer.infer_options import app, main

__all__ = ["app", "main"]

if __name__ == "__main__":
    sys.exit(main())
