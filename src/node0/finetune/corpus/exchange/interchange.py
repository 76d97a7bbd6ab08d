# SPDX-License-Identifier: Apache-2.0
"""Convert entries to the formats that other trainers read, and back.

- `openai`: https://platform.openai.com/docs/guides/supervised-fine-tuning, `messages` with `tool_calls`
  whose arguments are a string, `tools`; answers that another entry trains on have `weight` 0. A pair is
  `input`, `preferred_output`, `non_preferred_output`.
- `trl`: https://huggingface.co/docs/trl/dataset_formats, the same with arguments as objects; what begins with
  answers that a resume or a fork copied is `prompt` and `completion`. A pair is `prompt`, `chosen`,
  `rejected`, the prompt never implicit.
- `sharegpt`: `conversations` of `from` and `value`, `tools` as a string; no call ids and no pairs.

A row holds the system prompt and the tools of the entry's last call. That a tool result was an error is
lost. What is ours (role, outcome, bead) travels under `node0` where asked for.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from types import MappingProxyType
from typing import Any

from node0.documents.json_document import value_of
from node0.finetune.corpus.exchange.interchange_turns import (
    Format,
    Turn,
    from_openai,
    from_sharegpt,
    function_of,
    to_openai,
    to_sharegpt,
    tool_of,
)
from node0.finetune.corpus.quality.copied_answers import Copied
from node0.finetune.corpus.schema import CorpusEntry

Line = dict[str, Any]

FACTS = ("id", "role", "rig", "task_type", "outcome", "created_at", "bead_id", "session_id", "quality")
SYSTEM_KEY = TOOLS_KEY = "imported"


def export_lines(
    entries: Iterable[CorpusEntry],
    form: Format,
    skipped: Counter[str],
    *,
    facts: bool = False,
    retracted: Callable[[CorpusEntry], bool] = lambda entry: False,
    copied: Copied = MappingProxyType({}),
) -> Iterator[Line]:
    """One object for each entry that the format can hold; quarantined and retracted ones never leave.

    Args:
        skipped: Takes the count of entries left out, by reason.
        facts: Add what only this project knows, under `node0`.
        copied: Answers that are learnt in another entry, and are only read in this one.
    """
    for entry in entries:
        reason = "quarantined" if entry.quarantined else "retracted" if retracted(entry) else ""
        line = "" if reason else _line(entry, form, copied.get(entry.id, frozenset()))
        if isinstance(line, str):
            skipped[reason or line] += 1
        else:
            known = {"node0": entry.model_dump(include=set(FACTS), mode="json")} if facts else {}
            yield {**line, **known}


def entry_fields(line: Any) -> Line:
    """The fields of a `CorpusEntry` of one line in any of the formats, or of Alpaca's.

    Raises:
        ValueError: none of the formats; the text says what is missing.
    """
    if not isinstance(line, dict):
        raise ValueError("it is not a JSON object")
    facts = {key: value for key, value in _object(line.get("node0")).items() if key in FACTS}
    try:
        return {"source": "import", **facts, **_content(line)}
    except (TypeError, KeyError, AttributeError, IndexError) as error:
        raise ValueError(f"its turns cannot be read ({type(error).__name__}: {error})") from error


def _line(entry: CorpusEntry, form: Format, copied: AbstractSet[int]) -> Line | str:
    """The object, or why there is none."""
    last = entry.requests[-1] if entry.requests else None
    system = entry.systems[last.system] if last else ""
    tools = [function_of(tool) for tool in (entry.toolsets[last.tools] if last else entry.tools)]
    head = [{"role": "system", "content": system}] if system else []
    if entry.chosen is not None and entry.rejected is not None:
        prompt, chosen, rejected = _parted(entry)
        if form is Format.SHAREGPT or not chosen or not rejected:
            return "pair that the format cannot hold"
        return _pair(
            *(to_openai(turns, compact=form is Format.OPENAI) for turns in (head + prompt, chosen, rejected)),
            tools=tools,
            form=form,
        )
    reason = _unmarkable(entry, form, copied)
    return reason or _conversation(entry, form, copied, head=head, tools=tools)


def _unmarkable(entry: CorpusEntry, form: Format, copied: AbstractSet[int]) -> str:
    """Why the format cannot say which answers are learnt; empty where it can."""
    own = _own(entry, copied)
    if not copied or (own and form is Format.OPENAI):
        return ""
    if not own:
        return "every answer is learnt in another entry"
    parted = form is Format.TRL and max(copied) < min(own)
    return "" if parted else "some answers are learnt in another entry, and the format cannot say which"


def _own(entry: CorpusEntry, copied: AbstractSet[int]) -> AbstractSet[int]:
    """The recorded answers that are learnt in this entry."""
    return {call.n_messages for call in entry.requests} - copied


def _conversation(
    entry: CorpusEntry, form: Format, copied: AbstractSet[int], *, head: list[Turn], tools: list[Line]
) -> Line:
    if form is Format.SHAREGPT:
        offered: Line = {"tools": _compact(tools)} if tools else {}
        return {"conversations": to_sharegpt(head + entry.messages), **offered}
    own = _own(entry, copied)
    offered = {"tools": tools} if tools else {}
    if form is Format.OPENAI:
        answers = {place + len(head) for place in own} or None
        return {"messages": to_openai(head + entry.messages, compact=True, answers=answers), **offered}
    if not copied:
        return {"messages": to_openai(head + entry.messages), **offered}
    read, learnt = entry.messages[: min(own)], entry.messages[min(own) :]
    return {"prompt": to_openai(head + read), "completion": to_openai(learnt), **offered}


def _parted(entry: CorpusEntry) -> tuple[list[Turn], list[Turn], list[Turn]]:
    """Prompt and both answers: whole conversations are parted where they begin to differ."""
    chosen, rejected = list(entry.chosen or ()), list(entry.rejected or ())
    shared = 0
    for one, other in zip(chosen, rejected, strict=False):
        if one != other:
            break
        shared += 1
    prompt = chosen[:shared]
    return (
        prompt if prompt[: len(entry.messages)] == entry.messages else [*entry.messages, *prompt],
        chosen[shared:],
        rejected[shared:],
    )


def _pair(
    prompt: list[Turn], chosen: list[Turn], rejected: list[Turn], *, tools: list[Line], form: Format
) -> Line:
    offered = {"tools": tools} if tools else {}
    if form is Format.TRL:
        return {"prompt": prompt, "chosen": chosen, "rejected": rejected, **offered}
    asked = {"messages": prompt, **offered}
    return {"input": asked, "preferred_output": chosen, "non_preferred_output": rejected}


def _content(line: Mapping[str, Any]) -> Line:
    if "conversations" in line:
        turns = from_sharegpt(line["conversations"])
        return _entry(turns, line.get("tools"), system=line.get("system"))
    if "preferred_output" in line:
        asked = line["input"]
        return _preference(
            asked["messages"], line["preferred_output"], line["non_preferred_output"], asked.get("tools")
        )
    if "completion" in line:
        return _completed(line["prompt"], line["completion"], line.get("tools"))
    if "chosen" in line:
        return _preference(line.get("prompt"), line["chosen"], line["rejected"], line.get("tools"))
    if "messages" in line:
        return _entry(from_openai(line["messages"]), line.get("tools"), trained=_trained(line["messages"]))
    if "instruction" in line:
        asked = "\n\n".join(filter(None, (line["instruction"], line.get("input"))))
        answer = {"role": "assistant", "content": line["output"]}
        return _entry([{"role": "user", "content": asked}, answer], None, system=line.get("system"))
    raise ValueError(
        "it has none of messages (OpenAI, TRL), prompt and completion, conversations (ShareGPT), "
        "chosen and rejected, instruction (Alpaca)"
    )


def _entry(turns: list[Turn], tools: Any, *, system: Any = None, trained: Sequence[bool] = ()) -> Line:
    """An entry's fields: a first system turn becomes the system prompt of every call."""
    text = str(system or "")
    first = turns[0]["content"] if turns and turns[0]["role"] == "system" else ""
    # Without an answer it is a document, whose words are its turns.
    if first and not text and any(turn["role"] == "assistant" for turn in turns):
        text, turns = first, turns[1:]
    offered = [tool_of(tool) for tool in _list(tools)]
    answers = [number for number, turn in enumerate(turns) if turn["role"] == "assistant"]
    kept = [
        number for number, wanted in zip(answers, trained or [True] * len(answers), strict=True) if wanted
    ]
    if answers and not kept:
        raise ValueError("each of its answers has weight 0")
    if not text and kept == answers:
        return {"messages": turns, "tools": offered}
    call = {"system": SYSTEM_KEY, "tools": TOOLS_KEY}
    return {
        "messages": turns,
        "systems": {SYSTEM_KEY: text},
        "toolsets": {TOOLS_KEY: offered},
        "requests": [{"n_messages": number, **call} for number in kept],
    }


def _completed(prompt: Any, completion: Any, tools: Any) -> Line:
    """Answers of the prompt are only read."""
    read, learnt = (
        from_openai([{"role": role, "content": side}] if isinstance(side, str) else side)
        for role, side in (("user", prompt), ("assistant", completion))
    )
    trained = [False] * _answers(read) + [True] * _answers(learnt)
    return _entry([*read, *learnt], tools, trained=trained)


def _answers(turns: Sequence[Turn]) -> int:
    return sum(turn["role"] == "assistant" for turn in turns)


def _preference(prompt: Any, chosen: Any, rejected: Any, tools: Any) -> Line:
    if isinstance(prompt, str):
        prompt = [{"role": "user", "content": prompt}]
    sides = [
        [{"role": "assistant", "content": side}] if isinstance(side, str) else side
        for side in (chosen, rejected)
    ]
    return {
        "messages": from_openai(prompt or []),
        "chosen": from_openai(sides[0]),
        "rejected": from_openai(sides[1]),
        "tools": [tool_of(tool) for tool in _list(tools)],
    }


def _trained(turns: Sequence[Turn]) -> list[bool]:
    return [turn.get("weight", 1) != 0 for turn in turns if turn["role"] == "assistant"]


def _list(value: Any) -> list[Any]:
    loaded = value_of(value) if isinstance(value, str) and value.strip() else value
    return list(loaded or [])


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
