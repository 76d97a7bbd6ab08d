# SPDX-License-Identifier: Apache-2.0
"""Sampling, under the name that the plan gives it."""

from node0.models.sampling import sample_token, token_probabilities

__all__ = ["sample_token", "token_probabilities"]
