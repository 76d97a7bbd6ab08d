# SPDX-License-Identifier: Apache-2.0
"""Put the last transformers 4 into build/transformers4, beside the environment's own transformers.

    python tests/integration/make_transformers4.py

Only what differs from the environment is installed: transformers 4 and the hub client and tokenizers
that it accepts. torch, numpy and safetensors are shared. A program that has the folder first on
PYTHONPATH imports transformers 4. Done once; a second call finds the folder and returns.
"""

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "build" / "transformers4"
PINS = (
    "transformers==4.57.6",
    "huggingface-hub==0.36.0",
    "tokenizers==0.22.2",
    "requests==2.32.5",
    "urllib3==2.6.3",
    "certifi==2026.10.18",
    "charset-normalizer==3.5.2",
)


def make() -> Path:
    """The folder, made if it is not there."""
    done = FOLDER / "installed.txt"
    if not done.is_file() or done.read_text() != "\n".join(PINS):
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--upgrade"]
        subprocess.run([*command, "--target", str(FOLDER), *PINS], check=True, timeout=280)
        done.write_text("\n".join(PINS))
    return FOLDER


if __name__ == "__main__":
    sys.stdout.write(f"{make()}\n")
