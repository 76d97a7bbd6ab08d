# SPDX-License-Identifier: Apache-2.0
import json
import os
import random
from pathlib import Path

import pytest

from node0.finetune.corpus.town.conventions import KEPT, OUR_MARK, drift, fingerprint, fingerprints
from node0.town import Town


@pytest.fixture
def town(tmp_path: Path) -> Town:
    _write(tmp_path / "CLAUDE.md", "Work on what is slung to you.\nNever push by force.\n")
    _write(tmp_path / "directives" / "witness.md", "Watch the polecats.\n")
    _write(tmp_path / ".beads" / "formulas" / "patrol.formula.toml", 'formula = "patrol"\nversion = 1\n')
    _write(tmp_path / "settings" / "config.json", json.dumps({"type": "town-settings", "agents": {}}))
    return Town(tmp_path)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _moved(before: dict[str, str], after: dict[str, str]) -> dict[str, float]:
    return {kind: moved for kind in before if (moved := drift(before[kind], after[kind]))}


def test_a_touched_file_is_no_drift(town: Town) -> None:
    before = fingerprints(town, "deacon")
    for path in town.root.rglob("*.*"):
        os.utime(path, (1, 1))

    assert _moved(before, fingerprints(town, "deacon")) == {}


def test_order_and_blank_lines_are_no_drift(town: Town) -> None:
    before = fingerprints(town, "deacon")
    _write(town.root / "CLAUDE.md", "\n  Never push by force.\n\nWork on what is slung to you.")

    assert _moved(before, fingerprints(town, "deacon")) == {}


def test_a_line_of_two_that_is_replaced_leaves_a_third_in_common(town: Town) -> None:
    before = fingerprints(town, "deacon")
    _write(town.root / "CLAUDE.md", "Work on what is slung to you.\nNever push to main.\n")

    assert _moved(before, fingerprints(town, "deacon")) == {"claude_md": pytest.approx(2 / 3)}


def test_a_formula_of_ours_is_no_convention_of_the_town(town: Town) -> None:
    before = fingerprints(town, "deacon")
    _write(town.root / ".beads" / "formulas" / "ours.formula.toml", f'{OUR_MARK}\nformula = "ours"\n')

    assert _moved(before, fingerprints(town, "deacon")) == {}


def test_a_directive_moves_only_the_role_that_it_is_for(town: Town) -> None:
    roles = ("deacon", "witness")
    before = {role: fingerprints(town, role) for role in roles}
    _write(town.root / "directives" / "witness.md", "Nudge who is idle.\n")

    assert [list(_moved(before[role], fingerprints(town, role))) for role in roles] == [[], ["claude_md"]]


def test_a_new_formula_of_old_lines_is_a_drift(town: Town) -> None:
    before = fingerprints(town, "deacon")
    text = (town.root / ".beads" / "formulas" / "patrol.formula.toml").read_text()
    _write(town.root / ".beads" / "formulas" / "round.formula.toml", text)

    assert _moved(before, fingerprints(town, "deacon")) == {"formulas": pytest.approx(0.5)}


def test_what_deploying_writes_is_no_drift_and_any_other_setting_is(town: Town) -> None:
    before = fingerprints(town, "deacon")
    settings = {"type": "town-settings", "agents": {"ft-deacon-v1": {"provider": "claude"}}}
    _write(town.settings_file, json.dumps(settings | {"role_agents": {"deacon": "ft-deacon-v1"}}))
    after_deploying = fingerprints(town, "deacon")
    _write(town.settings_file, json.dumps(settings | {"scheduler": {"max_polecats": 2}}))

    assert _moved(before, after_deploying) == {}
    assert list(_moved(after_deploying, fingerprints(town, "deacon"))) == ["config"]


def test_nothing_in_common_is_one() -> None:
    assert drift(fingerprint(["a"]), fingerprint(["b"])) == 1
    assert drift(fingerprint([]), fingerprint(["b"])) == 1
    assert drift(fingerprint([]), fingerprint([])) == 0


@pytest.mark.parametrize("share", [0.05, 0.2, 0.5, 0.8])
def test_the_distance_of_long_texts_is_estimated(share: float) -> None:
    draw = random.Random(7)
    lines = [f"{draw.random()}" for _ in range(5000)]
    replaced = round(share * len(lines))
    others = [f"{draw.random()}" for _ in range(replaced)] + lines[replaced:]

    exact = 1 - (len(lines) - replaced) / (len(lines) + replaced)
    assert drift(fingerprint(lines), fingerprint(others)) == pytest.approx(exact, abs=0.09)


def test_one_changed_line_of_thousands_is_seen() -> None:
    lines = [str(number) for number in range(5000)]

    assert 0 < drift(fingerprint(lines), fingerprint([*lines, "one more"])) <= 2 / KEPT


def test_half_a_character_in_a_line_has_a_fingerprint_too() -> None:
    assert drift(fingerprint(["a\ud800"]), fingerprint(["a\ud800"])) == 0
    assert drift(fingerprint(["a\ud800"]), fingerprint(["a"])) == 1
