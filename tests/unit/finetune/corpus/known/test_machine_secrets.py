# SPDX-License-Identifier: Apache-2.0
import pytest
from written_values import READINGS

from node0.finetune.corpus.known.known_secrets import KnownSecrets
from node0.finetune.corpus.known.machine_secrets import KIND, MachineSecrets
from node0.finetune.corpus.known.machine_stores import Store
from node0.finetune.corpus.known.persons import Known
from node0.finetune.corpus.scrub.surrogates import Surrogates
from node0.finetune.corpus.scrub.text_scrubber import TextScrubber

VALUES = {
    "words": "gull-harbor-quay-dusk",
    "phrase": "seven otters swim at dawn",
    "signs": "Tr0ub4dor&3x!",
    "quotes": "p\"a's\\s/w<o>rd9&",
    "random": "fJ2kq9ZrT0vLw8Xy3Bn5",
    "short": "kT9#mQ2x",
    "letters": "Grüße-aus-dem-Hafen-7",
}
MACHINE = MachineSecrets({f"{name}_PASSWORD": value for name, value in VALUES.items()})
KNOWN = KnownSecrets(MACHINE)
SCRUBBERS = {
    "surrogates": TextScrubber(voters=(), surrogates=Surrogates(b"a town's key"), known=[KNOWN.findings]),
    "placeholders": TextScrubber(voters=(), known=[KNOWN.findings]),
}


@pytest.mark.parametrize("stand_ins", SCRUBBERS)
@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("kind", VALUES)
def test_a_secret_of_the_machine_is_gone_in_every_reading(kind: str, reading: str, stand_ins: str) -> None:
    text = READINGS[reading](VALUES[kind])

    scrubbed, found = SCRUBBERS[stand_ins].scrub(text)

    assert found
    assert text != scrubbed
    assert VALUES[kind] not in scrubbed
    assert not list(KNOWN.findings(scrubbed))
    assert SCRUBBERS[stand_ins].scrub(scrubbed)[0] == scrubbed


def test_stores_are_read_when_a_text_is_and_only_once() -> None:
    read = []

    def stores() -> list[Store]:
        read.append(1)
        return [Store(".netrc", "machine h password gull-harbor-1717")]

    known = KnownSecrets(MachineSecrets({}, stores))
    assert read == []
    text = "so gull-harbor-1717 it is"

    kinds = [one.kind for _ in range(2) for one in known.findings(text)]

    assert (kinds, read) == ([KIND, KIND], [1])


def test_a_person_is_numbered_and_stands_in_whole_words_only() -> None:
    persons = [Known("user", "dot", "dot"), Known("name", "quilla marrowby", "Quilla Marrowby")]
    scrubber = TextScrubber(
        voters=(), known=[KnownSecrets(MachineSecrets({}, tuple, lambda: persons)).findings]
    )

    text = "dot and dotted, anecdot; Quilla Marrowby, twice Quilla Marrowby\\ndot"

    assert scrubber.scrub(text)[0] == "USER_1 and dotted, anecdot; [NAME_1], twice [NAME_1]\\nUSER_1"


def test_ordinary_text_is_left_alone() -> None:
    text = "the gull flew over the harbor at dusk; seven otters swim there, and so on\n" * 50

    assert SCRUBBERS["surrogates"].scrub(text)[0] == text
