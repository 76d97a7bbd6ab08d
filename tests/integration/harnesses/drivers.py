# SPDX-License-Identifier: Apache-2.0
"""The harnesses that can be driven, by name."""

from pathlib import Path
from typing import Any, Protocol

from integration.harnesses.drive_codex import DriveCodex
from integration.harnesses.drive_gemini import DriveGemini
from integration.harnesses.drive_opencode import DriveOpencode
from integration.harnesses.drive_pi import DrivePi
from integration.harnesses.driven import Driver


class Recorder(Driver, Protocol):
    """A driver that can show what its harness kept."""

    def content(self, kept: Path) -> Any:
        """The one session that was kept, as JSON."""
        ...


DRIVERS: dict[str, Recorder] = {
    driver.name: driver for driver in (DriveOpencode(), DriveCodex(), DriveGemini(), DrivePi())
}
