# SPDX-License-Identifier: Apache-2.0
"""A session that writes escape sequences, looked at in a real terminal: they are shown and not obeyed."""

import json
import os
import pty
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from tiny_chat import tiny_tokenizer

pytestmark = pytest.mark.integration

TOOL = [sys.executable, "-c", "import sys; from node0.run_corpus import main; sys.exit(main())"]
ATTACKS = {
    "clipboard": "\x1b]52;c;cm0gLXJmIC8=\x07",
    "title": "\x1b]0;root@host\x1b\\",
    "clear": "\x1b[2J\x1b[H\x9b3J",
    "conceal": "\x1b[8mhidden\x1b[0m",
    "overwrite": "rm -rf /\rls       \x08\x7f",
    "reorder": "\u202etxt.exe\u202c",
}
NAME = "\x1b]52;c;cm0=\x07\x1b[8m.json"
TEXT = " ".join(f"{name} {attack}" for name, attack in ATTACKS.items())


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A town with one entry, `one`, whose words steer a terminal; it waits in quarantine, and is staged.

    Beside it lies a file that is no entry, of such a name: readers say in their log that they pass over it.
    """
    root = tmp_path_factory.mktemp("town")
    (root / ".models").mkdir()
    (root / ".models" / "settings.yaml").write_text("corpus_sharing: {enabled: true}\n")
    turns = [
        {"role": "user", "content": f'{TEXT} password: "dolphinswim" {TEXT}'},
        {"role": "assistant", "content": TEXT},
    ]
    (root / "in.jsonl").write_text(
        "\n".join(
            json.dumps({"id": name, "role": "mayor", "messages": messages})
            for name, messages in (("one", turns), ("two", turns[1:]))
        )
    )
    (root / "said.txt").write_text(TEXT)
    tiny_tokenizer().save_pretrained(root / "tokenizer")
    run = [*TOOL, "add", str(root / "in.jsonl"), "--town", str(root)]
    subprocess.run(run, check=True, capture_output=True)
    run = [*TOOL, "share", "--role", "mayor", "--output", str(root / "out"), "--town", str(root)]
    subprocess.run(run, check=True, capture_output=True)
    (root / ".corpus" / "mayor" / NAME).write_text("{")
    return root


def on_terminal(arguments: list[str]) -> str:
    """What the command sends to the terminal that is its stdin, stdout and stderr."""
    ours, its = pty.openpty()
    environment = os.environ | {"NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "100"}
    with subprocess.Popen([*TOOL, *arguments], stdin=its, stdout=its, stderr=its, env=environment) as process:
        os.close(its)
        sent = b""
        try:
            while piece := os.read(ours, 65536):
                sent += piece
        except OSError:
            pass  # Linux's way to say that the other side is closed.
        finally:
            os.close(ours)
        assert process.wait(60) in {0, 1}
    return sent.decode().replace("\r\n", "\n")


@pytest.mark.parametrize(
    "command",
    [
        "show one",
        "show one --json",
        "list",
        "preview one --tokenizer {town}/tokenizer",
        "preview one --tokenizer {town}/tokenizer --json",
        "scrub {town}/said.txt",
        "review list",
        "review list --json",
        "review list --reveal",
        "share review {town}/out/mayor.jsonl",
        "audit",
        "duplicates",
        "stats",
        "validate",
        "show \x1b[2J\x07",
    ],
)
def test_nothing_that_a_session_said_steers_the_terminal(town: Path, command: str) -> None:
    arguments = [word.replace("{town}", str(town)) for word in command.split(" ")]
    place = [] if arguments[0] in {"share"} else ["--town", str(town)]

    sent = on_terminal([*arguments, *place])

    assert sent.strip()
    assert ".json" in sent or arguments[0] not in {"list", "stats", "validate", "audit"}
    steering = {one for one in sent if unicodedata.category(one) in {"Cc", "Cf"}}
    assert steering <= {"\n", "\t"}
