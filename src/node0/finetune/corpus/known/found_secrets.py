# SPDX-License-Identifier: Apache-2.0
"""Secrets that were found once in a town, looked for everywhere in it, as keyed digests.

A line of `<town>/.models/found-secrets.jsonl` is what is known of one: its length, its longest word's place
and keyed BLAKE2b (RFC 7693), and that of the whole. Words of a text are digested and looked up; nothing can
be read back from the file without the key, and with it only guesses can be tried.
"""

import json
import logging
import re
import secrets
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import cached_property, lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from node0.files import open_to_append, private_directory
from node0.finetune.corpus.scrub.finding import Finding, Tier

logger = logging.getLogger(__name__)

FILE = "found-secrets.jsonl"
KIND = "known-secret"
WORD = re.compile(r"[^\s\"'`=:,;()<>{}\[\]|\\&@/?#]{6,512}")
"A stretch without signs that end a value in most writings."

ENDS = ".!"
"What may end a sentence behind a word."

SHORTEST = 6
REMEMBERED = 65_536
"Words of which the digests are remembered: they are looked up again whenever something is learned."

DIGEST_BYTES = 12


class Record(NamedTuple):
    """What is known of a secret."""

    length: int
    at: int
    "Where its longest word begins."

    word: str
    whole: str
    "Digests, in hex. A value of signs that end a word has no word: it is known, and found by whoever has it."


class FoundSecrets:
    """Finds values that were found before, as whole words.

    Args:
        read_key: Gives the town's key when a first value is learned or looked for; other towns' digests are
        not alike.
            Where it cannot be made, what is learned is forgotten with this object.
        file: Where records are kept; None keeps none.
    """

    def __init__(self, read_key: Callable[[], bytes], file: Path | None = None) -> None:
        self._read_key = read_key
        self._file = file
        self._records: dict[str, list[Record]] = {}
        self._kept = {record.whole for record in _read(file)} if file else set()
        self._fresh: dict[str, Record] = {}
        self.learned = 0
        "Values so far."

        self._digests = lru_cache(maxsize=REMEMBERED)(self._digests_of)
        self._unsaved: dict[str, Record] = {}
        for record in _read(file) if file else ():
            self._add(record)

    def shows_in(self, word: str) -> bool:
        """Whether a word of a text may be one of them, or a part of one."""
        if not self._records or len(word) < SHORTEST:
            return False
        return not self._records.keys().isdisjoint(self._digests(word))

    def findings(self, text: str, words: Collection[str]) -> Iterator[Finding]:
        """Every place.

        Args:
            text: Is looked through.
            words: Those of it in which something shows.
        """
        telling = {part for word in words if self.shows_in(word) for part in WORD.findall(word)}
        for found in WORD.finditer(text) if telling else ():
            if found.group() not in telling:
                continue
            for record in self._records.get(self._digest(_word(found)), ()):
                start = found.start() - record.at
                end = start + record.length
                if start >= 0 and end <= len(text) and self._digest(text[start:end]) == record.whole:
                    yield Finding(KIND, Tier.REDACT, start, end)

    def learn(self, values: Iterable[str]) -> bool:
        """Look for these from now on too; whether one of them is new."""
        known = len(self._fresh)
        for value in values:
            record = self._record(value)
            if record.whole not in self._kept and record.whole not in self._fresh:
                self._fresh[record.whole] = record
                self._add(record)
                self.learned += 1
        return len(self._fresh) > known

    def is_kept(self, value: str) -> bool:
        """Whether the town is or was looked through for a value."""
        return self._digest(value) in self._kept

    def take_news(self) -> "FoundSecrets | None":
        """One that knows only what was learned since the last time; None where that is nothing."""
        if not self._fresh:
            return None
        other = FoundSecrets(lambda: self._key)
        for record in self._fresh.values():
            other._add(record)
        self._kept |= self._fresh.keys()
        self._unsaved |= self._fresh
        self._fresh.clear()
        return other

    def save(self) -> None:
        """Keep what the town was looked through for; nothing, where nothing may be written."""
        if self._file is None or not self._unsaved:
            return
        lines = "".join(f"{json.dumps(record)}\n" for record in self._unsaved.values())
        try:
            private_directory(self._file.parent)
            with open_to_append(self._file) as file:
                file.write(lines.encode())
        except OSError as error:
            logger.warning(
                "%s cannot be written (%s): later sessions are not searched for it", self._file, error
            )
            return
        self._unsaved.clear()

    @cached_property
    def _key(self) -> bytes:
        try:
            return self._read_key()
        except OSError as error:
            logger.warning("what is found now is not remembered: %s", error)
            self._file = None
            return secrets.token_bytes(32)

    @cached_property
    def _begun(self) -> blake2b:
        """A digest that has taken the key only."""
        return blake2b(key=self._key, digest_size=DIGEST_BYTES)

    def _record(self, value: str) -> Record:
        found = max(WORD.finditer(value), key=lambda one: one.end() - one.start(), default=None)
        if found is None:
            return Record(len(value), 0, "", self._digest(value))
        return Record(len(value), found.start(), self._digest(_word(found)), self._digest(value))

    def _add(self, record: Record) -> None:
        if record.word:
            self._records.setdefault(record.word, []).append(record)

    def _digests_of(self, word: str) -> list[str]:
        """Of the stretches of a word that may be the longest of a value."""
        return [self._digest(part.rstrip(ENDS)) for part in WORD.findall(word)]

    def _digest(self, text: str) -> str:
        data = text.encode("utf-8", "surrogatepass")
        digest = self._begun.copy()
        digest.update(data)
        return digest.hexdigest()


def _word(found: re.Match[str]) -> str:
    return found.group().rstrip(ENDS)


def _read(file: Path) -> Iterator[Record]:
    """The records of a file; a line that is none was torn, and is passed over."""
    if not file.is_file():
        return
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            length, at, word, whole = json.loads(line)
            yield Record(int(length), int(at), str(word), str(whole))
        except (ValueError, TypeError, ArithmeticError, RecursionError):
            continue
