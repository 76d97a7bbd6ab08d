# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
from deploy_town import deployer, registry, town

from node0.commands.desk.pages.desk_page import Asked, Desk
from node0.commands.desk.pages.live_pages import live, session
from node0.errors import NotFound
from node0.finetune.deploy.deployer import Deployer
from node0.finetune.deploy.endpoint import Endpoint
from node0.finetune.registry.store import ModelRegistry
from node0.town import Town

__all__ = ["deployer", "registry", "town"]

TMUX = """#!/bin/sh
case "$*" in
*list-sessions*) printf '1767225600 hq-deacon\n1767225600 hq-deacon-2\n1767225600 de-witness\n' ;;
*show-environment*=hq-deacon) printf 'GT_ROLE=deacon\nGT_AGENT=ft-deacon-v1\n' ;;
*show-environment*=hq-deacon-2) printf 'GT_ROLE=deacon\nGT_AGENT=opus\n' ;;
*show-environment*) printf 'GT_ROLE=demo/witness\nGT_AGENT=haiku\n' ;;
*capture-pane*) printf '%s' "$SHOWN" ;;
esac
"""
"A tmux that knows two deacons, one of which a version of ours answers, and a witness."


@pytest.fixture
def desk(
    town: Town, registry: ModelRegistry, deployer: Deployer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Desk:
    deployer.deploy(deployer.plan("deacon:1", endpoint=Endpoint()))
    registry.close()
    program = tmp_path / "bin" / "tmux"
    program.parent.mkdir()
    program.write_text(TMUX)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.setenv("SHOWN", "\x1b[1mlook\x1b[0m <b>at</b> [EMAIL_1]")
    return Desk(town)


def test_sessions_of_deployed_roles_are_shown_with_what_answers_them(desk: Desk) -> None:
    page = live(desk, Asked()).content

    assert [(row["MODEL"], row["ROLE"]) for row in page["at_work"]] == [("deacon:1", "deacon")]
    assert [(row["SESSION"], row["ANSWERED BY"]) for row in page["sessions"]] == [
        ("hq-deacon", "deacon:1"),
        ("hq-deacon-2", "opus"),
    ]
    assert page["sessions"][0]["SINCE"] == "2026-01-01T00:00:00+00:00"


def test_a_session_shows_its_terminal_as_text(desk: Desk) -> None:
    page = session(desk, Asked(path={"session": "hq-deacon"})).content

    assert [tuple(span) for span in page["spans"]] == [
        ("look <b>at</b> ", ""),
        ("[EMAIL_1]", "redacted"),
        ("\n", ""),
    ]


@pytest.mark.parametrize("name", ["de-witness", "somebody-elses"])
def test_a_session_of_another_role_is_not_shown(desk: Desk, name: str) -> None:
    with pytest.raises(NotFound, match=name):
        session(desk, Asked(path={"session": name}))


def test_a_machine_without_tmux_is_told_beside_what_is_at_work(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    page = live(desk, Asked()).content

    assert "tmux is not installed" in page["problem"]
    assert [row["MODEL"] for row in page["at_work"]] == ["deacon:1"]
