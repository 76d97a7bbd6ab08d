# SPDX-License-Identifier: Apache-2.0
import sys

import pytest

from node0.errors import ConfigError
from node0.finetune.training.plan.tensorboard import require_tensorboard


def test_missing_tensorboard_is_one_clear_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)

    with pytest.raises(ConfigError, match="pip install"):
        require_tensorboard()
