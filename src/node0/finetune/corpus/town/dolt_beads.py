# SPDX-License-Identifier: Apache-2.0
"""Read a town's beads from its Dolt server."""

from collections import Counter
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

from node0.finetune.corpus.town.bead_tables import WANTED, audit_rows, beads_of
from node0.finetune.corpus.town.beads import Beads
from node0.store.bead_queries import read_rows
from node0.town import DoltServer


def read_dolt(server: DoltServer, beads_dirs: Iterable[Path] = ()) -> Beads:
    """The beads of a Dolt server, with the records of `bd audit` from a town's `.beads` directories.

    Raises:
        DoltUnavailable: the server does not answer.
        ConfigError: it refuses this user, or it is no server of bd.
    """
    skipped: Counter[str] = Counter()
    return beads_of(chain(read_rows(server, WANTED), audit_rows(beads_dirs, skipped)), skipped)
