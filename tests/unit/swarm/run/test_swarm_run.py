# SPDX-License-Identifier: Apache-2.0

import pytest
from run_trees import PEERS, a_tree

from node0.errors import NotFound
from node0.models.stage_name import StageName
from node0.swarm.run.swarm_run import SwarmRun, member_name, spare_name


def test_members_come_in_the_order_of_the_stages_with_names_of_their_own() -> None:
    run = SwarmRun.model_validate(a_tree())

    assert [member.name for member in run.members] == [
        "head-0", "body-1", "body-1.2", "tail-2", "spare-0", "trainer",
    ]  # fmt: skip
    assert run.member("body-1.2").stage == StageName(1, "body")
    assert run.member("spare-0").stage is None
    assert run.member_of(PEERS[2]) == run.member("body-1.2")
    assert run.member_of(PEERS[6]) is None
    with pytest.raises(NotFound, match=r"no member 'body-3'; its members: head-0, body-1, body-1\.2"):
        run.member("body-3")


def test_members_and_further_peers_may_join_and_nobody_else() -> None:
    run = SwarmRun.model_validate(a_tree(allow_peers=[PEERS[6]]))

    assert run.allowed == set(PEERS)
    assert SwarmRun.model_validate(a_tree()).allowed == set(PEERS[:6])


def test_the_trainer_alone_may_train_where_there_is_one() -> None:
    run = SwarmRun.model_validate(a_tree(allow_peers=[PEERS[6]]))

    assert run.trainer is not None
    assert run.leaders == {run.trainer.peer_id}
    nameless = run.model_copy(update={"trainer": None})
    assert nameless.leaders == nameless.allowed


def test_seeds_are_where_members_can_be_reached() -> None:
    named = f"/ip4/10.0.0.9/tcp/1/p2p/{PEERS[6]}"
    run = SwarmRun.model_validate(a_tree(local_seed_peers=[named]))

    assert run.seeds(but=PEERS[0]) == [
        named,
        f"/ip4/127.0.0.1/tcp/4101/p2p/{PEERS[1]}",
        f"/dns4/gpu-2.example/tcp/9/p2p/{PEERS[2]}",
        f"/ip4/127.0.0.1/tcp/4103/p2p/{PEERS[3]}",
        f"/ip4/127.0.0.1/tcp/4104/p2p/{PEERS[4]}",
    ]
    assert f"/ip4/127.0.0.1/tcp/4100/p2p/{PEERS[0]}" in run.seeds()


def test_names_count_holders_from_one_and_spares_from_zero() -> None:
    body = StageName(1, "body")

    assert [member_name(body, number) for number in (1, 2)] == ["body-1", "body-1.2"]
    assert spare_name(0) == "spare-0"


def test_a_member_is_reached_where_it_announces_itself_or_else_where_it_listens() -> None:
    run = SwarmRun.model_validate(a_tree())

    assert [str(each) for each in run.member("head-0").full_addresses] == [
        f"/ip4/127.0.0.1/tcp/4100/p2p/{PEERS[0]}"
    ]
    assert [each.host for each in run.member("body-1.2").full_addresses] == ["gpu-2.example"]
    # The system chooses its port: nobody can know it beforehand.
    assert run.member("trainer").full_addresses == []
