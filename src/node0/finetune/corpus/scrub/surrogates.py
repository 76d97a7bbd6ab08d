# SPDX-License-Identifier: Apache-2.0
"""Surrogates: made-up values of the same shape that stand where a random-looking value was.

A surrogate has the length, the alphabet, the signs between, the public prefix and the check digits of its
value. Its signs are drawn one after another by keyed BLAKE2b (RFC 7693): which one, by all signs of the value
so far, so that the beginning of a value becomes the beginning of its surrogate; from which few signs of the
alphabet, by all that was drawn so far, so that the same key tells a surrogate from any other value, and many
values have one surrogate. Nothing is added to a sign of the value: values that begin alike tell nothing of
each other.
"""

import re
import string
import zlib
from collections.abc import Callable, Iterator
from functools import lru_cache
from hashlib import blake2b, shake_128
from itertools import islice
from typing import NamedTuple

from stdnum import luhn
from stdnum.iso7064 import mod_97_10

FEWEST = 12
"""Letters and digits of the shortest value that gets a surrogate: of others, one in 2^23 passes for one,
of digits alone one in 2^18."""

FREE = 4
"Signs at the beginning that are drawn from the whole alphabet: one block."

SMALL = 16
"Signs of an alphabet from which two may follow each other, not four."

BLOCK = 4
"Signs whose choices are found by one hash."

CHAINED = 128
"""Signs that are drawn one by one, as many as the longest hash has, and by which a surrogate is known; the
rest of a longer value is drawn by all of it."""

REMEMBERED = 65_536
DIGITS = string.digits
BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
ALPHABETS = (
    DIGITS,
    "0123456789abcdef",
    "0123456789ABCDEF",
    string.ascii_uppercase + "234567",
    string.ascii_lowercase + DIGITS,
    string.ascii_uppercase + DIGITS,
    string.ascii_letters,
    BASE62,
)
"From the narrowest to the widest; a value's is the first that holds it."

SIGNS_OF = tuple((alphabet, frozenset(alphabet)) for alphabet in ALPHABETS)

SHAPED = re.compile(r"[A-Za-z0-9!#$%&()*+,./:;=?@^_{|}~\-]+", re.ASCII)
"What may be replaced sign by sign."

PUBLIC = re.compile(
    r"sk-ant-[a-z]{3,8}\d\d-|sk-(?:proj|svcacct|admin|or-v1)-|sk-"
    r"|gh[pousr]_|github_pat_|gl[a-z]{2,6}-|npm_|pypi-|hf_|AKIA|ASIA|ABIA|ACCA|AIza|ya29\.|GOCSPX-|xox[a-z]-|xapp-\d-"
    r"|[sr]k_(?:live|test|prod)_|whsec_|hv[sbr]\.|dapi|do[opr]_v1_|shp[a-z]{2}_|dckr_[op]at_|AGE-SECRET-KEY-1|SG\.|eyJ"
    r"|[a-z]{2,8}_(?:[a-z]{2,6}_)?(?=[A-Za-z0-9]{20})|AAAA[BCE]3NzaC1[a-z0-9]{2,4}"
    r"|\$(?:2[aby]\$\d\d|apr1|1|5|6|y|argon2(?:id|i|d)\$v=\d+\$m=\d+,t=\d+,p=\d+)\$"
)
"What a format begins with; it tells nobody anything."

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
UUID_MARKS = (14, 19)
"Places of version and variant (RFC 9562)."

CHECKED_TOKEN = re.compile(r"(?:gh[pousr]|npm)_[A-Za-z0-9]{36}")
CHECK_SIGNS = 6
CARD = re.compile(r"[3-6](?:[ -]?\d){12,18}", re.ASCII)
IBAN = re.compile(r"[A-Z]{2}\d\d(?: ?[A-Z0-9]){11,30}", re.ASCII)


class _Shape(NamedTuple):
    """Which places of a value are drawn, from which alphabets, and how its check digits are set."""

    places: list[int]
    alphabets: list[str]
    finish: Callable[[list[str]], None]


class Surrogates:
    """Gives the surrogate of a value: always the same under one key, and of no use without it.

    Args:
        key: The town's secret, at most 64 bytes.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key
        self.identity = blake2b(b"identity", key=key, digest_size=8).hexdigest()
        self._made: set[str] = set()
        self.of = lru_cache(maxsize=REMEMBERED)(self._of)
        self.is_own = lru_cache(maxsize=REMEMBERED)(self._is_own)

    def _of(self, value: str, salt: int = 0) -> str:
        """What stands for a value that `fits`; another salt gives another one."""
        shape = _number_shape(value) or _shape(value, _public_length(value))
        signs = list(value)
        for place, sign in zip(shape.places, self._drawn(value, shape, salt), strict=True):
            signs[place] = sign
        shape.finish(signs)
        surrogate = "".join(signs)
        if len(self._made) < REMEMBERED:
            self._made.add(surrogate)
        return surrogate

    def _is_own(self, value: str) -> bool:
        """Whether this is a surrogate under the same key."""
        return value in self._made or (
            fits(value) and any(self._follows(value, shape) for shape in _possible_shapes(value))
        )

    def _drawn(self, value: str, shape: _Shape, salt: int) -> list[str]:
        read = self._hash(f"read {salt}")
        written = self._begun(shape)
        drawn: list[str] = []
        offsets = b""
        for number, (place, alphabet) in enumerate(
            zip(shape.places[:CHAINED], shape.alphabets, strict=False)
        ):
            read.update(value[place].encode())
            picked = read.digest()
            size = len(alphabet)
            if number < FREE:
                drawn.append(alphabet[(picked[0] << 8 | picked[1]) % size])
                continue
            if number % BLOCK == 0:
                written.update("".join(drawn[-BLOCK:]).encode())
                offsets = written.digest()
            count = _choices(size)
            step = size // count * (picked[1] % count)
            drawn.append(alphabet[(offsets[number % BLOCK] + step) % size])
        rest = shape.alphabets[CHAINED:]
        if rest:
            read.update(value.encode())
            pad = shake_128(read.digest()).digest(len(rest))
            drawn += [alphabet[byte % len(alphabet)] for alphabet, byte in zip(rest, pad, strict=True)]
        return drawn

    def _follows(self, value: str, shape: _Shape) -> bool:
        signs = [value[place] for place in shape.places[:CHAINED]]
        written = self._begun(shape)
        offsets = b""
        for number in range(FREE, len(signs)):
            if number % BLOCK == 0:
                written.update("".join(signs[number - BLOCK : number]).encode())
                offsets = written.digest()
            alphabet = shape.alphabets[number]
            size = len(alphabet)
            count = _choices(size)
            step = size // count
            away = (alphabet.find(signs[number]) - offsets[number % BLOCK]) % size
            if away % step or away >= step * count:
                return False
        finished = list(value)
        shape.finish(finished)
        return "".join(finished) == value

    def _begun(self, shape: _Shape) -> blake2b:
        """Of what is written it tells where in the alphabet the choices of the next block begin."""
        return blake2b(f"{shape.alphabets[0]} ".encode(), key=self._key)

    def _hash(self, purpose: str) -> blake2b:
        return blake2b(purpose.encode(), key=self._key, digest_size=16)


def fits(value: str) -> bool:
    """Whether a value can be replaced sign by sign, and is long enough to be recognized afterwards."""
    if _number_shape(value):
        return True
    core = value[_public_length(value) :]
    drawn = len(core) if core.isalnum() else sum(map(str.isalnum, core))
    return drawn >= FEWEST and bool(SHAPED.fullmatch(value))


def _choices(size: int) -> int:
    """How many signs of an alphabet may follow behind the first: two of a small one, four of a large."""
    return 2 if size <= SMALL else 4


def _possible_shapes(value: str) -> Iterator[_Shape]:
    """Every shape that a value may have been given as a surrogate: its alphabet may have been a wider one."""
    number = _number_shape(value)
    if number:
        yield number
    for start in {0, _public_length(value)}:
        narrowest = _shape(value, start)
        yield narrowest
        if not CHECKED_TOKEN.fullmatch(value):
            for alphabet in islice(_alphabets_with(value[start:]), 1, None):
                yield narrowest._replace(alphabets=[alphabet] * len(narrowest.places))


def _alphabets_with(text: str) -> Iterator[str]:
    signs = set(text) if text.isalnum() else set(filter(str.isalnum, text))
    return (alphabet for alphabet, known in SIGNS_OF if signs <= known)


def _public_length(value: str) -> int:
    found = PUBLIC.match(value)
    return found.end() if found else 0


def _shape(value: str, start: int) -> _Shape:
    """The shape of a value whose public prefix ends at `start`, with its narrowest alphabet."""
    alphabet = next(_alphabets_with(value[start:]), BASE62)
    if value.isalnum():
        places = list(range(start, len(value)))
        return _Shape(places, [alphabet] * len(places), lambda signs: None)
    marks = UUID_MARKS if UUID.fullmatch(value) else ()
    places = [place for place in range(start, len(value)) if value[place].isalnum() and place not in marks]
    if CHECKED_TOKEN.fullmatch(value):
        return _Shape(places[:-CHECK_SIGNS], [BASE62] * (len(places) - CHECK_SIGNS), _set_checksum)
    return _Shape(places, [alphabet] * len(places), lambda signs: None)


def _number_shape(value: str) -> _Shape | None:
    """The shape of a card's or an account's number with valid check digits."""
    if not (CARD.fullmatch(value) or IBAN.fullmatch(value)):
        return None
    digits = re.sub(r"[ -]", "", value)
    if CARD.fullmatch(value) and luhn.is_valid(digits):
        places = [place for place, sign in enumerate(value) if sign.isdigit()]
        return _Shape(places[2:-1], [DIGITS] * len(places[2:-1]), _set_luhn)
    if IBAN.fullmatch(value) and mod_97_10.checksum(digits[4:] + digits[:4]) == 1:
        places = [place for place in range(4, len(value)) if value[place] != " "]
        body = [DIGITS if value[place].isdigit() else string.ascii_uppercase for place in places]
        return _Shape(places, body, _set_iban)
    return None


def _set_luhn(signs: list[str]) -> None:
    """ISO/IEC 7812: the last digit."""
    last = max(place for place, sign in enumerate(signs) if sign.isdigit())
    signs[last] = luhn.calc_check_digit("".join(sign for sign in signs[:last] if sign.isdigit()))


def _set_iban(signs: list[str]) -> None:
    """ISO 7064 mod 97-10: the two digits behind the country."""
    body = "".join(signs[4:]).replace(" ", "")
    number = int("".join(str(int(sign, 36)) for sign in f"{body}{signs[0]}{signs[1]}00"))
    signs[2:4] = f"{98 - number % 97:02}"


def _set_checksum(signs: list[str]) -> None:
    """GitHub's and npm's: CRC-32 of the signs before, in base 62, padded to six."""
    secret = "".join(signs).partition("_")[2][:-CHECK_SIGNS]
    number, written = zlib.crc32(secret.encode()), ""
    for _ in range(CHECK_SIGNS):
        number, digit = divmod(number, 62)
        written = BASE62[digit] + written
    signs[-CHECK_SIGNS:] = written
