# SPDX-License-Identifier: Apache-2.0
"""A loaded model as it is measured: its loss on recorded answers, and its greedy answers."""

from collections.abc import Sequence

from node0.errors import BadCorpus, NotFound
from node0.finetune.chat.messages import Block, Message, Request
from node0.finetune.chat.parse import parse_answer
from node0.finetune.chat.profile import DeploymentProfile, rewrite
from node0.finetune.config import SelectConfig
from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.data.dataset import CorpusDataset, DatasetOptions
from node0.finetune.data.microbatches import MicrobatchSource
from node0.finetune.inference.loading import LoadedModel
from node0.pipeline.protocol import IGNORE

ROW_TOKENS = 4096
"Tokens that are scored together."


class MeasuredModel:
    """What `finetune.eval.held_out` asks of a model; raises `NotFound` where it has no tokenizer."""

    def __init__(self, loaded: LoadedModel) -> None:
        if loaded.tokenizer is None or loaded.renderer is None:
            raise NotFound(f"model {loaded.name} has no tokenizer; put its tokenizer.json beside the weights")
        self._loaded, self._tokenizer, self._renderer = loaded, loaded.tokenizer, loaded.renderer

    @property
    def name(self) -> str:
        """What it is called in a table."""
        return self._loaded.name

    @property
    def profile(self) -> DeploymentProfile | None:
        """The form in which it is asked; None where recorded requests are put to it as they are."""
        return self._renderer.profile

    def answer_loss(self, entries: Sequence[CorpusEntry]) -> tuple[float, int, int]:
        """Mean cross-entropy over the tokens of answers, how many these are, and in how many entries.

        Raises:
            BadCorpus: the entries hold no answer.
        """
        dataset = self._dataset(entries)
        if not len(dataset):
            raise BadCorpus("the held-out entries hold no answer; train with a larger val_split")
        total, count = 0.0, 0
        source = MicrobatchSource(dataset, tokens_per_microbatch=ROW_TOKENS, shuffle=False)
        for microbatch in source.epoch():
            total -= float(self._loaded.pipeline.score(microbatch).double().sum())
            count += int((microbatch.labels != IGNORE).sum())
        return total / max(1, count), count, len(dataset.entries)

    def reduce(self, message: Message) -> Message | None:
        """A recorded message as the deployed model would meet it; None where it would not."""
        profile = self._renderer.profile
        return rewrite(message, profile) if profile else message

    def answer(self, request: Request, *, max_tokens: int) -> list[Block]:
        """Its greedy answer; nothing where the request does not fit its context."""
        prompt = self._renderer.prompt_ids(request)
        if len(prompt) >= self._loaded.context:
            return []
        ids = list(self._loaded.generator().generate(prompt, max_tokens, temperature=0.0, top_p=1.0))
        return parse_answer(self._loaded.decode(ids))

    def _dataset(self, entries: Sequence[CorpusEntry]) -> CorpusDataset:
        profile = self._renderer.profile
        outcomes = sorted({entry.outcome for entry in entries})
        options = DatasetOptions(select=SelectConfig(outcomes=outcomes), profile_for=lambda _: profile)
        return CorpusDataset(entries, "all", self._tokenizer, self._loaded.context, options=options)
