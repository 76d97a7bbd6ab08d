# SPDX-License-Identifier: Apache-2.0
import json
import shlex
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node0.finetune.eval.effect.script import BD_FLAGS, GIT_FLAGS, parsed, script_of


def call(command: str, name: str = "Bash", **more: object) -> tuple[str, str]:
    return name, json.dumps({"command": command, **more})


@pytest.mark.parametrize(
    ("text", "commands"),
    [
        ("bd close gt-1", [["bd", "close", "gt-1"]]),
        ("git status", [["git", "status"]]),
        ("git add a.py && git commit -m 'Mend; it' ; bd show gt-1", [
            ["git", "add", "a.py"], ["git", "commit", "-m", "Mend; it"], ["bd", "show", "gt-1"]]),
        ("git add a.py\ngit commit -m \"one\ntwo\"\n", [
            ["git", "add", "a.py"], ["git", "commit", "-m", "one\ntwo"]]),
        ("git commit -m \"$(cat <<'EOF'\nMend $it\n\nAnd `more`.\nEOF\n)\"", [
            ["git", "commit", "-m", "Mend $it\n\nAnd `more`."]]),
        ("\nbd list &&\n\n bd ready;\nbd blocked;", [["bd", "list"], ["bd", "ready"], ["bd", "blocked"]]),
        ("git log -5 --oneline HEAD~2", [["git", "log", "-5", "--oneline", "HEAD~2"]]),
        ("git checkout -- a.py || git diff main..HEAD", [
            ["git", "checkout", "--", "a.py"], ["git", "diff", "main..HEAD"]]),
    ],
)  # fmt: skip
def test_commands_of_bd_and_git_are_a_script(text: str, commands: list[list[str]]) -> None:
    script = parsed(text)

    assert script is not None
    assert [list(command) for command in script.commands] == commands
    assert script.place == ""


@pytest.mark.parametrize(
    "text",
    [
        "", "cat a.py", "gt status", "bd", "git", "bd close gt-1; rm -rf x", "bd close gt-1 | head",
        "bd list > out.txt", "bd show $BEAD", "bd show `cat id`", 'bd show "$(cat id)"', "bd show gt-*",
        "bd close gt-{1,2}", "git add ~/x", "git add /etc/passwd", "git add ../x", "git -C x status",
        "git -c alias.x=y status", "git clone x", "git rebase --exec rm", "git log --since=1.week",
        "git log --author=me", "git log --format=%an", "git log -500", "git log -n 500", "git show HEAD~40",
        "git commit -m 'open", "bd close gt-1 &", "sleep 1 & bd list", "bd close gt-1 --priority 1",
        "bd frobnicate gt-1", "FOO=1 bd list", "(bd list)", "bd list <<< x", "if true; then bd list; fi",
        "bd list # all", "git push ';' x", "git commit -m \"$(cat <<EOF\n$(rm x)\nEOF\n)\"", "bd list \0",
        "bd close " + "gt-1 " * 2000, "bd list ;; bd list", "; bd list", "bd list && && bd list",
        "bd list &&", 'git commit -m "!!"', "bd lis\\t", 'bd show "one\\\ntwo"',
    ],
)  # fmt: skip
def test_what_is_not_known_for_sure_is_none(text: str) -> None:
    assert parsed(text) is None


def test_a_directory_that_is_entered_first_is_told_apart() -> None:
    script = parsed("cd /gt/lantern/./rig && git status")

    assert script is not None
    assert (script.place, script.text) == ("/gt/lantern/rig", "git status")
    assert parsed("git status && cd /gt") is None


def test_calls_of_an_answer_are_one_script_or_none() -> None:
    both = script_of([call("bd close gt-1", description="x"), call("git push", timeout=3)])

    assert both is not None
    assert both.programs == {"bd", "git"}
    assert script_of([]) is None
    assert script_of([call("bd list"), call("a.py", name="Read")]) is None
    assert script_of([call("bd list", run_in_background=True)]) is None
    assert script_of([("Bash", "[1]")]) is None
    assert script_of([("Bash", json.dumps({"command": 3}))]) is None


def test_words_are_what_a_script_names() -> None:
    script = parsed("bd create --title=x -l a,b --deps=blocks:gt-1 && git log --max-count=5")

    assert script is not None
    assert script.words == {"--title", "x", "-l", "a", "b", "--deps", "blocks:gt-1", "--max-count", "5"}


WORDS = st.text(
    st.characters(codec="utf-8", exclude_characters="\0\r", exclude_categories=("Cs",)), max_size=12
)


@given(words=st.lists(WORDS, min_size=1, max_size=4), join=st.sampled_from([" && ", "; ", "\n", " || "]))
def test_a_script_is_read_as_a_shell_reads_it(words: list[str], join: str) -> None:
    text = join.join(f"bd comment gt-1 {shlex.quote(word)}" for word in words)
    script = parsed(text)

    if script is not None:
        assert [command[3] for command in script.commands] == words


@settings(max_examples=500)
@given(text=st.text("bdgit closeshow-1\"'\\;&|$`(){}<>*?~#!\n\t", max_size=40))
def test_a_shell_runs_nothing_but_what_was_read(text: str) -> None:
    script = parsed(f"bd show {text}")

    if script is not None:
        # Functions in the place of programs print the words that a shell gives them.
        tell = 'bd() { printf "%s\\0" bd "$@" END; }; git() { printf "%s\\0" git "$@" END; };\n'
        done = subprocess.run(
            ["bash", "-c", f"{tell}{script.text}"], capture_output=True, text=True, timeout=60, check=False
        )
        seen = [part.split("\0")[:-1] for part in done.stdout.split("END\0")[:-1]]
        assert seen == [list(command) for command in script.commands[: len(seen)]]
        assert done.stderr == ""


def test_every_known_command_is_taken_without_flags() -> None:
    for program, table in (("bd", BD_FLAGS), ("git", GIT_FLAGS)):
        for command, flags in table.items():
            assert parsed(f"{program} {command} x") is not None
            assert all(parsed(f"{program} {command} --{flag} x") is not None for flag in flags)
