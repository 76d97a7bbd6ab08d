# SPDX-License-Identifier: Apache-2.0
"""Errors and retry under the names that the plan gives them."""

from node0.errors import NonRetriableError, RetriableError
from node0.retry import call_with_retries

__all__ = ["NonRetriableError", "RetriableError", "call_with_retries"]
