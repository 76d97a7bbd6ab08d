# SPDX-License-Identifier: Apache-2.0
"""Show who holds which stage of a run and how far it is, once or until Ctrl-C."""

import sys
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

from node0 import console
from node0.pipeline.swarm.status import looks, table
from node0.swarm.run.run_file import read_run


def watch_members(run: Path, *, every: float, once: bool, as_json: bool) -> None:
    """Show the members of a run again every so many seconds.

    Shown once where that is asked for, where JSON is, and where nobody watches a terminal.
    """
    directory = run.expanduser()
    described = read_run(directory)
    directory = directory.parent if directory.is_file() else directory
    if once or as_json or not sys.stdout.isatty():
        with closing(looks(directory, described, every=1.0)) as found:
            next(found)
            members = next(found)
        console.emit([asdict(each) for each in members] if as_json else table(members), as_json=as_json)
        return
    with closing(looks(directory, described, every=every)) as found:
        console.watch(map(table, found), title=described.run_id)
