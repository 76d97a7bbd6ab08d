# SPDX-License-Identifier: Apache-2.0
"""Parse timestamps as a town writes them, to UTC."""

from datetime import UTC, datetime

EARLIEST = datetime.min.replace(tzinfo=UTC)
"Stands for a time that is not told."


def timestamp_of(text: str) -> datetime | None:
    """An ISO 8601 time; one without a zone is in UTC. None for anything else."""
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
