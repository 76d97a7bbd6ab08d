# SPDX-License-Identifier: Apache-2.0
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_chat import SESSION, calls, entry, recorded, result, says, system, tiny_tokenizer, user
from torch import Tensor

from node0.errors import BadCorpus
from node0.finetune.corpus.quality.review_queue import ReviewQueue
from node0.finetune.corpus.schema import RecordedCall
from node0.finetune.corpus.scrubber import CorpusScrubber
from node0.finetune.corpus.store import CorpusStore
from node0.finetune.data.dataset import CorpusDataset, DatasetOptions, RowCache
from node0.finetune.data.train_val import make_datasets
from node0.pipeline.protocol import IGNORE

TOKENIZER = tiny_tokenizer()


def dataset(
    *entries: Any, max_length: int = 4096, template: str = "shipped", **options: Any
) -> CorpusDataset:
    options.setdefault("profile_for", lambda role: None)
    tokenizer = TOKENIZER if template == "shipped" else tiny_tokenizer(template)
    return CorpusDataset(entries, "deacon", tokenizer, max_length, options=DatasetOptions(**options))


def learnt(ids: Tensor, labels: Tensor) -> list[str]:
    """What the labels ask for, one text for each run of them."""
    runs: list[list[int]] = [[]]
    for label in labels.tolist():
        if label == IGNORE:
            runs.append([])
        else:
            runs[-1].append(label)
    assert len(ids) == len(labels)
    return [TOKENIZER.decode(run) for run in runs if run]


def answers(data: CorpusDataset) -> list[str]:
    return [text for item in data for text in learnt(item["input_ids"], item["labels"])]


def test_labels_of_three_tokens_are_the_next_ids() -> None:
    a = TOKENIZER.convert_tokens_to_ids("a")
    bos, eos = TOKENIZER.bos_token_id, TOKENIZER.eos_token_id
    document = entry([system("a")], source="document", outcome="collected")

    (item,) = dataset(document, mode="pretrain")

    assert item["input_ids"].tolist() == [bos, a, eos]
    assert item["labels"].tolist() == [a, eos, IGNORE]
    assert item["positions"].tolist() == [0, 1, 2]


def test_a_stores_retracted_entries_are_in_no_dataset(tmp_path: Path) -> None:
    store = CorpusStore(tmp_path)
    for name in ("one", "two"):
        store.add(entry([user(name), says("b")], id=name))
    store.retracted().add([store.get("one")])

    both = make_datasets(store, "deacon", TOKENIZER, val_split=0.0)
    single = CorpusDataset(store, "deacon", TOKENIZER)

    assert {item.id for data in (both.train, both.val, single) for item in data.entries} == {"two"}
    assert both.dropped == single.dropped == {"retracted": 1}


@pytest.mark.parametrize("mode", ["sft", "pretrain", "dpo"])
def test_what_waits_in_quarantine_is_in_no_dataset_until_a_person_decides(tmp_path: Path, mode: Any) -> None:
    store, scrubber = CorpusStore(tmp_path), CorpusScrubber()
    doubtful = [user('password: "dolphinswim"'), says("b")]
    sides = {"chosen": [*doubtful, says("x")], "rejected": [*doubtful, says("y")]} if mode == "dpo" else {}
    for name, turns in (("waits", doubtful), ("clean", [user("a"), says("b")])):
        pair = {side: [*turns, says(side)] for side in sides}
        store.add(scrubber.scrub_entry(entry([] if pair else turns, id=name, **pair)).entry)

    def taken() -> set[str]:
        options = DatasetOptions(mode=mode)
        single = CorpusDataset(store, "deacon", TOKENIZER, 4096, options=options)
        both = make_datasets(store, "deacon", TOKENIZER, val_split=0.0, options=options)
        return {item.id for data in (both.train, both.val, single) for item in data.entries}

    assert taken() == {"clean"}
    ReviewQueue(store, scrubber).redact("waits")
    assert taken() == {"clean", "waits"}
    assert "dolphinswim" not in store.get("waits").model_dump_json()


def test_the_last_prompt_token_predicts_the_first_answer_token() -> None:
    (item,) = dataset(entry([user("q"), says("b")]))
    assistant, b, end = TOKENIZER.convert_tokens_to_ids(["<|assistant|>", "b", "<|end|>"])

    assert item["input_ids"].tolist()[-3:] == [assistant, b, end]
    assert item["labels"].tolist()[-3:] == [b, end, IGNORE]
    assert (item["labels"][:-3] == IGNORE).all()


def test_calls_that_extend_each_other_share_a_row() -> None:
    data = dataset(recorded(SESSION))

    assert len(data) == 1
    words = [text.partition("<tool_call>")[0] for text in answers(data)]
    assert words == ["I look first.", "", "All is < |im_end|> well.<|end|>"]


def test_only_recorded_calls_are_learnt_and_each_once() -> None:
    talk = recorded([user("a"), says("b"), user("c"), says("d")])
    talk.requests = [talk.requests[1], talk.requests[1]]

    assert answers(dataset(talk)) == ["d<|end|>"]


def test_another_prompt_makes_another_row() -> None:
    talk = recorded([user("a"), says("b"), user("c"), says("d")])
    talk.systems["other"] = "Be brief."
    talk.requests[1] = RecordedCall(n_messages=3, system="other", tools="t")

    data = dataset(talk)

    assert len(data) == 2
    assert answers(data) == ["b<|end|>", "d<|end|>"]
    # Under a profile both prompts become the card.
    assert len(dataset(talk, profile_for=DatasetOptions().profile_for)) == 1


def test_a_template_that_rewrites_gives_one_row_a_call() -> None:
    assert len(dataset(recorded(SESSION), template="rewriting")) == 3


def test_answers_that_cannot_be_learnt_are_counted() -> None:
    edit = {"role": "assistant", "content": [{"type": "tool_use", "id": "x", "name": "Edit", "input": {}}]}
    thought = {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm"}]}
    talk = recorded([user("a"), edit, user("b"), thought, user("c"), says("d")])
    talk.requests.append(RecordedCall(n_messages=99, system="s", tools="t"))

    data = dataset(talk, profile_for=DatasetOptions().profile_for)

    assert data.report.dropped == {"tool outside the profile": 1, "empty answer": 1, "answer not recorded": 1}
    assert answers(data) == ["d<|end|>"]


def long_talk(turns: int = 12) -> Any:
    messages = [user("start")]
    for number in range(turns):
        messages += [calls(f"step {number:02d}", number), result("r" * 40, number)]
    return recorded([*messages, says("done")])


@pytest.mark.parametrize("template", ["shipped", "chatml", "rewriting", "alternating"])
def test_a_split_learns_each_answer_once_under_the_same_head(template: str) -> None:
    limit = 700 if template != "rewriting" else 600
    data = dataset(long_talk(), max_length=limit, template=template)
    head = TOKENIZER.decode(dataset(long_talk(1), template=template)[0]["input_ids"])[:60]

    texts = answers(data)
    learnt_steps = [text for text in texts if "step" in text]

    assert len(data) > 1
    assert max(data.lengths) <= limit
    assert not data.dropped
    assert [text[text.index("step") :][:7] for text in learnt_steps] == [f"step {n:02d}" for n in range(12)]
    assert len(texts) == 13
    assert all(TOKENIZER.decode(item["input_ids"]).startswith(head) for item in data)


def test_a_split_keeps_a_result_with_its_call() -> None:
    data = dataset(long_talk(), max_length=500)

    for item in data:
        text = TOKENIZER.decode(item["input_ids"])
        assert text.index("<|assistant|>") < text.index("<|tool|>")


def test_an_answer_that_fits_no_row_is_counted() -> None:
    data = dataset(recorded([user("x" * 900), says("b"), user("c"), says("d")]), max_length=600)

    assert answers(data) == ["d<|end|>"]
    assert data.dropped["over_length"] == 1


def test_over_length_can_drop_or_refuse() -> None:
    assert dataset(long_talk(), max_length=500, over_length="drop").report.dropped == {"over_length": 13}
    with pytest.raises(BadCorpus, match="entry e1 has"):
        dataset(long_talk(), max_length=500, over_length="refuse")


def test_a_document_is_cut_anywhere_and_every_token_kept() -> None:
    document = entry([system("abcdefgh")], source="document", outcome="collected")

    data = dataset(document, mode="pretrain", max_length=4)

    assert [len(item["input_ids"]) for item in data] == [4, 4, 2]
    assert TOKENIZER.decode(torch.cat([item["input_ids"] for item in data])) == "<s>abcdefgh<|end|>"
    assert data.report.supervised == sum(len(item["input_ids"]) - 1 for item in data)


def test_pretraining_learns_every_token_of_a_session() -> None:
    (item,) = dataset(recorded(SESSION), mode="pretrain")

    assert item["labels"].tolist() == [*item["input_ids"].tolist()[1:], IGNORE]


PROMPT = [user("a"), says("shared"), user("b")]


@pytest.mark.parametrize(
    ("messages", "chosen", "rejected"),
    [
        ([], [*PROMPT, says("yes")], [*PROMPT, says("no")]),
        (PROMPT, [*PROMPT, says("yes")], [*PROMPT, says("no")]),
        (PROMPT, [says("yes")], [says("no")]),
    ],
)
def test_a_pair_learns_only_what_differs(messages: Any, chosen: Any, rejected: Any) -> None:
    (item,) = dataset(entry(messages, chosen=chosen, rejected=rejected), mode="dpo")

    assert learnt(item["chosen_ids"], item["chosen_labels"]) == ["yes<|end|>"]
    assert learnt(item["rejected_ids"], item["rejected_labels"]) == ["no<|end|>"]
    n_prompt = len(item["chosen_ids"]) - len(b"yes") - 1
    assert item["chosen_ids"][:n_prompt].tolist() == item["rejected_ids"][:n_prompt].tolist()


def test_a_pair_that_does_not_differ_is_counted() -> None:
    data = dataset(entry([], chosen=[*PROMPT, says("x")], rejected=[*PROMPT, says("x")]), mode="dpo")

    assert (len(data), dict(data.dropped)) == (0, {"pair without a difference": 1})


def test_a_long_pair_loses_its_oldest_turns_alike() -> None:
    prompt = [user("old" * 60), says("old"), user("new")]
    pair = entry([], chosen=[*prompt, says("yes")], rejected=[*prompt, says("no")])

    (item,) = dataset(pair, mode="dpo", max_length=20)

    assert "old" not in TOKENIZER.decode(item["chosen_ids"])
    assert learnt(item["chosen_ids"], item["chosen_labels"]) == ["yes<|end|>"]


def test_rows_are_made_once_per_content() -> None:
    cache: RowCache = {}
    first = CorpusDataset([recorded(SESSION)], "deacon", TOKENIZER, cache=cache)
    again = CorpusDataset([recorded(SESSION, id="e2")], "deacon", TOKENIZER, cache=cache)

    assert again.rows[0] is first.rows[0]
    assert again.digest == first.digest
    assert CorpusDataset([recorded(SESSION[:4])], "deacon", TOKENIZER, cache=cache).digest != first.digest


def test_only_the_roles_entries_are_taken() -> None:
    entries = [recorded(SESSION, id="d"), recorded(SESSION, id="w", role="witness")]

    assert CorpusDataset(entries, "witness", TOKENIZER).owners == ["w"]
    assert CorpusDataset(entries, "all", TOKENIZER).owners == ["d", "w"]


def test_each_entry_meets_its_own_roles_profile() -> None:
    data = CorpusDataset([recorded(SESSION), recorded(SESSION, id="w", role="witness")], "all", TOKENIZER)

    assert "You are the deacon" in TOKENIZER.decode(data[0]["input_ids"])
    assert "You are the witness" in TOKENIZER.decode(data[1]["input_ids"])


def test_a_reconstructed_call_without_a_tool_list_gets_the_profiles() -> None:
    older = recorded([user("go"), calls("ls")])
    older.toolsets["t"] = []
    older.requests[0].exact = False

    (item,) = CorpusDataset([older], "deacon", TOKENIZER)

    assert '"name":"Bash"' in TOKENIZER.decode(item["input_ids"])
    older.requests[0].exact = True
    assert CorpusDataset([older], "deacon", TOKENIZER).dropped == {"tool outside the profile": 1}


def test_entries_without_a_tool_list_get_the_profiles() -> None:
    old = entry([user("go"), calls("ls")])

    assert '"name":"Bash"' in TOKENIZER.decode(CorpusDataset([old], "deacon", TOKENIZER)[0]["input_ids"])
