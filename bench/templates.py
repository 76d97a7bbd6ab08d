# SPDX-License-Identifier: Apache-2.0
"""Rendering a conversation in the bounded helper, beside transformers in this process and beside encoding it.

Prints medians in milliseconds, and how much of rendering and encoding together the helper adds.
"""

import statistics
import time
from collections.abc import Callable
from pathlib import Path

from node0.finetune.chat.bounded_template import Rendering, render_bounded
from node0.finetune.data.tokenizer import load_tokenizer

ROUNDS = 7
BASE = Path(__file__).parent.parent / "examples" / "base"
SIZES = ((3, 200), (40, 1000), (200, 2000))
"Turns, and characters of each."


def main() -> None:
    """Render and encode conversations of three sizes."""
    tokenizer = load_tokenizer(BASE)
    for n_turns, length in SIZES:
        words = ("Look at the pier. " * length)[:length]
        turns = [{"role": ("user", "assistant")[n % 2], "content": words} for n in range(n_turns)]
        text = render_bounded(tokenizer, Rendering(turns))
        peer = _median(lambda: tokenizer.apply_chat_template(turns, tokenize=False))  # noqa: B023  # at once
        ours = _median(lambda: render_bounded(tokenizer, Rendering(turns)))  # noqa: B023  # at once
        encoding = _median(lambda: tokenizer(text, add_special_tokens=False))  # noqa: B023  # at once
        print(
            f"{n_turns:>4} turns, {len(text):>7} characters: transformers {peer:.2f}, helper {ours:.2f}, "
            f"encoding {encoding:.2f} ms; {(ours + encoding) / (peer + encoding):.2f}x"
        )


def _median(work: Callable[[], object]) -> float:
    found = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work()
        found.append(1e3 * (time.perf_counter() - began))
    return statistics.median(found)


if __name__ == "__main__":
    main()
