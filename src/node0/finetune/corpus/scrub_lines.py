# SPDX-License-Identifier: Apache-2.0
"""Scrubbing as a filter over JSON lines, for measuring: the form is {"id", "text"}."""

import json

from node0.errors import BadCorpus
from node0.finetune.corpus.scrubber import CorpusScrubber


def scrub_line(scrubber: CorpusScrubber, line: str) -> str:
    """One line with the scrubbed text and its findings; spans are those of the text that came in.

    Raises:
        BadCorpus: the line is not an object with a string `text`.
    """
    try:
        item = json.loads(line)
        text = item["text"]
    except (ValueError, KeyError, TypeError) as error:
        raise BadCorpus('a line is not {"id", "text"}: repair it, or leave out --jsonl') from error
    if not isinstance(text, str):
        raise BadCorpus('a line has a "text" that is no string: repair it')
    findings = [
        {"kind": found.kind, "tier": found.tier.value, "start": found.start, "end": found.end}
        for found in scrubber.findings(text)
    ]
    return json.dumps(
        {"id": item.get("id"), "text": scrubber.scrub(text)[0], "findings": findings}, ensure_ascii=False
    )
