# SPDX-License-Identifier: Apache-2.0
"""`make demo`: sessions of a sample town become a model that answers, and that works while it is good.

Everything is written below `build/demo`. Each stage runs the command that a user would type; the demo
fails when one of the figures that it promises is missed. The second half is in `gated`.
"""

import contextlib
import json
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import torch

from gated import Gated, agent_of
from node0 import run_corpus, run_finetune
from node0.commands.measure import measure_options as measure_command
from node0.commands.model import model_options as model_command
from node0.models.digest import base_digest
from story import HERE, LOG, ROOT, Story, call, console, finish
from town.generator.build import TownPlan, build_town

TOWN = ROOT / "gt"
PLANTED = ROOT / "planted.json"
"Outside the town, so that it is never collected."

RUN = TOWN / ".checkpoints" / "deacon"
BASE = HERE / "base"
CONFIG = HERE / "configs" / "deacon.yaml"
NAME = "deacon-sample"

LOSS_FALL = 0.20
EXACT = 0.50
COMMONEST = 0.20

GATE = "# The sample holds few turns out: even a good share has a low lower bound.\ngate: {threshold: 0.5}\n"

BEACON = "[GAS TOWN] deacon <- daemon • 2026-02-02T08:00 • patrol\nRun `gt prime --hook` and begin patrol.\n"


def main() -> int:
    """Run every stage; 1 when a promise is broken."""
    # The sample's matrices are so small that a second thread costs more than it gives.
    torch.set_num_threads(1)
    shutil.rmtree(ROOT, ignore_errors=True)
    ROOT.mkdir(parents=True)
    story = Story()
    # A terminal shows progress; a pipe would get a line for every step.
    with LOG.open("w", encoding="utf-8") as log, contextlib.ExitStack() as hidden:
        if not sys.stderr.isatty():
            hidden.enter_context(contextlib.redirect_stderr(log))
        for stage in (make_town, collect, check_base, train, measure, answer, deploy):
            stage(story)
        Gated(story, TOWN).tell()
    return finish(story)


def make_town(story: Story) -> None:
    """Write the sample town."""
    with story.stage("Town", TOWN) as told:
        made = build_town(TOWN, PLANTED, TownPlan())
        told.append(f"{made.sessions} sessions, {made.documents} documents")
        told.append(f"{made.secrets} secrets and {made.people} pieces of personal data planted")


def collect(story: Story) -> None:
    """Collect and scrub it, then look for every planted value in the bytes of the corpus."""
    with story.stage("Corpus", TOWN / ".corpus") as told:
        rows = _run(run_corpus.main, "collect", "--town", TOWN, "--documents", "--json")
        counts = Counter({(row["what"], row["which"]): 0 for row in rows})
        for row in rows:
            counts[row["what"], row["which"]] += row["count"]
        planted = json.loads(PLANTED.read_text(encoding="utf-8"))["planted"]
        wanted = Counter(row["rule"] for row in planted)
        missed = {rule: count for rule, count in wanted.items() if counts["redacted", rule] < count}
        left = _left_in_corpus(planted)
        told.append(
            f"{counts['entries', 'new']} entries, {counts['requests', 'exact']} requests proven by hash"
        )
        told.append(
            f"{sum(wanted.values())} planted values, {len(missed)} kinds miscounted, {len(left)} left"
        )
        story.promise(not missed, f"kinds that the scrubber did not count: {missed}")
        story.promise(not left, f"planted values left in the corpus: {left}")


def _left_in_corpus(planted: Sequence[dict[str, Any]]) -> list[str]:
    """Kinds of planted values of which any part is still in a file of the corpus."""
    stored = b"\n".join(path.read_bytes() for path in (TOWN / ".corpus").rglob("*") if path.is_file())
    return sorted(
        {
            row["kind"]
            for row in planted
            for part in row["parts"]
            if part.encode() in stored or json.dumps(part)[1:-1].encode() in stored
        }
    )


def check_base(story: Story) -> None:
    """Compare the shipped base with its digest."""
    with story.stage("Base", BASE) as told:
        digest = base_digest(BASE)
        told.append(f"digest {digest[:16]}")
        size = (BASE / "model.safetensors").stat().st_size
        told.append(f"{size / 1e6:.1f} MB of weights, trained without any deacon session")
        same = digest == (BASE / "DIGEST").read_text(encoding="utf-8").strip()
        story.promise(same, f"{BASE} is not the base that was shipped; run: make base")


def train(story: Story) -> None:
    """Train and register an adapter on every linear layer."""
    with story.stage("Adapter", RUN) as told:
        printed = _run(
            run_finetune.main,
            *("--config", CONFIG, "--base-model", BASE, "--corpus-path", TOWN / ".corpus"),
            *("--checkpoint-dir", RUN, "--register", NAME, "--town", TOWN, "--json"),
        )
        told.append(f"{printed[0]['steps']} steps, the best is {printed[0]['best_step']}")
        told.append(f"registered as {printed[0]['registered']}")
        story.promise((RUN / "loss.png").stat().st_size > 0, "loss.png was not drawn")


def measure(story: Story) -> None:
    """Compare base and adapter on the sessions that were held out."""
    with story.stage("Held out", RUN / "entries.jsonl") as told:
        rows = _run(measure_command.main, BASE, f"{NAME}", "--run", RUN, "--town", TOWN, "--json")
        before, after = rows
        fall = 1 - after["loss"] / before["loss"]
        told.append(f"{after['entries']} sessions, {after['turns']} turns that depend on a tool result")
        told.append(f"loss {before['loss']:.3f} -> {after['loss']:.3f}, {fall:.0%} lower")
        told.append(f"exact tool calls {before['exact_share']:.0%} -> {after['exact_share']:.0%}")
        told.append(f"always the commonest call: {after['commonest_share']:.0%}")
        story.promise(fall >= LOSS_FALL, f"held-out loss fell by {fall:.0%}, not {LOSS_FALL:.0%}")
        story.promise(after["exact_share"] >= EXACT, f"exact tool calls reached {after['exact_share']:.0%}")
        story.promise(after["commonest_share"] <= COMMONEST, "one constant call is right too often")


def answer(story: Story) -> None:
    """Ask the registered model through the command that a person would use."""
    with story.stage("Answer", "node0-inference") as told:
        command = [
            sys.executable,
            "-c",
            "import sys; from node0.run_inference import main; sys.exit(main())",
        ]
        options = ["--model", NAME, "--town", str(TOWN), "--temperature", "0", "--file", "-"]
        console.print(f"[dim]$ node0-inference {' '.join(options)}[/dim]")
        with subprocess.Popen(
            [*command, *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdin is not None and process.stdout is not None
            process.stdin.write(BEACON)
            process.stdin.close()
            text = _echo(process.stdout)
        told.append(text.strip().replace("\n", " "))
        story.promise(process.returncode == 0 and bool(text.strip()), "node0-inference gave no answer")


def deploy(story: Story) -> None:
    """Put the measured version to work for the deacon, take it back, and put it to work again."""
    settings = TOWN / "settings" / "config.json"
    before, put = settings.read_bytes(), ("deploy", NAME, "--town", TOWN)
    with story.stage("Deploy", settings) as told:
        # So few turns bound a share loosely: the default asks for a lower bound of 80 %.
        (TOWN / ".models" / "settings.yaml").write_text(GATE, encoding="utf-8")
        call(model_command.main, *put)
        first = agent_of(settings, "deacon")
        call(model_command.main, "rollback", "--role", "deacon", "--town", TOWN)
        story.promise(settings.read_bytes() == before, "rolling back did not restore the settings")
        call(model_command.main, *put)
        console.print(call(model_command.main, "show", f"{NAME}@active", "--town", TOWN), markup=False)
        shown = _run(model_command.main, "show", f"{NAME}@active", "--town", TOWN, "--json")[0]
        now = agent_of(settings, "deacon")
        told.append(f"{NAME}:{shown['version']} is {shown['deployment_status']} as agent {now}")
        told.append("rolled back to the byte in between")
        story.promise(first == now == f"ft-{NAME}-v1", f"the deacon's agent is {now}")
        story.promise(shown["deployment_status"] == "active", "the registry does not say that it is at work")
        story.promise(not shown["problems"], f"show tells of problems: {shown['problems']}")


def _echo(stream: Any) -> str:
    """Show the answer while it comes."""
    text = ""
    while piece := stream.read(1):
        text += piece
        sys.stdout.write(piece)
        sys.stdout.flush()
    return text


def _run(command: Callable[[Sequence[str]], int], *arguments: object) -> list[dict[str, Any]]:
    """Run a command of node0 and read the JSON that it prints."""
    rows: list[dict[str, Any]] = json.loads(call(command, *arguments))
    return rows


if __name__ == "__main__":
    sys.exit(main())
