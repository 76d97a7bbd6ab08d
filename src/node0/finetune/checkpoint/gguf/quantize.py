# SPDX-License-Identifier: Apache-2.0
"""Write k-quants with llama.cpp: through its Python package or its `llama-quantize`."""

import importlib.util
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from node0.errors import ConfigError, ExportFailed

K_QUANTS = {
    "q2_k": 2.0,
    "q3_k_m": 1.0,
    "q4_k_s": 0.6,
    "q4_k_m": 0.5,
    "q5_k_s": 0.4,
    "q5_k_m": 0.35,
    "q6_k": 0.2,
}
"Formats and the bound on the error of their logits, as a share of the logits' spread."

TIMEOUT = 4 * 3600
"Seconds; a model of 70 billion weights takes about one hour on sixteen cores."

_SCRIPT = """
import ctypes, sys, llama_cpp
source, target, kind = sys.argv[1:]
options = llama_cpp.llama_model_quantize_default_params()
options.ftype = getattr(llama_cpp, "LLAMA_FTYPE_MOSTLY_" + kind)
sys.exit(llama_cpp.llama_model_quantize(source.encode(), target.encode(), ctypes.byref(options)))
"""


@dataclass(frozen=True, slots=True)
class Quantizer:
    """A program that writes k-quants."""

    program: Path
    is_python: bool
    "It is a Python that has the package `llama_cpp`; otherwise it is `llama-quantize`."

    def command(self, source: Path, target: Path, kind: str) -> list[str]:
        """What is run."""
        if self.is_python:
            # The letters of a K-quant's size are capitals, the rest of llama.cpp's names too.
            return [str(self.program), "-c", _SCRIPT, str(source), str(target), kind.upper()]
        return [str(self.program), str(source), str(target), kind.upper()]


def find_quantizer(engine: Path | None = None) -> Quantizer:
    """The program that writes k-quants: `engine`, or this Python, or `llama-quantize` on PATH.

    Args:
        engine: A Python that has `llama_cpp`, or a `llama-quantize`.

    Raises:
        ConfigError: there is none; the message names both.
    """
    if engine is not None:
        if shutil.which(engine) is None:
            raise ConfigError(f"no program {engine}; give a Python that has llama_cpp, or a llama-quantize")
        return Quantizer(engine, is_python=engine.name.startswith("python"))
    if importlib.util.find_spec("llama_cpp") is not None:
        return Quantizer(Path(sys.executable), is_python=True)
    if (found := shutil.which("llama-quantize")) is not None:
        return Quantizer(Path(found), is_python=False)
    raise ConfigError(
        "only llama.cpp writes k-quants: install the package llama_cpp (llama-cpp-python), or put "
        "llama-quantize on PATH; q8_0 needs neither"
    )


def quantize(source: Path, target: Path, *, kind: str, quantizer: Quantizer) -> None:
    """Write `source`, a GGUF file in f32 or f16, again as a k-quant.

    Raises:
        ExportFailed: llama.cpp refused, crashed or took too long; the message ends with what it said last.
    """
    command = quantizer.command(source, target, kind)
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise ExportFailed(f"{quantizer.program} took more than {TIMEOUT} s to write {kind}") from error
    except OSError as error:
        raise ExportFailed(
            f"{quantizer.program} cannot be run ({error.strerror}); name another one"
        ) from error
    if done.returncode != 0 or not target.is_file():
        said = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        last = said[-1] if said else "no word"
        raise ExportFailed(
            f"{quantizer.program} could not write {kind} (exit {done.returncode}: {last}); take q8_0 instead"
        )
