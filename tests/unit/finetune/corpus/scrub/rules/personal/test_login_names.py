# SPDX-License-Identifier: Apache-2.0
import pytest

from node0.finetune.corpus.scrubber import CorpusScrubber

SCRUBBER = CorpusScrubber(voters=())


@pytest.mark.parametrize(
    ("text", "scrubbed"),
    [
        (
            "uid=1002(bobk) gid=1002(bobk) groups=1002(bobk),27(sudo),998(docker)",
            "uid=1002(USER_1) gid=1002(USER_1) groups=1002(USER_1),27(sudo),998(docker)",
        ),
        (
            "-rw-r--r-- 1 bobk bobk  512 Jan  5 06:17 a.py\n",
            "-rw-r--r-- 1 USER_1 USER_1  512 Jan  5 06:17 a.py\n",
        ),
        (
            "drwxr-xr-x@ 5 bobk  staff  160 Jan  5 06:17 lib",
            "drwxr-xr-x@ 5 USER_1  staff  160 Jan  5 06:17 lib",
        ),
    ],
)
def test_a_user_goes_from_what_commands_print(text: str, scrubbed: str) -> None:
    assert SCRUBBER.scrub(text)[0] == scrubbed


@pytest.mark.parametrize(
    "text",
    [
        "uid=0(root) gid=0(root) groups=0(root)",
        "uid=33(www-data) gid=33(www-data) groups=33(www-data)",
        "-rw-r--r-- 1 root root 4182 Jan  5 06:17 tokens.py",
        "drwxr-xr-x 2 node node 4096 Jan  5 06:17 lib",
        "mode -rw-r--r-- is 0644",
    ],
)
def test_accounts_of_systems_stay(text: str) -> None:
    assert SCRUBBER.scrub(text)[0] == text
