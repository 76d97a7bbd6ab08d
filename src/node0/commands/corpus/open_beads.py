# SPDX-License-Identifier: Apache-2.0
"""Read the beads of a town for a command, from its Dolt server or a backup."""

from pathlib import Path

from node0.finetune.corpus.town.bead_outcomes import Outcomes
from node0.finetune.corpus.town.bead_tables import read_backup
from node0.finetune.corpus.town.dolt_beads import read_dolt
from node0.town import DoltServer, Town


def read_beads(town: Town, backup: Path | None, server: DoltServer) -> Outcomes:
    """The town's beads and how they ended, from a backup where one is named, else from its server.

    Raises:
        NotFound: the backup is none.
        DoltUnavailable: the server does not answer.
    """
    return Outcomes(read_backup(backup) if backup else read_dolt(server, town.beads_dirs()))
