# SPDX-License-Identifier: Apache-2.0
"""The optimizer step of one stage, and what happens to it when gradients are not finite."""

import logging

from node0.errors import NonFiniteGradients, RetriableError
from node0.loglines import NOT_FINITE, RESUME_TRIGGERED
from node0.server.stage.trained import Prepared, TrainedWeights
from node0.utils.process_group import end_process_group

logger = logging.getLogger(__name__)


class AutoStepOptimizer:
    """AdamW over what trains on a stage, in two phases: `prepare` everywhere, then `apply` or `abort`.

    In fine-tuning a stage whose gradients are not finite votes against the step, and all stages
    go on from the state that they have. In pretraining it ends its process group.
    """

    def __init__(self, trained: TrainedWeights, *, finetune_mode: bool = False) -> None:
        self.trained = trained
        self.finetune_mode = finetune_mode

    def prepare(self) -> Prepared:
        """Norm of the sums, and this stage's vote on the step. No weight moves."""
        prepared = self.trained.prepare()
        try:
            self.require_finite(prepared)
        except RetriableError as error:
            logger.warning("%s", error)
            logger.warning(RESUME_TRIGGERED.write(self.trained.version))
        return prepared

    def require_finite(self, prepared: Prepared) -> None:
        """Nothing where the sums are finite.

        Raises:
            NonFiniteGradients: they are not, in fine-tuning; in pretraining this process ends.
        """
        if prepared.finite:
            return
        version = self.trained.version
        if not self.finetune_mode:
            logger.error(NOT_FINITE.write(version))
            end_process_group()
        raise NonFiniteGradients(
            f"gradients after step {version} hold NaN or infinity; skipped, training goes on from there"
        )

    def apply(self, version: int, *, lr: float, scale: float) -> None:
        """Make the step to `version` and keep the state before it, until `forget` or `rollback`.

        Raises:
            RetriableError: `version` is not the one that follows; nothing has changed then.
        """
        if version == self.trained.version + 1:
            self.trained.keep()
        self.trained.apply(version, lr=lr, scale=scale)

    def step(self, *, lr: float, scale: float) -> bool:
        """Both phases for a stage that is alone: apply, or skip where the sums are not finite."""
        if not self.prepare().finite:
            self.trained.abort()
            return False
        self.trained.apply(self.trained.version + 1, lr=lr, scale=scale)
        return True
