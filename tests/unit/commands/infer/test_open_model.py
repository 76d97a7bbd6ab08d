# SPDX-License-Identifier: Apache-2.0
import pytest

from node0.commands.infer.model_choice import ModelChoice
from node0.commands.infer.open_model import open_model
from node0.errors import ConfigError, EngineUnavailable
from node0.finetune.inference.reply import Answering


def test_a_url_leads_to_the_server_and_a_name_to_a_model_of_this_process() -> None:
    with pytest.raises(EngineUnavailable, match="does not answer"):
        open_model(ModelChoice("deacon", url="http://127.0.0.1:9"), Answering())
    with pytest.raises(ConfigError, match="'' is no URL"):
        open_model(ModelChoice("./none", url=""), Answering(top_p=2.0))
    with pytest.raises(ConfigError, match="top_p"):
        open_model(ModelChoice("./none"), Answering(top_p=2.0))
