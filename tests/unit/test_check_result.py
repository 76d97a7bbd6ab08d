# SPDX-License-Identifier: Apache-2.0
from node0.check_result import CheckResult, bad, note, ok


def test_only_what_is_wrong_or_unknown_has_something_to_do() -> None:
    assert ok("python", "3.11") == CheckResult("python", "ok", "3.11", "")
    assert note("clock", "not compared").do == ""
    assert bad("keys", "no key", "copy it") == CheckResult("keys", "bad", "no key", "copy it")
    assert [each("a", "b", "c").state for each in (note, bad)] == ["note", "bad"]
