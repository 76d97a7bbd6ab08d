# SPDX-License-Identifier: Apache-2.0
"""Readers of what an operator wrote: training settings, run.json, scrub rules, the suite, gt's settings."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attack.fuzz import Reader
from attack.mutations import as_json, as_yaml, mutated_bytes, mutated_tree
from node0.finetune.config import FineTuneConfig
from node0.finetune.corpus.scrub.finding import Tier
from node0.finetune.corpus.scrub.rules.gitleaks import gitleaks_rules
from node0.finetune.corpus.scrub.rules.operator_rule import operator_rule
from node0.finetune.corpus.scrub.scrub_settings import read_scrub_settings
from node0.finetune.deploy.json_edit import check, get
from node0.finetune.eval.suite.load import load_suite
from node0.finetune.training.plan.training_file import read_training_file
from node0.settings import validate
from node0.swarm.run.create import create_run
from node0.swarm.run.layout import first_port, lay_out
from node0.swarm.run.run_file import read_run
from node0.swarm.run.swarm_run import SwarmRun
from node0.town import Town

TRAINING: dict[str, Any] = {
    "role": "deacon", "corpus_path": "corpus", "base_model": "base", "checkpoint_dir": "run", "epochs": 2,
    "lr": 1e-3, "max_length": 512, "seed": 3,
    "lora": {"rank": 4, "alpha": 8, "dropout": 0.1, "target_modules": ["wq"]},
    "select": {"outcomes": ["success"], "since": "2026-01-01"}, "max_steps": 5, "num_warmup_steps": 1,
}  # fmt: skip
_ITEM: dict[str, Any] = {
    "id": "a-one", "role": "crew", "difficulty": "easy", "tags": ["a"], "prompt": "Say yes.",
    "checks": [{"check": "says", "all": ["yes"], "longest": 9}], "reference": [{"say": "yes"}], "turns": 1,
    "setup": {"files": {"a.txt": "b"}, "beads": [{"id": "gt-1", "title": "t"}]},
}  # fmt: skip
_PATTERNS: Sequence[bytes] = (
    rb"hy_[a-z0-9]{32}", rb"(?P<secret>\w+)-key", rb"(a+)+$",
    rb"(a|aa)+(b|bb)+$", rb"^(\d+|x)*?(?=y)", rb"((a{1,9}){1,9}){1,9}b",
)  # fmt: skip
_TEXT = "a" * 50 + " hy_0123456789abcdef0123456789abcdef " + "aaaa bbbb 1111 " * 40


def training_file(place: Path) -> Reader:
    """The YAML of a training."""
    file = place / "run.yaml"

    def read(data: bytes) -> None:
        file.write_bytes(data)
        validate(FineTuneConfig, read_training_file(file), source=file.name)

    return Reader(mutated_tree([TRAINING], as_yaml), read)


def run_file(place: Path) -> Reader:
    """run.json of a swarm."""
    slots = lay_out(2, replicas={}, spares=1, hosts={}, start=first_port(str(place)))
    create_run(place / "run", slots, common=SwarmRun(num_stages=2, local_mode=True), settings="")
    file = place / "run" / "run.json"
    seed = json.loads(file.read_text())

    def read(data: bytes) -> None:
        file.write_bytes(data)
        run = read_run(place / "run")
        run.seeds()
        assert run.allowed is not None

    return Reader(mutated_tree([seed], as_json), read)


def scrub_settings(place: Path) -> Reader:
    """The scrub block of a town's settings."""
    (place / "mayor").mkdir()
    (place / "mayor" / "town.json").write_text("{}")
    town = Town(place)
    town.model_settings_file.parent.mkdir(parents=True, exist_ok=True)
    rule = {"kind": "harbor", "pattern": "hy_[a-z]{8}", "tier": "redact", "keywords": ["hy_"]}

    def read(data: bytes) -> None:
        town.model_settings_file.write_bytes(data)
        read_scrub_settings(town)

    return Reader(mutated_tree([{"scrub": {"deny": ["Yard"], "rules": [rule], "voters": []}}], as_yaml), read)


def patterns(place: Path) -> Reader:
    """An operator's regular expressions, on texts that bring out the worst of them."""

    def read(data: bytes) -> None:
        rule = operator_rule("harbor", data.decode(errors="replace"), tier=Tier.REDACT)
        list(rule.findings(_TEXT))

    return Reader(mutated_bytes(_PATTERNS), read)


def gitleaks(place: Path) -> Reader:
    """A gitleaks rules file."""
    file = place / "gitleaks.toml"
    seed = (
        b"[[rules]]\nid = 'k'\nregex = '(?i)key=([a-z]{8,})'\nkeywords = ['key']\nsecretGroup = 1\n"
        b"entropy = 3\n[rules.allowlist]\nregexes = ['key=aaaa']\nstopwords = ['example']\n"
    )

    def read(data: bytes) -> None:
        file.write_bytes(data)
        for rule in gitleaks_rules(file):
            list(rule.findings(_TEXT))

    return Reader(mutated_bytes([seed]), read)


def suite_items(place: Path) -> Reader:
    """A file of an evaluation's items."""
    (place / "planning").mkdir()

    def read(data: bytes) -> None:
        (place / "planning" / "a.yaml").write_bytes(data)
        load_suite(place)

    return Reader(mutated_tree([[_ITEM]], as_yaml), read)


def town_settings(place: Path) -> Reader:
    """gt's own settings, of which single members are changed."""
    seed = {"role_agents": {"deacon": "claude"}, "agents": {"a": {"command": "x", "args": ["y"]}}}

    def read(data: bytes) -> None:
        text = data.decode(errors="replace")
        check(text)
        get(text, ["role_agents", "deacon"])

    return Reader(mutated_tree([seed], as_json), read)
