# SPDX-License-Identifier: Apache-2.0
"""The one renderer: a request in Messages form to token ids, alike in training and serving.

Text is cut where a prompt ends and where an answer ends, and each piece is encoded by itself. So no
token spans such a border, and the ids of a request are a prefix of those of its training example.
"""

import hashlib
import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from typing import Any, NamedTuple, Protocol

from node0.errors import BadCorpus
from node0.finetune.chat.bounded_template import Rendering, render_bounded
from node0.finetune.chat.conversation import Conversation, Turn, to_conversation
from node0.finetune.chat.messages import Message, Request, Tool
from node0.finetune.chat.profile import DeploymentProfile, rewrite, rewrite_system, rewrite_tools
from node0.finetune.chat.special_tokens import special_token_escape
from node0.finetune.chat.template_probe import answer_after, probe
from node0.finetune.chat.traits import Traits

logger = logging.getLogger(__name__)

_KNOWN_TEXTS = 4096
"Pieces of text whose ids are remembered."


class ChatTokenizer(Protocol):
    """What the renderer asks of a tokenizer: a subset of `PreTrainedTokenizerFast`."""

    chat_template: Any
    bos_token_id: Any
    eos_token_id: Any

    @property
    def all_special_tokens(self) -> list[str]:
        """Texts of the special tokens."""
        ...

    @property
    def added_tokens_decoder(self) -> dict[int, Any]:
        """Added tokens by id, each with `content` and `special`."""
        ...

    @property
    def special_tokens_map(self) -> Any:
        """Texts of the special tokens by what they are for."""
        ...

    def get_chat_template(self, chat_template: Any = None, tools: Any = None) -> str:
        """The chat template's source; of several, the one for requests with these tools."""
        ...

    def __call__(self, text: Any, **options: Any) -> Any:
        """Encode a list of texts."""
        ...


class Span(NamedTuple):
    """A supervised answer: ids[start:end] answer the messages before `message`."""

    message: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class RenderedExample:
    """A training example before packing."""

    ids: list[int]
    spans: tuple[Span, ...]

    @property
    def supervised(self) -> list[bool]:
        """Per id, whether it is to be learnt."""
        mask = [False] * len(self.ids)
        for _, start, end in self.spans:
            mask[start:end] = [True] * (end - start)
        return mask


class Segment(NamedTuple):
    """A piece of rendered text. Answers know their message."""

    text: str
    message: int | None


def shipped_template() -> str:
    """The chat template for tokenizers that have none."""
    return (resources.files("node0.finetune.chat") / "template.jinja").read_text(encoding="utf-8")


class Renderer:
    """Renders requests and training examples for one tokenizer and one deployment profile.

    Where the template is not prefix-preserving, an example holds one answer: see `one_answer`.

    Raises:
        ConfigError: The tokenizer's chat template cannot be used.
    """

    def __init__(self, tokenizer: ChatTokenizer, profile: DeploymentProfile | None = None) -> None:
        self.tokenizer = tokenizer
        self.profile = profile
        added = tokenizer.added_tokens_decoder.values()
        specials = {*tokenizer.all_special_tokens, *(str(token.content) for token in added if token.special)}
        # Requests of one conversation, and pieces of a split, share most of their texts.
        self._known: dict[str, list[int]] = {}
        self._template = None if tokenizer.chat_template else shipped_template()
        self._escape = special_token_escape(specials)
        self.traits: Traits = probe(self._rendered, sorted(specials))
        if not self.traits.end:
            logger.warning(
                "the chat template ends answers with no special token: a model may not learn to stop"
            )

    @property
    def one_answer(self) -> bool:
        """Whether each call needs an example of its own, since the template rewrites earlier turns."""
        return not self.traits.prefix_preserving

    @cached_property
    def stop_ids(self) -> tuple[int, ...]:
        """Ids that end an answer."""
        ends = self._encoded([self.traits.end])[0][-1:] if self.traits.end else []
        eos = self.tokenizer.eos_token_id
        return tuple(dict.fromkeys([*ends, *([] if eos is None else [eos])]))

    @property
    def template(self) -> str:
        """The chat template's source."""
        return self._template or str(self.tokenizer.chat_template)

    @cached_property
    def digest(self) -> str:
        """sha256, in hex, of template and profile."""
        profile = self.profile.digest if self.profile else ""
        return hashlib.sha256(f"{self.template}\0{profile}".encode()).hexdigest()

    def prompt_ids(self, request: Request, *, context: str = "") -> list[int]:
        """The ids that a model is given for this request, through the generation prompt.

        context: What was retrieved for it, as a last system turn: what stands before is as it was without, so
            a kept beginning stays one. No profile rewrites it.
        """
        return [number for ids in self._encoded(self._request_texts(request, context)) for number in ids]

    def count_tokens(self, text: str) -> int:
        """Tokens of a text inside a turn."""
        return len(self._encoded([self._escape(text)])[0])

    def prompt_text(self, request: Request) -> str:
        """The text of `prompt_ids`, as a program that is no tokenizer of ours has to make ids of it."""
        return "".join(self._request_texts(request))

    def document_ids(self, text: str) -> list[int]:
        """A text that is no conversation, between the tokens that begin and end a text."""
        ends = self.tokenizer.bos_token_id, self.tokenizer.eos_token_id
        first, last = ([] if end is None else [end] for end in ends)
        return [*first, *self._encoded([self._escape(text)])[0], *last]

    def example(
        self,
        messages: Sequence[Message],
        tools: Sequence[Tool] = (),
        system: str = "",
        *,
        answers: Collection[int] | None = None,
    ) -> RenderedExample:
        """The ids of a conversation up to its last answer, with what is to be learnt.

        Args:
            messages: The conversation in Messages form.
            tools: Its tools.
            system: Its system prompt.
            answers: Indices of the assistant messages to learn; None for all. With `one_answer`
                only the last of them is learnt, and the example ends there.

        Raises:
            BadCorpus: Nothing in it is to be learnt.
        """
        wanted = self._wanted(messages, answers)
        if not wanted:
            raise BadCorpus("a conversation without an answer cannot be an example: drop it")
        segments = self.segments(messages[: max(wanted) + 1], tools, system)
        ids: list[int] = []
        spans: list[Span] = []
        for segment, new in zip(segments, self._encoded([segment.text for segment in segments]), strict=True):
            if segment.message in wanted:
                spans.append(Span(segment.message, len(ids), len(ids) + len(new)))
            ids += new
        n_learnt = sum(end - start for _, start, end in spans)
        if not 0 < n_learnt < len(ids):
            raise BadCorpus(
                f"an example learns {n_learnt} of {len(ids)} tokens: drop it, or mend the template"
            )
        return RenderedExample(ids, tuple(spans))

    def segments(self, messages: Sequence[Message], tools: Sequence[Tool], system: str) -> list[Segment]:
        """The rendered conversation through its last answer, cut at prompt ends and answer ends."""
        conversation = self._conversation(system, tools, messages, prompt=False)
        if not conversation.answers:
            return []
        if self.one_answer:
            return self._last_answer(conversation)
        last = max(conversation.answers.values())
        text = self._rendered(conversation.turns[: last + 1], conversation.tools, False)
        return self._cut(text, conversation, n_openings=len(conversation.answers))

    def _request_texts(self, request: Request, context: str = "") -> list[str]:
        conversation = self._conversation(
            request["system"], request["tools"], request["messages"], prompt=True, context=context
        )
        return self._prompt_texts(conversation)

    def _wanted(self, messages: Sequence[Message], answers: Collection[int] | None) -> set[int]:
        given = range(len(messages)) if answers is None else answers
        wanted = {number for number in given if messages[number]["role"] == "assistant"}
        return {max(wanted)} if wanted and self.one_answer else wanted

    def _conversation(  # the parts of a request
        self,
        system: str,
        tools: Sequence[Tool],
        messages: Sequence[Message],
        *,
        prompt: bool,
        context: str = "",
    ) -> Conversation:
        turns: list[Message | None] = list(messages)
        if self.profile is not None:
            profile = self.profile
            system, tools = rewrite_system(system, profile), rewrite_tools(tools, profile)
            turns = [rewrite(message, profile) for message in messages]
        if context:
            turns.append({"role": "system", "content": context})
        return to_conversation(system, tools, turns, self.traits, escape=self._escape, prompt=prompt)

    def _prompt_texts(self, conversation: Conversation) -> list[str]:
        text = self._rendered(conversation.turns, conversation.tools, True)
        if self.one_answer:
            return [text]
        segments = self._cut(text, conversation, n_openings=len(conversation.answers) + 1)
        return [
            *(segment.text for segment in segments),
            text[sum(len(segment.text) for segment in segments) :],
        ]

    def _last_answer(self, conversation: Conversation) -> list[Segment]:
        message, place = max(conversation.answers.items())
        prompt = self._rendered(conversation.turns[:place], conversation.tools, True)
        return [Segment(prompt, None), Segment(self._answer(conversation, place), message)]

    def _cut(self, text: str, conversation: Conversation, *, n_openings: int) -> list[Segment]:
        """Contexts and answers in turn, through the last answer."""
        cuts = self._quick_cuts(text, n_openings) or self._slow_cuts(conversation)
        segments, at = [], 0
        for message, (start, end) in zip(conversation.answers, cuts, strict=False):
            segments += [Segment(text[at:start], None), Segment(text[start:end], message)]
            at = end
        return segments

    def _quick_cuts(self, text: str, n_openings: int) -> list[tuple[int, int]]:
        """Answers lie between generation prompt and end token, which content cannot forge."""
        opening, end = self.traits.generation_prompt, self.traits.end
        if not opening or not end or text.count(opening) != n_openings:
            return []
        cuts, at = [], 0
        while (found := text.find(opening, at)) >= 0:
            start = at = found + len(opening)
            close = text.find(end, start)
            cuts.append((start, close + len(end) if close >= 0 else len(text)))
        return cuts

    def _slow_cuts(self, conversation: Conversation) -> list[tuple[int, int]]:
        """The same by rendering up to each answer."""
        cuts = []
        for place in conversation.answers.values():
            start = len(self._rendered(conversation.turns[:place], conversation.tools, True))
            cuts.append((start, start + len(self._answer(conversation, place))))
        return cuts

    def _answer(self, conversation: Conversation, place: int) -> str:
        turns, tools = conversation.turns, conversation.tools
        return answer_after(
            self._rendered(turns[:place], tools, True),
            self._rendered(turns[:place], tools, False) if place else "",
            self._rendered(turns[: place + 1], tools, False),
            end=self.traits.end,
        )

    def _rendered(self, turns: Sequence[Turn], tools: list[dict[str, Any]] | None, add_prompt: bool) -> str:
        # A fixed date and no reasoning block: a prompt must not change from day to day.
        fixed = {"date_string": "26 Jul 2024", "enable_thinking": False}
        rendering = Rendering(list(turns), tools, add_prompt, fixed)
        return render_bounded(self.tokenizer, rendering, template=self._template)

    def _encoded(self, texts: list[str]) -> list[list[int]]:
        new = list(dict.fromkeys(text for text in texts if text not in self._known))
        if len(self._known) + len(new) > _KNOWN_TEXTS:
            self._known.clear()
            new = list(dict.fromkeys(texts))
        if new:
            encoded = self.tokenizer(
                new, add_special_tokens=False, return_attention_mask=False, verbose=False
            )
            self._known.update(zip(new, encoded["input_ids"], strict=True))
        return [self._known[text] for text in texts]
