# SPDX-License-Identifier: Apache-2.0
"""Run named test functions of a file, each result on a marked line; runs alone inside the sandbox.

Arguments: the test file, the mark, and the names. A line is the mark, a name, and `ok` or the reason.
"""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path


def main(arguments: list[str], out: Callable[[str], object] = sys.stdout.write) -> int:
    """Run each test once; 0 where all pass."""
    file, mark, *names = arguments
    sys.argv = [file]
    sys.path.insert(0, str(Path.cwd()))
    spec = importlib.util.spec_from_file_location("tests_of_item", file)
    if spec is None or spec.loader is None:
        return 2
    module = importlib.util.module_from_spec(spec)
    reason = _reason(lambda: spec.loader.exec_module(module))  # type: ignore[union-attr]  # looked at above
    results = {name: reason or _reason(getattr(module, name, None)) for name in names}
    for name, result in results.items():
        out(f"{mark} {name} {result or 'ok'}\n")
    return int(any(results.values()))


def _reason(call: Callable[[], object] | None) -> str:
    """Why a call fails, in one line; empty where it does not."""
    if call is None:
        return "no such test"
    try:
        call()
    except BaseException as error:  # noqa: BLE001  # whatever the code under test raises is its failure
        return f"{type(error).__name__}: {' '.join(str(error).split())[:150]}"
    return ""


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
