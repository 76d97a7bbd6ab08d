# SPDX-License-Identifier: Apache-2.0
from eval_items import called, said

from node0.finetune.eval.suite.checks.proposed_files import Wrote
from node0.finetune.eval.suite.evidence import Evidence


def test_the_file_is_looked_for_by_its_whole_path() -> None:
    check = Wrote(check="wrote", path="/a/VERSION", has=(r"^1\.4$",))

    assert check.judge(Evidence("crew", [called("Write", file_path="/a/VERSION", content="1.4\n")])).passed
    assert (
        "lacks"
        in check.judge(Evidence("crew", [called("Write", file_path="/a/VERSION", content="1.5")])).reason
    )
    assert check.judge(Evidence("crew", [called("Write", file_path="/b/VERSION", content="1.4")])).reason == (
        "/a/VERSION was not written; /b/VERSION was"
    )
    assert "no file was" in check.judge(Evidence("crew", [said("1.4")])).reason
