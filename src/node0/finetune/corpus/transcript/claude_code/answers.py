# SPDX-License-Identifier: Apache-2.0
"""Put the lines of one answer together, and tell which answers nobody should learn."""

from collections.abc import Iterable, Sequence

from node0.finetune.corpus.transcript.claude_code.session_index import HARNESS, INTERRUPTED, WARM_UP, Line
from node0.finetune.corpus.transcript.session_lines import LineLoader
from node0.finetune.corpus.transcript.wire_messages import WireMessage

COMPLETE = ("", "end_turn", "tool_use", "stop_sequence")
"Why a model stops when it has said all it wanted; a line that does not tell why is believed."


def merged_answer(loader: LineLoader, lines: Sequence[Line]) -> WireMessage:
    """One message of the lines of an answer, one block each; an earlier snapshot of it is left out.

    Some writers put an answer down again as it grows: the later line has the same parent and begins
    with the same content.
    """
    kept: list[tuple[Line, WireMessage]] = []
    for line in lines:
        message = loader.message(line.place)
        kept = [(old, said) for old, said in kept if not (old.parent == line.parent and _grew(said, message))]
        kept.append((line, message))
    return {
        "role": kept[0][1]["role"],
        "content": [block for _, message in kept for block in message["content"]],
    }


def lasting_id(line: Line) -> str:
    """What a resume and a fork copy with the first line of an answer: its message's id, and its time.

    Not every server gives ids that no other session has.
    """
    return f"{line.message_id} {line.at}"


def unlearnt(answer: Iterable[Line], before: Iterable[Line], behind: Iterable[Line]) -> str:
    """Why an answer is context only; empty where it is the model's own, and whole.

    Args:
        answer: Its lines.
        before: The lines between the answer before and this one.
        behind: The lines between this answer and the next.
    """
    lines = list(answer)
    stop = next((line.stop for line in reversed(lines) if line.stop), "")
    if any(line.harness == HARNESS for line in lines):
        return "words of the harness in an answer's place"
    if any(line.harness == WARM_UP and line.sidechain for line in before):
        return "answer to a warm-up of the harness"
    if stop not in COMPLETE:
        return f"answer that was cut: {stop}"
    asked = next((line for line in behind if line.kind == "user"), None)
    if not stop and asked is not None and asked.harness == INTERRUPTED:
        return "answer that was interrupted"
    return ""


def _grew(earlier: WireMessage, later: WireMessage) -> bool:
    """Whether a message is the beginning of another."""
    old, new = earlier["content"], later["content"]
    if not old or len(old) > len(new) or old[:-1] != new[: len(old) - 1]:
        return False
    last, grown = old[-1], new[len(old) - 1]
    texts = [last.get("type"), last.get("text"), grown.get("text")]
    return last == grown or (
        texts[0] == grown.get("type") == "text" and str(texts[2]).startswith(str(texts[1]))
    )
