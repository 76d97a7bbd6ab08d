# SPDX-License-Identifier: Apache-2.0
"""Scrub JSON lines of {"id", "text"} from stdin to stdout, for measuring."""

import json
from collections.abc import Iterable, Iterator

from node0.errors import BadCorpus
from node0.finetune.corpus.scrub.finding import Tier
from node0.finetune.corpus.scrubber import CorpusScrubber


def scrub_lines(scrubber: CorpusScrubber, lines: Iterable[str]) -> Iterator[str]:
    """Each line with the scrubbed text and its findings, in order; spans are those of the text that came in.

    Raises:
        BadCorpus: a line is not an object with a string `text`; those before it have been yielded.
    """
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield _scrubbed(scrubber, number, line)


def _scrubbed(scrubber: CorpusScrubber, number: int, line: str) -> str:
    try:
        item = json.loads(line)
        name, text = item.get("id"), item["text"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BadCorpus(f'line {number} is not {{"id", "text"}}: repair it, or leave out --jsonl') from error
    if not isinstance(text, str):
        raise BadCorpus(f'line {number} has a "text" that is no string: repair it')
    found = scrubber.findings(text)
    spans = [{"kind": one.kind, "tier": one.tier.value, "start": one.start, "end": one.end} for one in found]
    clean = scrubber.scrub(text)[0] if any(one.tier is Tier.REDACT for one in found) else text
    written = json.dumps({"id": name, "text": clean, "findings": spans}, ensure_ascii=False)
    # Half a surrogate pair can be read from an escape, and only be written as one.
    return written if written.isascii() or _encodable(written) else json.dumps(json.loads(written))


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
