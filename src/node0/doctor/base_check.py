# SPDX-License-Identifier: Apache-2.0
"""Check that the base on this machine has the digest that the run agreed on."""

from pathlib import Path

from node0.check_result import CheckResult, bad, note, ok
from node0.errors import BadCheckpoint, ConfigError, NotFound
from node0.models.base_model import BaseModelDir
from node0.models.hf.hf_base import resolve_any_base
from node0.swarm.run.swarm_run import SwarmRun


def base_check(run: SwarmRun, directory: Path | None = None) -> CheckResult:
    """Compare the base in `directory`, or where run.json says, with the run's digest."""
    if directory is None and run.base_model is None:
        return ok("base", "none: the run starts from random weights")
    place = directory or Path(str(run.base_model)).expanduser()
    if not place.is_dir():
        return note(
            "base", f"{place} is no directory here", "give --base-model DIR; a hub id is fetched at the start"
        )
    try:
        base = resolve_any_base(place)
    except (BadCheckpoint, ConfigError, NotFound, OSError) as error:
        return bad("base", f"{place}: {error}", "copy or download the base again")
    found = base.digest
    if run.base_digest is not None and found != run.base_digest:
        return bad(
            "base",
            f"{place} has digest {found[:12]}, and the run is made for {run.base_digest[:12]}",
            "copy the base from a machine where it is right, or make the run again for this one",
        )
    who = "" if isinstance(base, BaseModelDir) else f", a {base.args.family} that transformers computes"
    return ok("base", f"{place} has digest {found[:12]}{who}")
