# SPDX-License-Identifier: Apache-2.0
"""The plan's name for the runner."""

from node0.finetune.eval.running.eval_runner import EvalRunner

__all__ = ["EvalRunner"]
