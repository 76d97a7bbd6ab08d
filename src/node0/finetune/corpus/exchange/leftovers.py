# SPDX-License-Identifier: Apache-2.0
"""Show a reviewer what is left in texts that may tell whose they are: names, ids and paths.

No judgement: what rules know to tell something is gone by then. A name is a word that begins with a capital
and nowhere in the texts without one; an id mixes letters and digits; a path has a slash between its words.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping

from node0.finetune.corpus.scrub.placeholders import without_placeholders

WORD = re.compile(r"(?<![\w@/-])[^\W\d_]{3,32}(?![\w@/]|-\w)")
HANDLE = re.compile(r"(?<![\w@.])@[A-Za-z][\w-]{1,38}")
MAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
ID = re.compile(r"(?<![\w/.-])(?=[\w-]{0,63}\d)(?=[\w-]{0,63}[A-Za-z])[A-Za-z0-9][\w-]{4,63}(?![\w/-])")
PATH = re.compile(r"(?<![\w/.~@-])(?:~|\.{0,2})/?(?:[\w.@+~-]{1,255}/){1,64}[\w.@+-]{0,255}")


def left_in(texts: Iterable[str]) -> Mapping[str, Mapping[str, int]]:
    """How often each of the `names`, `ids` and `paths` stands in these texts, the most frequent first."""
    words, names, ids, paths = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    for text in texts:
        rest = without_placeholders(text)
        for pattern, found in ((MAIL, names), (HANDLE, names), (PATH, paths), (ID, ids), (WORD, words)):
            found.update(pattern.findall(rest))
            rest = pattern.sub(" ", rest)
    small = {word for word in words if word[0].islower()}
    names.update({word: count for word, count in words.items() if _is_name(word, small)})
    return {"names": _sorted(names), "ids": _sorted(ids), "paths": _sorted(paths)}


def _is_name(word: str, small: set[str]) -> bool:
    return word[0].isupper() and word.lower() not in small


def _sorted(counts: Counter[str]) -> Mapping[str, int]:
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))
