# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node0.errors import ConfigError
from node0.finetune.gastown.claude_trust import trust_changes, trusted_by, trusted_places
from node0.finetune.registry.deployments import Edit
from node0.town import Town

PLACE = Path("/home/ada/gt")
OTHER = Path("/home/ada/gt/demo/.repo.git")


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Where the file lies."""
    return tmp_path / ".claude.json"


def trust(state: Path, places: list[Path], was: list[Edit] | None = None) -> list[Edit]:
    """Written; what is ours in it."""
    (change,), edits = trust_changes([state], places, was or [])
    change.make()
    return edits


def forget(edits: list[Edit]) -> None:
    for change in trust_changes([], [], edits)[0]:
        change.make()


def read(state: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(state.read_text())
    return found


def test_a_rigs_repository_stands_for_its_worktrees_and_a_clone_for_itself(town_root: Path) -> None:
    rigs = {"version": 1, "rigs": {"demo": {}, "gone": {}}}
    (town_root / "mayor" / "rigs.json").write_text(json.dumps(rigs))
    for place in (".repo.git", "crew/ada/.git", "polecats/rust/demo"):
        (town_root / "demo" / place).mkdir(parents=True)
    (town_root / "demo" / "crew" / "worktree").mkdir()
    (town_root / "demo" / "crew" / "worktree" / ".git").write_text("gitdir: elsewhere\n")

    found = trusted_places(Town(town_root))

    assert found == [town_root, town_root / "demo" / ".repo.git", town_root / "demo" / "crew" / "ada"]


def test_onboarding_and_each_place_are_answered_and_nothing_else(state: Path) -> None:
    trust(state, [PLACE, OTHER])

    assert read(state) == {
        "hasCompletedOnboarding": True,
        "projects": {str(place): {"hasTrustDialogAccepted": True} for place in (PLACE, OTHER)},
    }
    assert state.stat().st_mode & 0o777 == 0o600


def test_what_was_answered_already_is_not_ours(state: Path) -> None:
    text = json.dumps(
        {"hasCompletedOnboarding": True, "projects": {str(PLACE): {"hasTrustDialogAccepted": True}}}
    )
    state.write_text(text)

    edits = trust(state, [PLACE])

    assert edits == [] and state.read_text() == text


@pytest.mark.parametrize(
    "text",
    [
        None,
        "{}",
        '{"projects": {}}\n',
        '{"numStartups":3,"projects":{"/x":{"a":[1]}}}',
        f'{{\n\t"projects": {{"{PLACE}":{{"hasTrustDialogAccepted":false,"n":1.50}}}},\n"é": "\\u00e9"}}',
        '{"hasCompletedOnboarding": false, "oauthAccount": {"key": "secret"}}',
    ],
)
def test_what_was_written_is_taken_out_to_the_byte(state: Path, text: str | None) -> None:
    if text is not None:
        state.write_text(text)

    edits = trust(state, [PLACE, OTHER])
    assert read(state)["projects"][str(OTHER)] == {"hasTrustDialogAccepted": True}
    forget(edits)

    assert (state.read_text() if state.exists() else None) == text


KEYS = st.sampled_from(["projects", "hasCompletedOnboarding", str(PLACE), "hasTrustDialogAccepted", "a", "é"])
VALUES = st.one_of(st.booleans(), st.none(), st.integers(), st.text(max_size=3))
TREES = st.recursive(VALUES, lambda inner: st.dictionaries(KEYS, inner, max_size=3), max_leaves=9)


@given(
    tree=st.dictionaries(KEYS, TREES, max_size=4),
    indent=st.sampled_from([None, 2, "\t"]),
    separators=st.sampled_from([(",", ":"), (" , ", " : ")]),
)
def test_any_state_comes_back(
    tmp_path_factory: pytest.TempPathFactory, tree: dict[str, Any], indent: Any, separators: tuple[str, str]
) -> None:
    state = tmp_path_factory.mktemp("state") / ".claude.json"
    text = json.dumps(tree, indent=indent, separators=separators, ensure_ascii=False)
    state.write_text(text)

    try:
        edits = trust(state, [PLACE, OTHER])
    except ConfigError:
        assert state.read_text() == text
        return

    forget(edits)
    assert state.read_text() == text


def test_what_claude_code_wrote_meanwhile_stays(state: Path) -> None:
    edits = trust(state, [PLACE])
    content = read(state)
    content["numStartups"] = 7
    content["projects"][str(PLACE)]["lastCost"] = 0.5
    state.write_text(json.dumps(content))

    forget(edits)

    assert read(state) == {"projects": {str(PLACE): {"lastCost": 0.5}}, "numStartups": 7}


def test_trusting_again_changes_nothing_and_a_new_place_is_added(state: Path) -> None:
    edits = trust(state, [PLACE])
    text = state.read_text()
    assert trust(state, [PLACE], edits) == edits and state.read_text() == text

    more = trust(state, [PLACE, OTHER], edits)
    assert trusted_by(more) == {str(state): [str(PLACE), str(OTHER)]}
    forget(more)

    assert not state.exists()


def test_a_place_that_is_gone_is_trusted_no_more(state: Path) -> None:
    state.write_text("{}")
    edits = trust(state, [PLACE, OTHER])

    edits = trust(state, [PLACE], edits)

    assert str(OTHER) not in read(state)["projects"]
    forget(edits)
    assert state.read_text() == "{}"


def test_trust_that_somebody_took_back_is_written_again_and_then_is_as_it_was_first(state: Path) -> None:
    state.write_text(json.dumps({"projects": {str(PLACE): {"hasTrustDialogAccepted": False}}}))
    first = state.read_text()
    edits = trust(state, [PLACE])
    state.write_text(state.read_text().replace("true", "null"))

    forget(trust(state, [PLACE], edits))

    assert json.loads(state.read_text()) == json.loads(first)


def test_what_is_shown_of_the_change_holds_no_other_line_of_the_file(state: Path) -> None:
    state.write_text('{"primaryApiKey": "secret", "hasCompletedOnboarding": false}')

    (change,), _ = trust_changes([state], [PLACE], [])

    assert "secret" not in change.diff()
    assert "-hasCompletedOnboarding: false\n+hasCompletedOnboarding: true\n" in change.diff()
    assert f"+projects.{PLACE}.hasTrustDialogAccepted: true" in change.diff()


@pytest.mark.parametrize("text", ['{"projects": []}', "[]", "no json"])
def test_a_state_that_is_none_is_named_and_left(state: Path, text: str) -> None:
    state.write_text(text)

    with pytest.raises(ConfigError, match=str(state)):
        trust_changes([state], [PLACE], [])

    assert state.read_text() == text
