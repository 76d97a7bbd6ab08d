# SPDX-License-Identifier: Apache-2.0

import pytest
from hivemind.dht.protocol import DHTProtocol
from hivemind.dht.validation import DHTRecord

from node0.swarm.records.refusing import RefusingValidator, SubkeysOnly


def _record(subkey: bytes) -> DHTRecord:
    return DHTRecord(b"key", subkey, b"value", 1e12)


class EvenOnly(RefusingValidator):
    reason = "it is odd"

    def check(self, record: DHTRecord) -> bool:
        return int(record.subkey) % 2 == 0


def test_what_a_check_cannot_read_is_refused() -> None:
    validator = EvenOnly()

    assert validator.validate(_record(b"4"))
    assert not validator.validate(_record(b"5"))
    assert not validator.validate(_record(b"garbage"))


def test_each_validator_tells_its_own_reason_once(caplog: pytest.LogCaptureFixture) -> None:
    for validator in (EvenOnly(), EvenOnly()):
        for subkey in (b"1", b"2", b"3", b"x"):
            validator.validate(_record(subkey))

    assert caplog.messages == ["refused a DHT record: it is odd; further ones are dropped silently"] * 2


def test_no_value_hides_the_subkeys_of_a_key(caplog: pytest.LogCaptureFixture) -> None:
    validator = SubkeysOnly()
    plain = _record(DHTProtocol.IS_REGULAR_VALUE)

    assert validator.validate(_record(b"a subkey"))
    assert not any(validator.validate(plain) for _ in range(3))
    assert caplog.messages == [
        "refused a DHT record: it hides all subkeys of its key; further ones are dropped silently"
    ]
