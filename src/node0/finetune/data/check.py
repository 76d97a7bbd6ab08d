# SPDX-License-Identifier: Apache-2.0
"""Prove for an entry that its training ids begin with the ids of its prompts."""

from node0.errors import BadCorpus
from node0.finetune.chat.messages import Request
from node0.finetune.chat.render import Renderer
from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.data.calls import dialogues, recorded_calls


def check_entry(entry: CorpusEntry, renderer: Renderer) -> int:
    """Prove for each learnt answer that the ids of its recorded request are a prefix of its example's.

    Returns:
        How many answers were proven.

    Raises:
        BadCorpus: A request's ids are not what its example holds before the answer.
    """
    messages, calls = recorded_calls(entry, renderer.profile)
    requests = {
        call.answer: Request(system=call.system, tools=call.tools, messages=messages[: call.answer])
        for call in calls
    }
    proven = 0
    for dialogue in dialogues(entry, renderer.profile)[0]:
        groups = [[answer] for answer in dialogue.answers] if renderer.one_answer else [dialogue.answers]
        for answers in groups:
            example = renderer.example(dialogue.messages, dialogue.tools, dialogue.system, answers=answers)
            for span in example.spans:
                prompt = renderer.prompt_ids(requests[span.message])
                if prompt != example.ids[: span.start]:
                    raise BadCorpus(
                        f"entry {entry.id}, message {span.message}: the request's {len(prompt)} ids are not "
                        f"the {span.start} ids before the answer: check the chat template"
                    )
                proven += 1
            if len(example.spans) != len(answers):
                raise BadCorpus(
                    f"entry {entry.id}: {len(answers)} answers to learn, {len(example.spans)} in the example"
                )
    return proven
