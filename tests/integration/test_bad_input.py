# SPDX-License-Identifier: Apache-2.0
"""Everything a person can get wrong: one line that helps, the right exit code, nothing written."""

import ctypes
import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from safetensors.torch import load_file, save_file
from tiny_chat import tiny_tokenizer
from tiny_run import FRESH, make_base, make_corpus, settings

pytestmark = pytest.mark.integration

NODE0 = [sys.executable, "-c", "import sys; from node0.cli import main; sys.exit(main())"]
WEIGHTS = "model.safetensors"


@dataclass
class Place:
    """A town with a corpus and a base, and one thing in it that is wrong."""

    root: Path
    stack: ExitStack
    environment: dict[str, str] = field(default_factory=dict)
    before_start: Callable[[], None] | None = None

    @property
    def base(self) -> Path:
        return self.root / "base"

    def finetune(self, **changes: Any) -> list[str]:
        """The command for a run with these settings."""
        (self.root / "run.yaml").write_text(yaml.safe_dump(settings(self.root, **changes)))
        return ["finetune", "--config", str(self.root / "run.yaml")]

    def infer(self, model: str | Path) -> list[str]:
        return ["infer", "--model", str(model), "--town", str(self.root)]


Case = Callable[[Place], list[str]]


def missing_config(place: Place) -> list[str]:
    return ["finetune", "--config", str(place.root / "nowhere.yaml")]


def no_settings_at_all(_: Place) -> list[str]:
    return ["finetune"]


def unknown_option(place: Place) -> list[str]:
    return [*place.finetune(), "--chekpoint-dir", "run"]


def unknown_key(place: Place) -> list[str]:
    return place.finetune(num_warmup_step=3)


def unknown_nested_key(place: Place) -> list[str]:
    return [*place.finetune(), "--set", "lora.rnak=4"]


def wrong_type(place: Place) -> list[str]:
    return place.finetune(lr="fast")


def yaml_that_is_none(place: Place) -> list[str]:
    (place.root / "run.yaml").write_text("role: [deacon\n")
    return ["finetune", "--config", str(place.root / "run.yaml")]


def empty_corpus(place: Place) -> list[str]:
    shutil.rmtree(place.root / "corpus")
    (place.root / "corpus").mkdir()
    return place.finetune()


def role_without_entries(place: Place) -> list[str]:
    return place.finetune(role="mayor")


def corpus_that_does_not_exist(place: Place) -> list[str]:
    return place.finetune(corpus_path=str(place.root / "nowhere"))


def base_that_does_not_exist(place: Place) -> list[str]:
    return place.finetune(base_model=str(place.root / "nowhere"))


def hub_that_cannot_be_reached(place: Place) -> list[str]:
    place.environment["HF_HUB_OFFLINE"] = "1"
    return place.finetune(base_model="nobody/nothing")


def _without_a_tensor(place: Place) -> None:
    tensors = load_file(place.base / WEIGHTS)
    del tensors["model.layers.1.mlp.up_proj.weight"]
    save_file(tensors, place.base / WEIGHTS)


def base_without_a_tensor(place: Place) -> list[str]:
    _without_a_tensor(place)
    return place.finetune()


def base_without_a_tensor_when_asked(place: Place) -> list[str]:
    _without_a_tensor(place)
    return place.infer(place.base)


def _truncated(place: Place) -> None:
    data = (place.base / WEIGHTS).read_bytes()
    (place.base / WEIGHTS).write_bytes(data[: len(data) * 2 // 3])


def truncated_safetensors(place: Place) -> list[str]:
    _truncated(place)
    return place.finetune()


def truncated_safetensors_when_asked(place: Place) -> list[str]:
    _truncated(place)
    return place.infer(place.base)


def _pickled(place: Place) -> None:
    (place.base / WEIGHTS).unlink()
    (place.base / "pytorch_model.bin").write_bytes(b"\x80\x04N.")


def pickle_weights(place: Place) -> list[str]:
    _pickled(place)
    return place.finetune()


def pickle_weights_when_asked(place: Place) -> list[str]:
    _pickled(place)
    return place.infer(place.base)


def config_of_another_kind(place: Place) -> list[str]:
    path = place.base / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "model_type": "mamba"}))
    return place.finetune()


def tokenizer_larger_than_the_vocabulary(place: Place) -> list[str]:
    larger = tiny_tokenizer()
    larger.add_tokens([f"word{number}" for number in range(100)])
    larger.save_pretrained(str(place.root / "larger"))
    return place.finetune(tokenizer=str(place.root / "larger"))


def _adapter_of_another_base(place: Place) -> Path:
    adapter = place.root / "adapter"
    done = _start(["finetune", "--config", str(place.root / "run.yaml")], {})
    assert done.returncode == 0, done.stderr
    (place.root / "run").rename(adapter)
    tensors = load_file(place.base / WEIGHTS)
    tensors["model.norm.weight"] = tensors["model.norm.weight"] * 2
    save_file(tensors, place.base / WEIGHTS)
    return adapter


def adapter_of_another_base(place: Place) -> list[str]:
    place.finetune(max_steps=1)
    adapter = _adapter_of_another_base(place)
    return [*place.infer(place.base), "--adapters", str(adapter)]


def adapter_of_another_base_to_go_on_from(place: Place) -> list[str]:
    place.finetune(max_steps=1)
    adapter = _adapter_of_another_base(place)
    return place.finetune(init_adapter=str(adapter))


def adapter_that_does_not_exist(place: Place) -> list[str]:
    return [*place.infer(place.base), "--adapters", str(place.root / "nowhere")]


def unknown_model_name(place: Place) -> list[str]:
    return place.infer("nobody")


def unknown_model_to_show(place: Place) -> list[str]:
    return ["model", "show", "nobody", "--town", str(place.root)]


def unknown_entry(place: Place) -> list[str]:
    return ["corpus", "show", "nothing", "--town", str(place.root)]


def town_that_is_none(place: Place) -> list[str]:
    return ["corpus", "list", "--town", str(place.root / "nowhere")]


def closed_stdout_of_a_list(place: Place) -> list[str]:
    place.before_start = lambda: os.close(1)
    return ["corpus", "list", "--town", str(place.root)]


def closed_stdout_of_an_answer(place: Place) -> list[str]:
    place.before_start = lambda: os.close(1)
    return place.infer(place.base)


def read_only_output_directory(place: Place) -> list[str]:
    output = place.root / "output"
    output.mkdir()
    output.chmod(0o555)
    place.stack.callback(output.chmod, 0o755)
    place.before_start = _as_anybody
    return place.finetune(checkpoint_dir=str(output / "run"))


def output_directory_that_is_a_file(place: Place) -> list[str]:
    (place.root / "run").write_text("mine")
    return place.finetune()


def run_directory_in_use(place: Place) -> list[str]:
    (place.root / "run").mkdir()
    lock = place.stack.enter_context((place.root / "run" / ".lock").open("w"))
    lock.write(f"{os.getpid()}\n")
    lock.flush()
    fcntl.flock(lock, fcntl.LOCK_EX)
    return place.finetune()


def run_that_cannot_fit(place: Place) -> list[str]:
    shape = {**FRESH["init_args"], "hidden_dim": 16384, "ffn_dim": 65536, "num_hidden_layers": 200}
    fresh = {"class_name": FRESH["class_name"], "init_args": shape}
    tokenizer = str(place.root / "tokenizer")
    return place.finetune(base_model=None, lora=None, fresh_model=fresh, tokenizer=tokenizer)


def _as_anybody() -> None:
    """Take from root what lets it write where the mode says no: CAP_DAC_OVERRIDE out of PR_CAPBSET."""
    if os.geteuid() == 0:
        ctypes.CDLL(None).prctl(24, 1, 0, 0, 0)


CASES: list[tuple[Case, int, tuple[str, ...]]] = [
    (missing_config, 1, ("nowhere.yaml", "give a YAML file")),
    (no_settings_at_all, 2, ("--role", "--corpus-path", "--checkpoint-dir")),
    (unknown_option, 2, ("--chekpoint-dir", "--help")),
    (unknown_key, 1, ("num_warmup_step", "num_warmup_steps")),
    (unknown_nested_key, 1, ("lora.rnak", "rank")),
    (wrong_type, 1, ("lr", "fast", "run.yaml")),
    (yaml_that_is_none, 1, ("run.yaml",)),
    (empty_corpus, 1, ("nothing to train on", "deacon", "collect sessions")),
    (role_without_entries, 1, ("mayor",)),
    (corpus_that_does_not_exist, 1, ("nowhere",)),
    (base_that_does_not_exist, 1, ("nowhere", "config.json")),
    (hub_that_cannot_be_reached, 1, ("nobody/nothing", "give a local directory")),
    (base_without_a_tensor, 1, ("model.layers.1.mlp.up_proj.weight",)),
    (base_without_a_tensor_when_asked, 1, ("model.layers.1.mlp.up_proj.weight",)),
    (truncated_safetensors, 1, (WEIGHTS, "copy it again")),
    (truncated_safetensors_when_asked, 1, (WEIGHTS, "copy it again")),
    (pickle_weights, 1, ("pytorch_model.bin", "pickle", "safetensors")),
    (pickle_weights_when_asked, 1, ("pytorch_model.bin", "pickle", "safetensors")),
    (config_of_another_kind, 1, ("mamba",)),
    (tokenizer_larger_than_the_vocabulary, 1, ("tokens", "288", "tokenizer")),
    (adapter_of_another_base, 1, ("adapter", "another base")),
    (adapter_of_another_base_to_go_on_from, 1, ("adapter", "another base")),
    (adapter_that_does_not_exist, 1, ("nowhere",)),
    (unknown_model_name, 1, ("nobody", "node0 model register")),
    (unknown_model_to_show, 1, ("nobody", "node0 model register")),
    (unknown_entry, 1, ("nothing",)),
    (town_that_is_none, 1, ("nowhere", "--town")),
    (closed_stdout_of_a_list, 1, ("standard output is closed",)),
    (closed_stdout_of_an_answer, 1, ("standard output is closed",)),
    (read_only_output_directory, 1, ("output", "--checkpoint-dir")),
    (output_directory_that_is_a_file, 1, ("run", "--checkpoint-dir")),
    (run_directory_in_use, 75, ("in use", "--checkpoint-dir")),
    (run_that_cannot_fit, 1, ("GiB", "free")),
]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A town in which nothing is wrong yet."""
    root = tmp_path_factory.mktemp("good") / "town"
    (root / "mayor").mkdir(parents=True)
    (root / "mayor" / "town.json").write_text("{}")
    make_corpus(root / "corpus")
    make_base(root)
    return root


@pytest.fixture
def place(good: Path, tmp_path: Path) -> Iterator[Place]:
    root = shutil.copytree(good, tmp_path / "town")
    with ExitStack() as stack:
        yield Place(root, stack)


def _start(
    command: list[str], environment: dict[str, str], before_start: Callable[[], None] | None = None
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*NODE0, *command],
        input="a prompt\n",
        stdout=None if before_start else subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"} | environment,
        preexec_fn=before_start,
        timeout=120,
        check=False,
    )


def _everything(root: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(root)): path.read_bytes() if path.is_file() else None
        for path in sorted(root.rglob("*"))
    }


@pytest.mark.parametrize(("case", "code", "words"), CASES, ids=[case.__name__ for case, *_ in CASES])
def test_bad_input_is_one_line_the_right_exit_code_and_nothing_written(
    place: Place, case: Case, code: int, words: tuple[str, ...]
) -> None:
    command = case(place)
    before = _everything(place.root)

    done = _start(command, place.environment, place.before_start)

    # Whoever answers says at once what it loads, before it can know that it is none.
    (line,) = (said for said in done.stderr.splitlines() if not said.startswith("loading "))
    assert done.returncode == code
    assert not done.stdout
    assert line.startswith("error: ")
    assert [word for word in words if word not in line] == []
    assert _everything(place.root) == before


def test_the_same_place_trains_when_nothing_is_wrong(place: Place) -> None:
    done = _start(place.finetune(max_steps=1), {})

    assert done.returncode == 0, done.stderr
    assert (place.root / "run" / "adapter_model.safetensors").is_file()
