# SPDX-License-Identifier: Apache-2.0
"""One run by several ranks: real `torchrun`, real gloo, beside the same run in one process."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from any_base import make_any_base
from integration.swarm.processes import wait_until
from safetensors.torch import load_file
from tiny_run import FRESH, configure, make_base, make_corpus, settings

from node0.finetune.run_dir import RunDirectory
from node0.finetune.training.output.run_lock import hold
from node0.finetune.training.plan.run_plan import make_plan
from node0.pipeline.protocol import IGNORE
from node0.run_finetune import main

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

TOLERANCE = 1e-5
CLIP = 0.397
"Between the gradient norms of these runs."

CHANGES = {
    "lr": 1e-3,
    "max_grad_norm": CLIP,
    "max_steps": 12,
    "microbatches_per_step": 6,
    "tokens_per_microbatch": 640,
    "checkpoint_every_n_steps": 2,
}
PEER_THAT_IS_SILENT = """
import sys, time
from datetime import timedelta
import torch.distributed as dist
from node0.errors import RetriableError
from node0.pipeline.ranks import GroupOfRanks
rank = int(sys.argv[1])
dist.init_process_group("gloo", f"file://{sys.argv[2]}", timedelta(seconds=2), world_size=2, rank=rank)
ranks = GroupOfRanks(rank, 2)
assert ranks.gather(rank + 0.5) == [0.5, 1.5]
if rank:
    sys.stdin.read()
try:
    ranks.wait()
except RetriableError as error:
    print(error, flush=True)  # a thread of gloo may abort the process at its very end
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("cluster")
    make_base(directory)
    make_corpus(directory / "corpus", sessions=40, uneven=True)
    return directory


@pytest.fixture(scope="module", params=[0.0, 0.05], ids=lambda dropout: f"dropout {dropout}")
def alone(request: pytest.FixtureRequest, place: Path) -> tuple[list[str], Path]:
    """Arguments of a run, and what one process made of them."""
    return undisturbed(place, request.param)


@pytest.fixture(scope="module")
def plain(place: Path) -> tuple[list[str], Path]:
    """The same, of the run without dropout only."""
    return undisturbed(place, 0.0)


def undisturbed(place: Path, dropout: float) -> tuple[list[str], Path]:
    lora = {"rank": 4, "alpha": 8, "dropout": dropout, "target_modules": ["wq", "wv", "w1", "w2"]}
    arguments = configured(place, f"{dropout}", lora=lora, **CHANGES)
    run_dir = place / f"alone-{dropout}"
    # A finished run is not trained again.
    assert main([*arguments, "--checkpoint-dir", str(run_dir)]) == 0
    return arguments, run_dir


def configured(place: Path, name: str, **changes) -> list[str]:
    """Arguments that train with these settings."""
    path = place / f"{name}.yaml"
    path.write_text(yaml.safe_dump(settings(place, **changes)))
    return ["--config", str(path)]


def command(ranks: int, *arguments: str) -> list[str]:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}"]
    # Without a directory for its logs, torchrun leaves one in the temporary directory at each start.
    return [*launcher, "--log-dir", str(scratch("logs")), "-m", "node0.run_finetune", *arguments]


def scratch(name: str) -> Path:
    """A directory that goes with this test run."""
    (directory := Path.home() / "cluster" / name).mkdir(parents=True, exist_ok=True)
    return directory


def torchrun(ranks: int, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command(ranks, *arguments),
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


def train_on(ranks: int, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Train, and see that every rank ended well."""
    done = torchrun(ranks, *arguments)
    assert done.returncode == 0, done.stderr
    return done


def environment() -> dict[str, str]:
    return {
        **os.environ,
        "TMPDIR": str(scratch("temporary")),
        "OMP_NUM_THREADS": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "PYTHONFAULTHANDLER": "1",  # what each thread did, should a rank crash
    }


def assert_same(run_dir: Path, expected: Path, *, weights: str = "adapter_model.safetensors") -> None:
    """Weights, and the loss and the gradient norm of every step, within a relative 1e-5."""
    found, wanted = load_file(run_dir / weights), load_file(expected / weights)
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        assert torch.linalg.norm(found[name] - value) <= TOLERANCE * torch.linalg.norm(value), name
    records, others = RunDirectory(run_dir).metrics(), RunDirectory(expected).metrics()
    assert [record["step"] for record in records] == [record["step"] for record in others]
    for record, other in zip(records, others, strict=True):
        assert record.keys() == other.keys()
        for name in other.keys() - {"tokens_per_second"}:
            assert record[name] == pytest.approx(other[name], rel=TOLERANCE), (name, record["step"])


def errors(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("error: ")]


@pytest.mark.parametrize("ranks", [2, 3])
def test_ranks_train_what_one_process_trains(alone, place, ranks):
    arguments, expected = alone
    run_dir = place / f"{ranks}-{expected.name}"
    done = train_on(ranks, *arguments, "--checkpoint-dir", str(run_dir))

    assert_same(run_dir, expected)
    assert (run_dir / "entries.jsonl").read_bytes() == (expected / "entries.jsonl").read_bytes()
    assert RunDirectory(run_dir).verify()["step"] == RunDirectory(expected).verify()["step"]
    assert done.stdout.count("run_dir") == 1
    assert done.stderr.count("sft for deacon:") == done.stderr.count('{"step": 7,') == 1


def test_the_runs_compared_have_uneven_microbatches_and_clip_in_some_steps_only(alone, place):
    _, run_dir = alone
    norms = [record["grad_norm"] for record in RunDirectory(run_dir).metrics() if "grad_norm" in record]
    steps = make_plan(configure(place, **CHANGES)).data.steps
    counts = {int((microbatch.labels != IGNORE).sum()) for microbatch in next(steps)}

    assert min(norms) < CLIP * 0.99
    assert max(norms) > CLIP * 1.01
    assert max(counts) > 1.2 * min(counts)


def test_a_run_goes_on_with_any_number_of_ranks(alone, place):
    arguments, expected = alone
    there = [*arguments, "--checkpoint-dir", str(place / f"changing-{expected.name}")]

    train_on(3, *there, "--stop-after", "3")
    assert main([*there, "--stop-after", "7"]) == 0
    done = train_on(2, *there, "--stop-after", "9")
    assert done.stderr.count("Checkpoint resume triggered: step 7") == 1
    assert main(there) == 0
    assert_same(place / f"changing-{expected.name}", expected)


def test_one_rank_is_the_plain_command(plain, place):
    arguments, _ = plain
    one, none = ([*arguments, "--checkpoint-dir", str(place / name)] for name in ("one", "none"))
    tool = [sys.executable, "-m", "node0.run_finetune", *none]

    train_on(1, *one)
    assert subprocess.run(tool, env=environment(), capture_output=True, check=False).returncode == 0
    weights = "adapter_model.safetensors"
    assert (place / "one" / weights).read_bytes() == (place / "none" / weights).read_bytes()


@pytest.mark.parametrize("victim", [0, 1])
def test_a_killed_rank_ends_the_job_with_one_line_and_another_number_of_ranks_goes_on(plain, place, victim):
    arguments, expected = plain
    run_dir = place / f"killed-{victim}-{expected.name}"
    there = [*arguments, "--checkpoint-dir", str(run_dir)]
    with started(3, there) as process:
        wait_for(process, '{"step": 5,')
        ranks = ranks_of(process)
        os.kill(ranks[victim], signal.SIGKILL)
        _, rest = process.communicate(timeout=60)

    (line,) = errors(rest)
    assert process.returncode != 0
    assert "another rank is gone" in line
    assert exit_codes(rest, ranks) == {rank: -9 if rank == victim else 75 for rank in ranks}
    assert all(map(has_ended, ranks.values()))
    assert not (run_dir / "MANIFEST.json").exists()
    train_on(2, *there)
    assert_same(run_dir, expected)


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_an_interruption_saves_once_and_every_rank_leaves_with_130(place, signal_number):
    run_dir = place / f"interrupted-{signal_number.name}"
    arguments = configured(place, run_dir.name, **{**CHANGES, "max_steps": 4000, "eval_every_n_steps": 4000})
    with started(2, [*arguments, "--checkpoint-dir", str(run_dir), "--set", "keep_last=99"]) as process:
        wait_for(process, '{"step": 4,')
        ranks = ranks_of(process)
        # Of one rank only: torchrun's own report then names the exit code of each.
        os.kill(ranks[1], signal_number)
        _, rest = process.communicate(timeout=60)

    assert exit_codes(rest, ranks) == {0: 130, 1: 130}
    assert rest.count("run again to go on") == 1
    assert rest.splitlines().count("interrupted") == 1
    assert errors(rest) == []
    last = RunDirectory(run_dir).metrics()[-1]["step"]
    assert (run_dir / "training_state" / f"step_{last}").is_dir()
    assert main([*arguments, "--checkpoint-dir", str(run_dir), "--stop-after", str(last + 1)]) == 0


def test_ctrl_c_of_torchrun_saves_too(place):
    run_dir = place / "stopped"
    arguments = configured(place, "stopped", **{**CHANGES, "max_steps": 4000, "eval_every_n_steps": 4000})
    with started(2, [*arguments, "--checkpoint-dir", str(run_dir)]) as process:
        wait_for(process, '{"step": 3,')
        ranks = ranks_of(process)
        process.send_signal(signal.SIGINT)
        _, rest = process.communicate(timeout=60)

    assert rest.count("run again to go on") == 1
    assert all(map(has_ended, ranks.values()))
    last = RunDirectory(run_dir).metrics()[-1]["step"]
    assert (run_dir / "training_state" / f"step_{last}").is_dir()


@pytest.mark.skipif(sys.platform != "linux", reason="other kernels tell nobody that a parent has ended")
@pytest.mark.parametrize("count", [1, 2])
def test_ranks_save_and_end_when_torchrun_is_killed_and_leave_no_temporary_file(place, count):
    run_dir = place / f"orphans-{count}"
    arguments = configured(place, run_dir.name, **{**CHANGES, "max_steps": 4000, "eval_every_n_steps": 4000})
    with started(count, [*arguments, "--checkpoint-dir", str(run_dir)]) as process:
        wait_for(process, '{"step": 3,')
        ranks = ranks_of(process)
        process.kill()
        # Returns when nobody can write to it any more.
        _, rest = process.communicate(timeout=60)

    assert len(ranks) == count
    assert all(map(has_ended, ranks.values()))
    assert rest.count("run again to go on") == 1
    last = RunDirectory(run_dir).metrics()[-1]["step"]
    assert (run_dir / "training_state" / f"step_{last}").is_dir()
    assert list(scratch("temporary").iterdir()) == []


def test_more_ranks_than_microbatches_are_refused_by_one_line(place):
    arguments = configured(place, "few", **{**CHANGES, "microbatches_per_step": 2})
    done = torchrun(3, *arguments, "--checkpoint-dir", str(place / "few"))

    (line,) = errors(done.stderr)
    assert "3 ranks and 2 microbatches a step; start at most 2 ranks" in line
    assert not (place / "few").exists()


def test_a_directory_in_use_is_refused_by_one_line(place):
    with hold(place / "held"):
        done = torchrun(2, *configured(place, "held", **CHANGES), "--checkpoint-dir", str(place / "held"))

    (line,) = errors(done.stderr)
    assert "is in use by process" in line
    assert re.search(r"exitcode\s+: 75", done.stderr)


def test_a_misspelt_option_is_refused_by_one_line():
    done = torchrun(2, "--no-such-option")

    assert done.stderr.count("No such option: --no-such-option") == 1
    assert re.search(r"exitcode\s+: 2 ", done.stderr)


def test_gradients_that_are_not_finite_end_every_rank_with_75_after_saving(place):
    arguments = configured(place, "wild", **{**CHANGES, "lr": 1e6, "num_warmup_steps": 0})
    done = torchrun(2, *arguments, "--checkpoint-dir", str(place / "wild"))

    (line,) = errors(done.stderr)
    assert "3 steps in a row were not finite" in line
    assert done.stderr.count("skipped 1 of at most 3 steps in a row") == 1
    last = RunDirectory(place / "wild").metrics()[-1]["step"]
    assert (place / "wild" / "training_state" / f"step_{last}").is_dir()


def test_pairs_and_all_weights_train_alike_on_two_ranks(tmp_path):
    make_base(tmp_path)
    make_corpus(tmp_path / "corpus", kind="dpo", sessions=30, uneven=True)
    arguments = configured(tmp_path, "dpo", **CHANGES, mode="dpo", lora=None)

    assert main([*arguments, "--checkpoint-dir", str(tmp_path / "alone")]) == 0
    train_on(2, *arguments, "--checkpoint-dir", str(tmp_path / "two"))
    assert_same(tmp_path / "two", tmp_path / "alone", weights="model.safetensors")


@pytest.mark.parametrize("family", ["gemma3_text", "falcon_h1"])
def test_a_base_of_transformers_trains_alike_on_two_ranks(tmp_path, family):
    make_any_base(tmp_path, family)
    make_corpus(tmp_path / "corpus", sessions=12, uneven=True)
    lora = {"rank": 4, "alpha": 8, "dropout": 0.05}
    arguments = configured(tmp_path, "any", lora=lora, **{**CHANGES, "max_steps": 4})

    assert main([*arguments, "--checkpoint-dir", str(tmp_path / "alone")]) == 0
    train_on(2, *arguments, "--checkpoint-dir", str(tmp_path / "both"))

    assert_same(tmp_path / "both", tmp_path / "alone")


def test_a_tied_table_over_two_stages_trains_alike_on_two_ranks(place):
    fresh = {**FRESH, "init_args": {**FRESH["init_args"], "tie_embeddings": True}}
    changes = {"mode": "pretrain", "lora": None, "base_model": None, "fresh_model": fresh, "num_stages": 2}
    arguments = configured(place, "tied", **CHANGES, **changes, tokenizer=str(place / "tokenizer"))

    assert main([*arguments, "--checkpoint-dir", str(place / "tied-alone")]) == 0
    train_on(2, *arguments, "--checkpoint-dir", str(place / "tied-two"))
    assert_same(place / "tied-two", place / "tied-alone", weights="model.safetensors")


def test_a_rank_that_does_not_answer_is_given_up_in_time(tmp_path):
    def start(rank: int) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-c", PEER_THAT_IS_SILENT, str(rank), str(tmp_path / "meeting")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment(),
        )  # fmt: skip

    with start(1) as silent, start(0) as waiting:
        said, _ = waiting.communicate(timeout=60)
        silent.communicate(timeout=60)

    assert "another rank does not answer" in said


def started(ranks: int, arguments: list[str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        command(ranks, *arguments),
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(process: "subprocess.Popen[str]", start: str) -> None:
    assert process.stderr is not None
    assert any(line.startswith(start) for line in process.stderr), "the run ended before"


def ranks_of(process: "subprocess.Popen[str]") -> dict[int, int]:
    """Process id by rank."""
    found = {}
    for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
        lines = Path(f"/proc/{child}/environ").read_text().split("\0")
        known = dict(line.split("=", 1) for line in lines if "=" in line)
        if "LOCAL_RANK" in known:
            found[int(known["RANK"])] = int(child)
    return found


def exit_codes(report: str, ranks: dict[int, int]) -> dict[int, int]:
    """Exit code by rank, from what torchrun says at the end."""
    codes = {int(pid): int(code) for code, pid in re.findall(r"exitcode\s+: (-?\d+) \(pid: (\d+)\)", report)}
    return {rank: codes[pid] for rank, pid in ranks.items()}


def has_ended(pid: int) -> bool:
    """Whether a process ends within seconds; its files are closed a moment before it has ended."""
    return wait_until(lambda: not is_alive(pid), 10)


def is_alive(pid: int) -> bool:
    """Whether a process is there and has not ended; one that nobody has waited for yet may still be seen."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
