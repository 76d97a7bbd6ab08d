# SPDX-License-Identifier: Apache-2.0
"""Inputs that ask for memory or time without end: one line, the documented code, within 2 s and 500 MB.

Each is given to the real command in a process of its own, forked after the imports, under a limit of
address space.
"""

import io
import json
import multiprocessing
import resource
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file
from tiny_run import make_base, make_corpus, settings

from node0.cli import main
from node0.commands.finetune import train_role
from node0.commands.infer import answer_prompts, load_model
from node0.finetune.checkpoint.peft import export_peft
from node0.lora.adapter import apply_lora
from node0.lora.lora_config import LoRAConfig
from node0.models.base_model import resolve_base
from node0.models.factory import build_stages

pytestmark = pytest.mark.integration

MIB, SECONDS = 500, 2.0
IMPORTED = (train_role, answer_prompts, load_model)
"What the commands load when they are called; the child has it from here."

DEEP = '{"a": ' * 300_000 + "1" + "}" * 300_000

Case = Callable[[Path], list[str]]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base, an adapter of it, a corpus and a training file, all in order."""
    root = tmp_path_factory.mktemp("whole")
    make_corpus(root / "corpus", sessions=4)
    base = resolve_base(make_base(root))
    stages = build_stages(base.args)
    apply_lora(stages[0], LoRAConfig(rank=2, target_modules=["wq"]))
    export_peft(stages, root / "adapter", base_name="../base", base_digest=base.digest)
    return root


def _edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def _ask(place: Path, name: str = "base") -> list[str]:
    return [
        "infer",
        "--model",
        str(place / name),
        "--max-tokens",
        "4",
        "--device",
        "cpu",
    ]


def _train(place: Path, **changes: Any) -> list[str]:
    tree = json.loads(json.dumps(settings(place, **changes)).replace(str(place.parent / "whole"), str(place)))
    (place / "run.yaml").write_text(yaml.safe_dump(tree))
    return ["finetune", "--config", str(place / "run.yaml"), "--dry-run"]


def config_of(**changes: Any) -> Case:
    def case(place: Path) -> list[str]:
        _edit(place / "base" / "config.json", **changes)
        return _ask(place)

    return case


def adapter_of(**changes: Any) -> Case:
    def case(place: Path) -> list[str]:
        _edit(place / "adapter" / "adapter_config.json", **changes)
        return _ask(place, "adapter")

    return case


def setting_of(**changes: Any) -> Case:
    return lambda place: _train(place, **changes)


def text_of(name: str, text: str, ask: str = "base") -> Case:
    def case(place: Path) -> list[str]:
        (place / name).write_text(text)
        return _ask(place, ask)

    return case


def template_of(text: str) -> Case:
    def case(place: Path) -> list[str]:
        file = place / "base" / "tokenizer_config.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | {"chat_template": text}))
        (place / "base" / "chat_template.jinja").write_text(text)
        return _ask(place)

    return case


def deep_header(place: Path) -> list[str]:
    header = DEEP.encode()
    (place / "base" / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    return _ask(place)


def aliases(place: Path) -> list[str]:
    levels = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    (place / "run.yaml").write_text("\n".join(["a0: &a0 [x, x]", *levels]))
    return ["finetune", "--config", str(place / "run.yaml"), "--dry-run"]


def no_numbers(place: Path) -> list[str]:
    file = place / "base" / "model.safetensors"
    save_file({name: torch.full_like(value, torch.nan) for name, value in load_file(file).items()}, file)
    return _ask(place)


def no_numbers_in_an_adapter(place: Path) -> list[str]:
    file = place / "adapter" / "adapter_model.safetensors"
    save_file({name: torch.full_like(value, torch.nan) for name, value in load_file(file).items()}, file)
    return _ask(place, "adapter")


CASES: dict[str, tuple[Case, str]] = {
    "a million layers": (config_of(num_hidden_layers=10**6), "which no model has"),
    "a thousand layers": (config_of(num_hidden_layers=1000), "the files have 2"),
    "negative heads": (config_of(num_attention_heads=-2), "which no model has"),
    "no heads": (config_of(num_attention_heads=0, num_key_value_heads=None), "which no model has"),
    "a vocabulary of a trillion": (config_of(vocab_size=10**12), "which no model has"),
    "a wide model": (config_of(hidden_size=1 << 17, head_dim=8), "do not belong together"),
    "an endless number": (config_of(intermediate_size=10**4000), "which no model has"),
    "a config nested deep": (text_of("base/config.json", DEEP), "nests more than 100 deep"),
    "an index nested deep": (text_of("base/model.safetensors.index.json", DEEP), "nests more than 100 deep"),
    "a header nested deep": (deep_header, "nests more than 100 deep"),
    "a tokenizer nested deep": (text_of("base/tokenizer.json", DEEP), "no tokenizer that can be read"),
    "a tokenizer's settings nested deep": (
        text_of("base/tokenizer_config.json", DEEP), "no tokenizer that can be read",
    ),
    "an adapter nested deep": (text_of("adapter/adapter_config.json", DEEP, "adapter"), "nests more than"),
    "a rank of a billion": (adapter_of(r=10**9), "no adapter has"),
    "a rank that the weights have not": (adapter_of(r=65_536), "does not fit"),
    "an alpha near the end of numbers": (adapter_of(lora_alpha=1e308), "no adapter has"),
    "endless epochs": (setting_of(epochs=1e18, max_steps=None), "setting 'epochs' is 1e+18"),
    "endless steps": (setting_of(max_steps=10**30), "setting 'max_steps'"),
    "a seed beyond every generator": (setting_of(seed=10**30), "setting 'seed'"),
    "a rank of a billion to train": (setting_of(lora={"rank": 10**9}), "setting 'lora.rank'"),
    "aliases of aliases": (aliases, "aliases stand for more than"),
    "weights that are no numbers": (no_numbers, "not numbers"),
    "an adapter that is no numbers": (no_numbers_in_an_adapter, "holds NaN or infinity"),
}  # fmt: skip


TEMPLATES = {
    "two billion letters": ("{{ 'a' * 2000000000 }}", "more memory"),
    "loops in loops": (
        "{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}", "too long",
    ),
    "a text that doubles": (
        "{% set n = namespace(x='ab') %}{% for i in range(99) %}{% set n.x = n.x ~ n.x %}{% endfor %}",
        "more memory",
    ),
    "a number of two billion digits": ("{{ '%1999999999d' % 7 }}", "more memory"),
    "calls upon calls": (
        "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}",
        "too long",
    ),
}  # fmt: skip
"What a chat template asks for, and of what it takes too much."


def _limited(argv: list[str], told: Path) -> None:
    """In a child: run the command with so much more memory than it has, and write down what came of it."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    room = pages * resource.getpagesize() + (MIB << 20)
    resource.setrlimit(resource.RLIMIT_AS, (room, room))
    sys.stdin, sys.stdout, sys.stderr = io.StringIO("hello\n"), io.StringIO(), io.StringIO()
    code = main(argv)
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    computed = sum(each.ru_utime + each.ru_stime for each in used)
    found = {"code": code, "computed": computed, "told": sys.stderr.getvalue()}
    told.write_text(json.dumps(found))


@pytest.mark.parametrize("name", CASES)
def test_a_hostile_input_is_one_line_in_time_and_room(
    whole: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    case, words = CASES[name]

    found, line = _refused(whole, tmp_path, case)

    assert words in line
    # Both bounds are of computing: other tests have the cores too.
    assert found["computed"] < SECONDS


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_that_asks_for_everything_is_one_line_in_time_and_room(
    whole: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    template, words = TEMPLATES[name]

    found, line = _refused(whole, tmp_path, template_of(template))

    assert f"chat template takes {words}" in line
    assert found["computed"] < SECONDS


def _refused(whole: Path, tmp_path: Path, case: Case) -> tuple[dict[str, Any], str]:
    """What a command that was given this took, and the one line that it said."""
    shutil.copytree(whole, tmp_path / "place")
    argv = case(tmp_path / "place")
    child = multiprocessing.get_context("fork").Process(target=_limited, args=(argv, tmp_path / "told"))
    child.start()
    child.join(60)
    if child.is_alive():
        child.kill()
    found = json.loads((tmp_path / "told").read_text())
    lines = [line for line in found["told"].splitlines() if line.startswith("error: ")]
    assert (found["code"], len(lines)) == (1, 1), found["told"]
    assert "unexpected" not in lines[0]
    return found, lines[0]
