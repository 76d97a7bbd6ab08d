# SPDX-License-Identifier: Apache-2.0
"""`gt model ...` for a shell: a function around gt, which people put into their own startup file."""

from node0 import console

FUNCTION = """\
# gt model ... is gt-model; everything else is gt itself.
gt() {
  if [ "${1:-}" = model ]; then
    shift
    command gt-model "$@"
  else
    command gt "$@"
  fi
}
"""


def print_function() -> None:
    """Print it; nothing is installed."""
    console.write(FUNCTION)
