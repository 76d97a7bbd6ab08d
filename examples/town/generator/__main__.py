# SPDX-License-Identifier: Apache-2.0
"""Make the sample town: `PYTHONPATH=examples python -m town.generator`."""

import argparse
from pathlib import Path

from town.generator.build import TownPlan, build_town

HERE = Path(__file__).parent.parent


def main() -> None:
    """Write the town and say what was written."""
    parser = argparse.ArgumentParser(description="Make the sample town.")
    parser.add_argument("--out", type=Path, default=HERE / "gt", help="directory of the town")
    parser.add_argument("--seed", type=int, default=TownPlan().seed)
    for role, count in TownPlan().sessions.items():
        parser.add_argument(f"--{role}", type=int, default=count, help=f"sessions of the role {role}")
    options = parser.parse_args()
    sessions = {role: getattr(options, role) for role in TownPlan().sessions}
    manifest = options.out.with_name(f"{options.out.name}-planted.json")
    made = build_town(options.out, manifest, TownPlan(seed=options.seed, sessions=sessions))
    print(
        f"{options.out}: {made.sessions} sessions, {made.documents} documents, "
        f"{made.secrets} planted secrets and {made.people} pieces of personal data listed in {manifest}"
    )


if __name__ == "__main__":
    main()
