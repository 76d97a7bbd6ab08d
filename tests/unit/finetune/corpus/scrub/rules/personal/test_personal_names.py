# SPDX-License-Identifier: Apache-2.0
import pytest

from node0.finetune.corpus.scrubber import CorpusScrubber

SCRUBBER = CorpusScrubber()
PERSONAL = {
    "mail jane.doe@harbor-yard.net": "mail [EMAIL_1]",
    "from 93.184.216.34 and 10.0.3.4": "from [IP_1] and [PRIVATE_IP_1]",
    "ping 2a00:1450:4009:81f::200e": "ping [IP_1]",
    "ether 00:1b:44:11:3a:b7 and 00-1B-44-11-3A-B8": "ether [MAC_1] and [MAC_2]",
    "call +44 20 7946 0958": "call [PHONE_1]",
    "call (415) 555-2671 or 415-555-2671": "call [PHONE_1] or [PHONE_1]",
    "card 4111 1111 1111 1111 x": "card [REDACTED:card] x",
    "iban GB82 WEST 1234 5698 7654 32.": "iban [REDACTED:iban].",
    "ssn 078-05-1120": "ssn [REDACTED:ssn]",
    "ls /home/alice/gt": "ls /home/USER_1/gt",
    "cat /Users/alice/.zshrc ~alice/x": "cat /Users/USER_1/.zshrc ~USER_1/x",
    "C:\\Users\\alice\\x and C:\\\\Users\\\\alice": "C:\\Users\\USER_1\\x and C:\\\\Users\\\\USER_1",
    "projects/-home-alice-gt-deacon/": "projects/-home-USER_1-gt-deacon/",
    "/home/alice and -Users-bob-x and /home/alice": "/home/USER_1 and -Users-USER_2-x and /home/USER_1",
    "Author: Jane Doe <jane@harbor-yard.net>": "Author: [NAME_1] <[EMAIL_1]>",
    "GIT_AUTHOR_NAME='Jane Doe' git commit": "GIT_AUTHOR_NAME='[NAME_1]' git commit",
    "Bob@harbor-yard.net bob@harbor-yard.net": "[EMAIL_1] [EMAIL_1]",
}


@pytest.mark.parametrize("text", PERSONAL)
def test_personal_data_gets_one_name_for_one_thing(text: str) -> None:
    assert SCRUBBER.scrub(text)[0] == PERSONAL[text]
