# SPDX-License-Identifier: Apache-2.0
import json
import shlex
from pathlib import Path

import pytest
from eval_items import DictPlace, bash, said

from node0.errors import ConfigError
from node0.finetune.eval.suite.checks.bead_state import STORE
from node0.finetune.eval.suite.evidence import Evidence
from node0.finetune.eval.suite.item import Category, EvalItem
from node0.finetune.eval.suite.load import load_suite
from node0.finetune.eval.suite.programs.bd import main

ITEM = """
- id: {id}
  role: {role}
  difficulty: easy
  tags: [a]
  prompt: Say yes.
  checks: [{{check: says, all: ["yes"]}}]
  reference: [{{say: "yes"}}]
"""


def _file(root: Path, text: str, *, category: str = "planning", name: str = "a.yaml") -> Path:
    (root / category).mkdir(exist_ok=True)
    (root / category / name).write_text(text)
    return root


def test_a_directory_of_items_is_read_by_category_and_file(tmp_path: Path) -> None:
    _file(tmp_path, ITEM.format(id="b-two", role="crew"), name="b.yaml")
    _file(tmp_path, ITEM.format(id="a-one", role="mayor"))
    _file(tmp_path, ITEM.format(id="g-one", role="crew"), category="git_workflow")

    items = load_suite(tmp_path)

    assert [item.id for item in items] == ["g-one", "a-one", "b-two"]
    assert items[0].category is Category.GIT_WORKFLOW
    assert [item.id for item in load_suite(tmp_path, categories=[Category.PLANNING])] == ["a-one", "b-two"]
    assert [item.id for item in load_suite(tmp_path, role="crew")] == ["g-one", "b-two"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: [", "is no YAML"),
        ("a: 2026-02-30", "is no YAML"),
        ("a: 1", "holds a dict; write a list"),
        ("- 3", "item 3"),
        ("- {id: x-y}", "item 'x-y'.*required"),
        (ITEM.format(id="x-y", role="crew") * 2, "a second item 'x-y'"),
        (ITEM.format(id="x-y", role="NOBODY"), "role"),
    ],
)
def test_a_wrong_file_is_refused_in_one_line(tmp_path: Path, text: str, told: str) -> None:
    _file(tmp_path, text)

    with pytest.raises(ConfigError, match=told) as refused:
        load_suite(tmp_path)

    assert "\n" not in str(refused.value)


def test_the_shipped_suite_has_forty_items_a_category_over_the_roles() -> None:
    items = load_suite()

    for category in Category:
        of_it = [item for item in items if item.category is category]
        assert len(of_it) >= 40
        assert len({item.difficulty for item in of_it}) == 3
        assert len({item.prompt for item in of_it}) == len(of_it)
    assert {item.role for item in items} >= {
        "mayor",
        "deacon",
        "witness",
        "refinery",
        "polecat",
        "crew",
        "dog",
        "boot",
    }
    assert len({tag for item in items for tag in item.tags}) > 40


def test_an_item_of_the_shipped_suite_offers_what_its_reference_uses() -> None:
    names = {"bash": "Bash", "write": "Write", "edit": "Edit"}
    for item in load_suite():
        used = {names[kind] for turn in item.reference for kind in names if getattr(turn, kind)}
        assert used <= set(item.tools), item.id


def _item(name: str) -> EvalItem:
    [found] = [item for item in load_suite() if item.id == name]
    return found


def _failed(item: EvalItem, evidence: Evidence) -> list[str]:
    results = [check.judge(evidence) for check in item.checks]
    return [result.reason for result in results if not result.passed]


RIGHT = [
    ("refinery-old-failure", 'bd create --type=bug --priority P1 "test_invoice_total fails on main"'),
    ("polecat-end-of-work", "git push --set-upstream origin polecat/fir && gt done"),
    ("polecat-blocked", 'gt escalate -s HIGH "gt-33e: the API key is nowhere"'),
    ("polecat-blocked", 'gt escalate "gt-33e: the API key is nowhere" --severity=HIGH'),
    (
        "mayor-list-of-tasks",
        'bd create "Certificate: renew"; bd create "New Logo"; bd q "Rig: close the old one"',
    ),
    ("witness-finished-polecat", "gt polecat nuke --force granite/alder"),
    ("witness-blocked-long", 'gt escalate --severity HIGH "credentials are missing"'),
    ("deacon-warrant-command", 'gt warrant file --reason "52 minutes without a heartbeat" marble/elm'),
    ("deacon-warrant-command", 'gt warrant file marble/elm --reason "silent for 52m"'),
    ("polecat-nothing-to-change", 'bd close --reason="no-changes: --fast is gone" gt-82c && gt done'),
    ("polecat-found-other-bug", 'bd q --deps discovered-from:gt-90d "Log rotates at the wrong hour"'),
    ("polecat-found-other-bug", 'bd create "Rotation is an hour late" --deps=discovered-from:gt-90d'),
    ("crew-message-to-agent", 'gt nudge --mode=immediate slate/birch "Rebase: main has moved"'),
    ("crew-message-to-agent", 'gt nudge -m "please rebase your branch" slate/birch'),
]
WRONG = [
    ("refinery-old-failure", 'bd create "test_invoice_total fails on main" -t chore -p 4'),
    ("refinery-old-failure", 'bd create "test_invoice_total fails on main" -t bug'),
    ("refinery-old-failure", 'bd create "test_invoice_total fails on main" -p 1'),
    ("refinery-old-failure", 'bd create "test_invoice_total fails on main" -t bug -p 10'),
    ("polecat-end-of-work", "git push --set-upstream origin main && gt done"),
    ("polecat-blocked", 'gt escalate -s LOW "gt-33e: the API key is nowhere"'),
    ("polecat-blocked", 'gt escalate -s HIGH "gt-33e: I wait"'),
    ("mayor-list-of-tasks", 'bd create "Renew the certificate, ask for the logo"'),
    ("witness-finished-polecat", "gt polecat nuke granite/alder"),
    ("witness-finished-polecat", "gt polecat nuke --force granite/alder2"),
    ("witness-blocked-long", 'gt escalate --severity HIGH "help"'),
    ("witness-blocked-long", 'gt escalate "credentials are missing"'),
    ("deacon-warrant-command", "gt warrant file marble/elm --reason 'it is dead'"),
    ("deacon-warrant-command", "gt warrant file marble/elm52 --reason 'it is dead'"),
    ("deacon-warrant-command", "gt warrant file marble/elm --reason '152 minutes'"),
    ("polecat-nothing-to-change", 'bd close gt-82 --reason="no-changes: gt-82c" && gt done'),
    ("polecat-nothing-to-change", "bd close gt-82c --reason=done && gt done"),
    ("polecat-found-other-bug", 'bd create "Log rotates at the wrong hour"'),
    ("polecat-found-other-bug", 'bd create "It is wrong" --deps discovered-from:gt-90d'),
    ("polecat-found-other-bug", 'bd create "Log rotates" --deps discovered-from:gt-90de'),
    ("crew-message-to-agent", "gt nudge slate/birch2 rebase"),
    ("crew-message-to-agent", "gt nudge slate/birch hello"),
    ("crew-message-to-agent", 'gt nudge --mode immediate slate/oak "slate/birch should rebase now"'),
    ("polecat-nothing-to-change", 'bd close --reason="no-changes: see gt-82c" gt-82 && gt done'),
    ("witness-finished-polecat", "gt polecat nuke granite/fir granite/alder --force"),
    ("mayor-list-of-tasks", 'bd create "Renew the certificate, ask for the logo, close the rig"'),
    ("mayor-list-of-tasks", 'bd create "Certificate"; bd create "Logo, and close the rig"'),
    ("refinery-old-failure", 'bd create test_invoice_total; bd create "Another" -t bug -p 1'),
]


@pytest.mark.parametrize(("name", "commands"), RIGHT)
def test_flags_may_stand_before_their_argument_and_words_begin_large(name: str, commands: str) -> None:
    item = _item(name)

    assert _failed(item, Evidence(item.role, [bash(commands)])) == []


@pytest.mark.parametrize(("name", "commands"), WRONG)
def test_commands_that_leave_out_what_was_asked_for_fail(name: str, commands: str) -> None:
    item = _item(name)

    assert _failed(item, Evidence(item.role, [bash(commands)]))


@pytest.mark.parametrize(
    ("subject", "right"),
    [
        ("Add subtraction to calc.py (gt-61x)", True),
        ("A" * 41 + " (gt-61x)", True),
        ("A" * 42 + " (gt-61x)", False),
        ("Add subtraction. (gt-61x)", False),
        ("add subtraction (gt-61x)", False),
        ("Add subtraction (gt-61x).", False),
        ("Add subtraction", False),
        ("Ad (gt-61x)", False),
    ],
)
def test_a_subject_is_as_long_as_was_allowed_and_ends_without_a_stop(subject: str, right: bool) -> None:
    item = _item("commit-names-its-bead")
    place = DictPlace(prints={"git log -1 --format=%s": f"{subject}\n", "git status --short": ""})

    assert (_failed(item, Evidence(item.role, [], place=place)) == []) is right


SITE = """
create "Translate the site" -t epic
create "Extract the texts" --parent gt-n01
create "French" --parent gt-n01 {texts}
create "Polish" --parent gt-n01 {texts}
create "Swedish" --parent gt-n01 {texts}
create "Switch of languages" {below} {languages}
"""
NEEDS = {
    "texts": "--deps gt-n01.1",
    "below": "--parent gt-n01",
    "languages": "--deps gt-n01.2,gt-n01.3,gt-n01.4",
}


@pytest.mark.parametrize(
    ("left_out", "told"),
    [
        ({}, ""),
        ({"texts": ""}, "it waits for nothing, not ['gt-n01.1']"),
        ({"languages": ""}, "gt-n01.5: it waits for nothing"),
        ({"languages": "--deps gt-n01.2"}, "it waits for ['gt-n01.2']"),
        ({"below": ""}, "parent is ''"),
    ],
    ids=[
        "complete",
        "languages wait for nothing",
        "switch waits for nothing",
        "for one",
        "switch lies outside",
    ],
)
def test_beads_without_their_dependencies_are_no_hierarchy(
    left_out: dict[str, str], told: str, tmp_path: Path
) -> None:
    item, store = _item("epic-parallel-work"), tmp_path / "store.json"
    for line in SITE.format(**NEEDS | left_out).strip().splitlines():
        assert main(shlex.split(line), store) == 0

    failed = _failed(item, Evidence(item.role, [], place=DictPlace({STORE: store.read_text()})))

    assert told in " ".join(failed)
    assert bool(failed) is bool(told)


def _plan(item: EvalItem, changes: dict[str, list[str]]) -> Evidence:
    """The reference with other needs of some steps."""
    given = item.reference[0].object or {}
    steps = [step | {"needs": changes.get(step["id"], step["needs"])} for step in given["steps"]]
    return Evidence(item.role, [said(json.dumps({"steps": steps}))])


@pytest.mark.parametrize(
    ("name", "changes", "told"),
    [
        ("split-accessibility", {}, ""),
        ("split-accessibility", {"h": []}, "'home' does not wait for 'first'"),
        ("split-accessibility", {"k": []}, "'checkout' does not wait for 'first'"),
        ("split-import-wizard", {}, ""),
        ("split-import-wizard", {"u": ["r"]}, "'undo' does not wait for 'import'"),
    ],
)
def test_a_plan_that_begins_too_early_fails(name: str, changes: dict[str, list[str]], told: str) -> None:
    item = _item(name)

    assert _failed(item, _plan(item, changes)) == ([told] if told else [])


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(
            ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12))]
        ),
        "- " * 3000 + "x",
        "[" * 100_000,
        "- " + "x" * (2 << 20),
    ],
    ids=["aliases of aliases", "deep", "deeper", "large"],
)
def test_a_file_of_items_that_explodes_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=r"a\.yaml is no YAML: its? .*; correct the file"):
        load_suite(_file(tmp_path, text))
