# SPDX-License-Identifier: Apache-2.0
from node0.finetune.gastown.role_agents import RoleAgent
from node0.finetune.gastown.upkeep.harness_limits import harness_limits

ROLES = [
    RoleAgent("deacon", "", "ft-deacon-v1", "x"),
    RoleAgent("witness", "demo", "ft-witness-v1", "x"),
    RoleAgent("polecat", "demo", "ft-polecat-v1", "x"),
    RoleAgent("refinery", "demo", "pi", "x"),
]


def test_what_gt_cannot_do_with_a_harness_is_told_of_the_roles_that_run_ours_on_it() -> None:
    entries = {
        "ft-deacon-v1": {"provider": "pi", "command": "pi"},
        "ft-witness-v1": {"command": "/x/pi"},
        "ft-polecat-v1": {"provider": "claude", "command": "claude"},
    }

    (one,) = harness_limits(ROLES, [entries])

    assert (one.check, one.state) == ("harness", "note") and one.do
    assert one.found.startswith("pi for deacon, demo/witness: gt cannot resume")


def test_nothing_is_told_of_claude_code_and_of_agents_that_are_not_ours() -> None:
    assert list(harness_limits(ROLES[2:], [{"ft-polecat-v1": {"command": "claude"}}])) == []
