# SPDX-License-Identifier: Apache-2.0
"""Drive the real Claude Code through scripted sessions, each in a home of its own.

`SESSIONS` maps a name to a function that runs one session and returns what the server received and
which files the harness wrote.
"""

import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from integration.claude_code.model_server import (
    CUT,
    FULL,
    Answer,
    ModelServer,
    Received,
    text,
    thinking,
    tool,
)

ROOT = Path(__file__).parents[3]
MODEL = "ft-witness-v1"
SETTINGS = {
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "CLAUDE_CODE_DISABLE_GIT_INSTRUCTIONS": "1",
    "ENABLE_TOOL_SEARCH": "false",
    "DISABLE_AUTOUPDATER": "1",
    "ANTHROPIC_AUTH_TOKEN": "loopback",
    "CLAUDE_CODE_MAX_RETRIES": "2",
}
ARGUMENTS = ("--dangerously-skip-permissions", "--output-format", "json", "--model", MODEL)
FEW_TOOLS = ("--tools", "Bash,Read,Agent")


def find_claude() -> Path | None:
    """The binary that `make town-tools` installed, else the one on PATH, else None."""
    installed = ROOT / ".town-tools" / "npm" / "node_modules" / ".bin" / "claude"
    on_path = shutil.which("claude")
    return installed if installed.exists() else Path(on_path) if on_path else None


@dataclass
class Home:
    """A temporary HOME with a project that the harness trusts."""

    path: Path
    settings: dict[str, object] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.project = self.path / "rig"
        self.project.mkdir(parents=True)
        (self.path / "tmp").mkdir()
        state = {"hasCompletedOnboarding": True, "bypassPermissionsModeAccepted": True}
        trust = {"projects": {str(self.project): {"hasTrustDialogAccepted": True}}}
        (self.path / ".claude.json").write_text(json.dumps(state | trust))
        (self.path / ".claude").mkdir()
        (self.path / ".claude" / "settings.json").write_text(json.dumps(self.settings))

    def run(self, server: ModelServer, prompt: str, *arguments: str, claude: Path) -> str:
        """One run in print mode; the session's id."""
        return str(self.printed(server.url, prompt, *arguments, claude=claude)["session_id"])

    def printed(self, url: str, prompt: str, *arguments: str, claude: Path) -> dict[str, Any]:
        """What one run in print mode prints, with nothing of our environment."""
        scratch = {name: str(self.path / "tmp") for name in ("TMPDIR", "CLAUDE_CODE_TMPDIR")}
        fixed = scratch | {"HOME": str(self.path), "PATH": "/usr/local/bin:/usr/bin:/bin", "IS_SANDBOX": "1"}
        done = subprocess.run(
            [str(claude), "-p", prompt, *ARGUMENTS, *arguments],
            cwd=self.project,
            env=SETTINGS | fixed | {"ANTHROPIC_BASE_URL": url} | self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert done.returncode == 0, (done.stdout, done.stderr)
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def transcripts(self) -> list[Path]:
        """Every session file, subagents included."""
        return sorted((self.path / ".claude" / "projects").rglob("*.jsonl"))


@dataclass(frozen=True)
class Recording:
    """What one session left behind."""

    requests: list[Received]
    transcripts: list[Path]


def _run(
    home: Home,
    claude: Path,
    answers: dict[str, list[Answer]],
    *prompts: str,
    arguments: tuple[str, ...] = FEW_TOOLS,
    tokens: dict[int, int] | None = None,
) -> Recording:
    """One prompt, and one more run with --resume for each further prompt."""
    with ModelServer(answers, tokens=tokens) as server:
        session = home.run(server, prompts[0], *arguments, claude=claude)
        for prompt in prompts[1:]:
            session = home.run(server, prompt, *arguments, "--resume", session, claude=claude)
        return Recording(server.requests, home.transcripts())


def plain_text(folder: Path, claude: Path) -> Recording:
    """With every tool and prompt that the harness has."""
    return _run(Home(folder), claude, {"": [[text("Hello.")]]}, "Say hello, größer ❯ 🏭.", arguments=())


def one_tool(folder: Path, claude: Path) -> Recording:
    bash = tool("Bash", command="echo '# ready'", description="Report")
    return _run(Home(folder), claude, {"": [[text("I look."), bash], [text("Ready.")]]}, "Look.")


def parallel_tools(folder: Path, claude: Path) -> Recording:
    """The second of two calls ends first."""
    slow = tool("Bash", command="sleep 0.3; echo slow", description="Wait")
    quick = tool("Bash", command="echo quick", description="Report")
    answers: list[Answer] = [[text("Both."), slow, quick], [slow, quick], [text("Done.")]]
    return _run(Home(folder), claude, {"": answers}, "Run both.")


def failing_tool(folder: Path, claude: Path) -> Recording:
    """A command that fails, a file that is absent, a tool that does not exist, input that is refused."""
    answers: list[Answer] = [
        [tool("Bash", command="echo broken >&2; exit 3", description="Fail")],
        [tool("Read", file_path="/nowhere/at-all.txt")],
        [tool("Levitate", height=3)],
        [tool("Bash", comand="ls")],
        [text("All of it failed.")],
    ]
    return _run(Home(folder), claude, {"": answers}, "Try.")


def long_output(folder: Path, claude: Path) -> Recording:
    bash = tool("Bash", command="seq 1 20000", description="Count")
    return _run(Home(folder), claude, {"": [[bash], [text("Counted.")]]}, "Count.")


def reads_an_image(folder: Path, claude: Path) -> Recording:
    home = Home(folder)
    (home.project / "dot.png").write_bytes(bytes.fromhex(_PNG))
    answers: list[Answer] = [[tool("Read", file_path=str(home.project / "dot.png"))], [text("A dot.")]]
    return _run(home, claude, {"": answers}, "Look at dot.png.")


def thinks(folder: Path, claude: Path) -> Recording:
    bash = tool("Bash", command="echo thought", description="Report")
    answers: list[Answer] = [[thinking("Hm."), text("So."), bash], [thinking("Ah."), text("Yes.")]]
    return _run(Home(folder), claude, {"": [*answers, [text("Again.")]]}, "Think.", "Once more.")


def resumed(folder: Path, claude: Path) -> Recording:
    bash = tool("Bash", command="echo again", description="Report")
    answers: list[Answer] = [[text("One.")], [bash], [text("Two.")], [text("Three.")]]
    return _run(Home(folder), claude, {"": answers}, "First.", "Second.", "Third.")


def forked(folder: Path, claude: Path) -> Recording:
    """A resumed session in a file of its own, which repeats the lines of the first."""
    home = Home(folder)
    with ModelServer({"": [[text("One.")], [text("Two.")], [text("Other two.")]]}) as server:
        session = home.run(server, "First.", *FEW_TOOLS, claude=claude)
        home.run(server, "Second.", *FEW_TOOLS, "--resume", session, claude=claude)
        home.run(server, "Else.", *FEW_TOOLS, "--resume", session, "--fork-session", claude=claude)
        return Recording(server.requests, home.transcripts())


def rewound(folder: Path, claude: Path) -> Recording:
    """Taken up again at the first answer; the second is left on a branch."""
    home = Home(folder)
    bash = tool("Bash", command="echo wrong", description="Report")
    answers: list[Answer] = [[text("One.")], [bash], [text("Wrong.")], [text("Right.")]]
    with ModelServer({"": answers}) as server:
        session = home.run(server, "First.", *FEW_TOOLS, claude=claude)
        lines = map(json.loads, home.transcripts()[0].read_text(encoding="utf-8").splitlines())
        first = next(line["uuid"] for line in lines if line["type"] == "assistant")
        home.run(server, "Second.", *FEW_TOOLS, "--resume", session, claude=claude)
        back = ("--resume", session, "--resume-session-at", first)
        home.run(server, "Else.", *FEW_TOOLS, *back, claude=claude)
        return Recording(server.requests, home.transcripts())


def compacted(folder: Path, claude: Path) -> Recording:
    """By hand, between two runs."""
    bash = tool("Bash", command="echo kept", description="Report")
    summary = [text("<summary>\nThe patrol had begun.\n</summary>")]
    answers: list[Answer] = [[bash], [text("One.")], summary, [bash], [text("Two.")]]
    return _run(Home(folder), claude, {"": answers}, "Begin.", "/compact", "Go on.")


def compacted_by_itself(folder: Path, claude: Path) -> Recording:
    """In the middle of a turn, because the window is full."""
    home = Home(folder, environment={"CLAUDE_CODE_MAX_CONTEXT_TOKENS": "60000"})
    bash = tool("Bash", command="echo more", description="Report")
    summary = [text("<summary>\nThe window was full.\n</summary>")]
    answers: list[Answer] = [[bash], summary, [text("One.")], [text("Two.")]]
    return _run(home, claude, {"": answers}, "Begin.", "Go on.", tokens={1: 58_000})


def subagent(folder: Path, claude: Path) -> Recording:
    agent = tool(
        "Agent",
        description="Look at logs",
        prompt="SIDE: look.",
        subagent_type="general-purpose",
        run_in_background=False,
    )
    bash = tool("Bash", command="echo log", description="Report")
    answers: dict[str, list[Answer]] = {
        "SIDE": [[text("I look."), bash], [text("Nothing in the log.")]],
        "": [[agent], [text("It found nothing.")]],
    }
    return _run(Home(folder), claude, answers, "Have someone look.")


def hooks(folder: Path, claude: Path) -> Recording:
    """As a town's session runs: hooks that speak at the start, at each prompt and after each tool."""

    def hook(event: str, words: str) -> list[object]:
        output = {"hookSpecificOutput": {"hookEventName": event, "additionalContext": words}}
        return [{"hooks": [{"type": "command", "command": f"echo '{json.dumps(output)}'"}]}]

    said = {"SessionStart": "You are the witness.", "UserPromptSubmit": "No mail.", "PostToolUse": "Noted."}
    home = Home(folder, settings={"hooks": {event: hook(event, words) for event, words in said.items()}})
    (home.project / "CLAUDE.md").write_text("Never touch the convoy.\n")
    bash = tool("Bash", command="echo patrol", description="Report")
    return _run(home, claude, {"": [[bash], [text("Done.")], [text("Again.")]]}, "Start.", "More.")


def retried(folder: Path, claude: Path) -> Recording:
    """The server is busy once."""
    return _run(Home(folder), claude, {"": [529, [text("Hello.")]]}, "Say hello.")


def broken_stream(folder: Path, claude: Path) -> Recording:
    """The connection ends within an answer, once before its end mark and once within a call."""
    bash = tool("Bash", command="echo ready", description="Report")
    answers: list[Answer] = [[text("I be"), CUT], [text("I look."), bash, CUT], [bash], [text("Ready.")]]
    return _run(Home(folder), claude, {"": answers}, "Look.", "More.")


def cut_answer(folder: Path, claude: Path) -> Recording:
    """The model's tokens end within an answer."""
    answers: list[Answer] = [[text("I would"), FULL], [text("like to go on.")], [text("Two.")]]
    return _run(Home(folder), claude, {"": answers}, "Speak.", "More.")


def own_command(folder: Path, claude: Path) -> Recording:
    """A slash command of the project."""
    home = Home(folder)
    commands = home.project / ".claude" / "commands"
    commands.mkdir(parents=True)
    (commands / "patrol.md").write_text("---\ndescription: Patrol\n---\nPatrol $ARGUMENTS and report.\n")
    return _run(home, claude, {"": [[text("One.")], [text("Two.")]]}, "/patrol the rigs", "More.")


def tool_search(folder: Path, claude: Path) -> Recording:
    """Tools whose descriptions the model has to ask for."""
    home = Home(folder, environment={"ENABLE_TOOL_SEARCH": "true"})
    find = tool("ToolSearch", query="select:WebFetch,NotebookEdit", max_results=5)
    answers: list[Answer] = [[find], [text("Found.")], [text("Two.")]]
    return _run(home, claude, {"": answers}, "Find.", "More.", arguments=())


def background_subagent(folder: Path, claude: Path) -> Recording:
    """A subagent that reports after its caller has gone on."""
    agent = tool(
        "Agent",
        description="Look at logs",
        prompt="SIDE: look.",
        subagent_type="general-purpose",
        run_in_background=True,
    )
    bash = tool("Bash", command="sleep 1; echo log", description="Report")
    answers: dict[str, list[Answer]] = {
        "SIDE": [[text("I look."), bash], [text("Nothing in the log.")]],
        "": [[agent], [text("Someone looks.")], [text("It found nothing.")]],
    }
    return _run(Home(folder), claude, answers, "Have someone look.")


def two_subagents(folder: Path, claude: Path) -> Recording:
    """Side by side, of one answer, with words of the same."""
    agents = [
        tool(
            "Agent",
            description="Look",
            prompt=f"SIDE{side}: look.",
            subagent_type="general-purpose",
            run_in_background=False,
        )
        for side in "AB"
    ]
    bash = tool("Bash", command="echo log", description="Report")
    answers: dict[str, list[Answer]] = {
        "SIDEA": [[bash], [text("Nothing in A.")]],
        "SIDEB": [[bash], [text("Nothing in B.")]],
        "": [agents, [text("Nothing anywhere.")]],
    }
    return _run(Home(folder), claude, answers, "Have two look.")


def small_model(folder: Path, claude: Path) -> Recording:
    """The settings that the design gives a small model: one tool, a card as the system prompt."""
    environment = {
        "CLAUDE_CODE_MAX_OUTPUT_TOKENS": "1024",
        "CLAUDE_CODE_DISABLE_THINKING": "1",
        "CLAUDE_CODE_DISABLE_EXPERIMENTAL_BETAS": "1",
    }
    bash = tool("Bash", command="echo ready", description="Report")
    arguments = ("--tools", "Bash", "--system-prompt", "You are the witness.", "--setting-sources", "user")
    home = Home(folder, environment=environment)
    return _run(home, claude, {"": [[bash], [text("Done.")]]}, "Patrol.", arguments=arguments)


_PNG = (
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de"
    "0000000c49444154789c63f8cfc0000003010100c9fe92ef0000000049454e44ae426082"
)
SESSIONS: dict[str, Callable[[Path, Path], Recording]] = {
    session.__name__: session
    for session in (
        *(plain_text, one_tool, parallel_tools, failing_tool, long_output, reads_an_image, thinks, resumed),
        *(forked, rewound, compacted, compacted_by_itself, subagent, hooks, retried, small_model),
        *(broken_stream, cut_answer, own_command, tool_search, background_subagent, two_subagents),
    )
}
