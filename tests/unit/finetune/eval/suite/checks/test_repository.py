# SPDX-License-Identifier: Apache-2.0
from eval_items import DictPlace

from node0.finetune.eval.suite.checks.repository import AFile, Probe
from node0.finetune.eval.suite.evidence import Evidence


def test_a_probe_compares_what_a_command_prints() -> None:
    evidence = Evidence("crew", [], place=DictPlace(prints={"git log": " one\ntwo \n"}))

    assert Probe(check="probe", run="git log", exactly="one\ntwo", tells="x").judge(evidence).passed
    assert Probe(check="probe", run="git log", matches="^two", tells="x").judge(evidence).passed
    wrong = Probe(check="probe", run="git log", lacks="two", tells="two is there").judge(evidence)
    assert (wrong.passed, wrong.reason) == (False, "two is there (git log: one / two)")


def test_a_file_holds_and_lacks_what_it_should() -> None:
    evidence = Evidence("crew", [], place=DictPlace({"a": "x = 1\n"}))

    assert AFile(check="file", path="a", has=("^x",), lacks=("y",)).judge(evidence).passed
    assert AFile(check="file", path="a", has=("^y",)).judge(evidence).reason == "a lacks '^y'"
    assert AFile(check="file", path="a", lacks=("x",)).judge(evidence).reason == "a holds 'x'"
    assert AFile(check="file", path="b").judge(evidence).reason == "there is no file b"
    assert AFile(check="file", path="b", gone=True).judge(evidence).passed
    assert not AFile(check="file", path="a", gone=True).judge(evidence).passed
