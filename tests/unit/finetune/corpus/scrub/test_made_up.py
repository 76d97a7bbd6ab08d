# SPDX-License-Identifier: Apache-2.0
import pytest

from node0.finetune.corpus.scrub.finding import Finding, Tier
from node0.finetune.corpus.scrub.lookalikes import ALIKE_AMONG_OURS, AMONG_OURS, KIND, OURS
from node0.finetune.corpus.scrub.made_up import without_made_up
from node0.finetune.corpus.scrub.stand_ins import OwnValues
from node0.finetune.corpus.scrub.surrogates import Surrogates

SURROGATES = Surrogates(b"a town's key")
VALUE = SURROGATES.of("aB3dE5gH7jK9mN1pQ3rS5tU7")
SECOND = SURROGATES.of("Qw2Er4Ty6Ui8Op0As1Df3Gh5")
OTHER = "Zx81kQpLm42Vb7Nw9Rt5Ys3D"


def judged(text: str, part: str, kind: str, name: str = "") -> tuple[str, Tier]:
    """What becomes of a finding of this part."""
    start = text.index(part)
    found = Finding(kind, Tier.REDACT, start, start + len(part), name)
    (one,) = without_made_up(text, [found], OwnValues(SURROGATES))
    assert (one.start, one.end) == (found.start, found.end)
    return one.kind, one.tier


@pytest.mark.parametrize(
    ("text", "part", "kind", "own"),
    [
        (f"token={VALUE}", VALUE, "token", OURS),
        (f"see {VALUE} here", VALUE, KIND, KIND),
        (f"see {VALUE} here", VALUE[3:17], "token", OURS),
        (f"see {VALUE} here", VALUE[3:20], KIND, KIND),
        (f"cookie: {VALUE}; theme=dark", f"{VALUE}; theme=dark", "cookie", AMONG_OURS),
        (f"under /main/{VALUE} there", f"main/{VALUE}", KIND, ALIKE_AMONG_OURS),
        (f"see {VALUE}.{SECOND} here", f"{VALUE[-4:]}.{SECOND}", "token", OURS),
        (f"C:\\{VALUE}", f"{VALUE[1:]}", "token", OURS),
    ],
)
def test_what_stands_for_a_value_already_is_kept(text: str, part: str, kind: str, own: str) -> None:
    assert judged(text, part, kind) == (own, Tier.KEEP)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        (f"see {OTHER} here", OTHER),
        (f"see {VALUE}/{OTHER} here", OTHER),
        (f"see {VALUE}{OTHER} here", f"{VALUE}{OTHER}"),
        (f"see {VALUE} {OTHER} here", f"{VALUE} {OTHER}"),
        (f"user {VALUE}:pa55 here", "pa55"),
        (f"see {VALUE}.{OTHER} here", f"{VALUE[-4:]}.{OTHER}"),
    ],
)
def test_what_stands_beside_it_goes(text: str, part: str) -> None:
    assert judged(text, part, "token") == ("token", Tier.REDACT)
    assert judged(text, part, KIND) == (KIND, Tier.REDACT)


def test_what_is_numbered_is_a_name_whatever_it_looks_like() -> None:
    assert judged(f"see {VALUE}", VALUE, "email", VALUE) == ("email", Tier.REDACT)


def test_what_is_kept_of_another_reading_stays_as_it_is() -> None:
    kept = [Finding(kind, Tier.KEEP, 4, 20) for kind in (KIND, OURS, AMONG_OURS, ALIKE_AMONG_OURS)]

    assert list(without_made_up(f"see {OTHER} here", kept, OwnValues(SURROGATES))) == kept
