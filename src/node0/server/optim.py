# SPDX-License-Identifier: Apache-2.0
"""`AutoStepOptimizer`: the optimizer step of a stage, and what non-finite gradients do to it."""

import logging

from node0.errors import NonFiniteGradients, RetriableError
from node0.loglines import NOT_FINITE, RESUME_TRIGGERED
from node0.models.llama.layers import LlamaStage
from node0.server.stage.trained_weights import Prepared, TrainedWeights
from node0.stage_settings import OptimizerConfig
from node0.utils.process_group import end_process_group

logger = logging.getLogger(__name__)


class AutoStepOptimizer(TrainedWeights):
    """`TrainedWeights` whose steps are voted on by all stages, and can be undone until the next one.

    In fine-tuning a stage whose gradients are not finite votes against the step, and all stages
    go on from the state that they have. In pretraining it ends its process group.
    """

    def __init__(
        self, stage: LlamaStage, config: OptimizerConfig | None = None, *, finetune_mode: bool = False
    ) -> None:
        """Take what trains on `stage`, as `TrainedWeights` does."""
        super().__init__(stage, config)
        self.finetune_mode = finetune_mode

    def prepare(self) -> Prepared:
        """Norm of the sums, and this stage's vote on the step. No weight moves."""
        prepared = super().prepare()
        try:
            self.require_finite(prepared)
        except RetriableError as error:
            logger.warning("%s", error)
            logger.warning(RESUME_TRIGGERED.write(self.version))
        return prepared

    def require_finite(self, prepared: Prepared) -> None:
        """Nothing where the sums are finite.

        Raises:
            NonFiniteGradients: they are not, in fine-tuning; in pretraining this process ends.
        """
        if prepared.finite:
            return
        if not self.finetune_mode:
            logger.error(NOT_FINITE.write(self.version))
            end_process_group()
        raise NonFiniteGradients(
            f"gradients after step {self.version} hold NaN or infinity; skipped, training goes on from there"
        )

    def apply(self, version: int, *, lr: float, scale: float) -> None:
        """Make the step to `version`, with a snapshot of the state before it.

        Raises:
            RetriableError: `version` is not the one that follows; nothing has changed then.
        """
        if version == self.version + 1:
            self.snapshot()
        super().apply(version, lr=lr, scale=scale)

    def step(self, *, lr: float, scale: float) -> bool:
        """Both phases for a stage that is alone: apply, or skip where the sums are not finite."""
        if not self.prepare().finite:
            self.gradients.clear()
            return False
        # Alone, a stage has nobody to roll back for.
        super().apply(self.version + 1, lr=lr, scale=scale)
        return True
