# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

from node0 import console
from node0.commands.common_options import command_app
from node0.commands.corpus.corpus_arguments import BeadsOption, DenyOption, ForRoleOption, IdArgument

Printed = pytest.CaptureFixture[str]


def run(*argv: str) -> tuple[int, dict[str, object]]:
    """The exit code, and what a command that takes all of them was called with."""
    app, given = command_app(), {}

    @app.command()
    def thing(
        entry_id: IdArgument,
        *,
        deny: DenyOption = None,
        beads: BeadsOption = None,
        role: ForRoleOption = None,
    ) -> None:
        given.update(entry_id=entry_id, deny=deny, beads=beads, role=role)

    return console.run(app, list(argv), name="thing"), given


def test_each_word_that_is_denied_is_kept_in_order() -> None:
    assert run("e1", "--deny", "acme", "--deny", "build host")[1]["deny"] == ["acme", "build host"]


def test_a_backup_is_a_path_and_a_role_is_taken_as_it_is_written() -> None:
    code, given = run("e1", "--beads", "backup", "--role", "mayor")

    assert code == 0
    assert given == {"entry_id": "e1", "deny": None, "beads": Path("backup"), "role": "mayor"}


def test_an_entry_is_named_and_the_help_says_where_its_id_is_found(capsys: Printed) -> None:
    assert run()[0] == console.USAGE
    assert "'ID'" in capsys.readouterr().err

    assert run("--help") == (0, {})
    shown = capsys.readouterr().out
    assert "see `node0-corpus list`" in " ".join(shown.split())
    assert "issues.jsonl" in shown
