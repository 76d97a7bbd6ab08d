# SPDX-License-Identifier: Apache-2.0
"""The command that writes a version in the form of another program."""

from pathlib import Path

from node0 import console
from node0.errors import ConfigError
from node0.finetune.export.export import FORMATS, Options, export
from node0.finetune.inference.source import find_model
from node0.settings import nearest


def export_model(
    name: str,
    output: Path,
    town: Path | None,
    *,
    format: str,
    quantization: str | None,
    engine: Path | None,
    as_json: bool,
) -> None:
    """Check a version, write it, and say how near it is and what serves it.

    Raises:
        ConfigError: there is no such format.
    """
    chosen = next((one for one in FORMATS if one == format), None)
    if chosen is None:
        raise ConfigError(f"no format {format!r}{nearest(format, list(FORMATS))}")
    options = Options(quantization=quantization, engine=engine)
    done = export(find_model(name, town=town), output, format=chosen, options=options)
    if as_json:
        row = {"path": str(done.path), "largest_logit_error": done.error.largest, "serve": done.serve}
        console.emit([row], as_json=True)
        return
    console.note(f"wrote {done.path}; its logits are within {done.error.largest:.2g} of the version's")
    if done.serve is not None:
        console.write(f"{done.serve}\n")
