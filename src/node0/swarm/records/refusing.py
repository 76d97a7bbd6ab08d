# SPDX-License-Identifier: Apache-2.0
"""Refuse malformed DHT records without an exception, with one line in the log."""

import logging

from hivemind.dht.protocol import DHTProtocol
from hivemind.dht.validation import DHTRecord, RecordValidatorBase

logger = logging.getLogger(__name__)


class RefusingValidator(RecordValidatorBase):  # type: ignore[misc]  # hivemind has no types
    """Refuses what a check cannot even read, and says so once."""

    reason = ""
    has_told = False

    def check(self, record: DHTRecord) -> bool:
        """Whether the record is good; may raise where it is not."""
        raise NotImplementedError

    def validate(self, record: DHTRecord) -> bool:
        """Whether the record is good."""
        try:
            is_good = self.check(record)
        except Exception:  # noqa: BLE001  # strangers write records: no form of garbage may end a search
            is_good = False
        if not is_good and not self.has_told:
            self.has_told = True
            logger.warning("refused a DHT record: %s; further ones are dropped silently", self.reason)
        return is_good


class SubkeysOnly(RefusingValidator):
    """Refuses a value that lies under a key itself: it would hide every subkey there, whoever signed those.

    All records of ours have subkeys. Of a checkpoint's keys, which hold a step, this needs to know none.
    """

    reason = "it hides all subkeys of its key"

    def check(self, record: DHTRecord) -> bool:
        """Whether the record lies in a subkey."""
        return bool(record.subkey != DHTProtocol.IS_REGULAR_VALUE)
