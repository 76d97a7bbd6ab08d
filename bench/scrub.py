# SPDX-License-Identifier: Apache-2.0
"""How fast the scrubber reads, in MB/s of one core, on text like that of transcripts, and on hostile text.

    python bench/scrub.py [MEGABYTES]

The rows of known secrets compare with the same scrubber without them, in turns; those of entries, with one
that remembers no text.
Processor time, not wall time. The last transcript is ten times the first: linear time shows as equal
rates. Each hostile row is one piece repeated to 1 MB, beside its quarter: linear time shows as a ratio of 4.
"""

import json
import random
import string
import sys
import time
from typing import Any

from node0.finetune.corpus.known.found_secrets import FoundSecrets
from node0.finetune.corpus.known.known_secrets import KnownSecrets
from node0.finetune.corpus.known.machine_secrets import MachineSecrets
from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.corpus.scrub.findings_memory import MOST_BYTES
from node0.finetune.corpus.scrub.surrogates import Surrogates
from node0.finetune.corpus.scrub.voters import Voter, make_voters
from node0.finetune.corpus.scrubber import CorpusScrubber

PHRASES = (
    "the agent heartbeat is stale so nudge polecat rig bead hook convoy merge queue refinery witness "
    "deacon status open closed ready error file commit branch origin main test passed failed token key "
    "value secret def return import self path none class /srv/gt/demo/src/app.py 127.0.0.1:3307 "
    "gt_status() --json `bd show` {} -> 100% [x] and of to in for on with it that this was not be are at "
    "from by has will should when then let me check now we need look run see found one two three first "
    "next after before same other work done patch review build lint line lines added removed changed "
    "function argument result list dict str int assert expected actual warning output input read write "
    "edit update fix clean remote push pull request job worker timer"
)
WORDS = PHRASES.split()
SPOKEN = ("amber", "birch", "cobalt", "dusk", "ember", "fjord", "granite", "heron", "indigo", "kelp", "opal")
"Of passphrases."

HOSTILE = (
    *(
        "ghp_",
        "eyJ",
        ".eyJ",
        "://a:",
        "token=",
        "aws ",
        "a@",
        "12",
        "::",
        "/home/",
        "AB12",
        "cookie:",
        "\\",
        " ",
    ),
    *(
        "-----BEGIN RSA PRIVATE KEY-----",
        "-----END RSA PRIVATE KEY-----",
        "%41 ",
        "\\u0041 ",
        "A1b2\\n",
        "a1\n",
    ),
    *(
        "sk-",
        "pass ",
        "key",
        "secret is ",
        "$6$",
        "Q~",
        '"kty":"d":"',
        " login -p ",
        "?key=",
        "\\x5f",
        "&#95;",
        '" + "',
    ),
    *(
        "70 61 ",
        "0x70, ",
        "00000000: 7061 7373  pass\n",
        "\\U00000041",
        "\0a",
        "a b c d ",
        "'a' + ",
        "\uff41",
    ),
    *(
        " --password ",
        "openssl pass:",
        "identified by ",
        "the password for ",
        "login as a/",
        "12 34 ",
        ":5432:a:a:",
    ),
    *("login('a', '1", "'1', key: ", "'a|password_hash", "key = {0x12, ", "password is generated for a "),
    *("YWJjZGVm", 'password: "abc!defgh"\n', "hvs." + "a" * 40 + "\n", "(", "1 ", "\n"),
)
MEGA = 1_000_000


def a_line(rng: random.Random) -> str:
    """Prose, code or output: a few words, now and then a hash, a bead or a time."""
    words = [rng.choice(WORDS) for _ in range(rng.randint(2, 14))]
    if rng.random() < 0.15:
        words.append(
            rng.choice(
                (f"{rng.getrandbits(160):040x}", f"gt-{rng.getrandbits(20):x}", "2026-01-05T06:17:00Z")
            )
        )
    return " " * rng.choice((0, 0, 0, 2, 4, 8)) + " ".join(words)


def transcript_like(size: int, rng: random.Random) -> list[str]:
    """Leaves of a session, short and long; one in 200 holds a token, and one in 200 something doubtful."""
    leaves: list[str] = []
    total = 0
    while total < size:
        text = "\n".join(a_line(rng) for _ in range(int(rng.lognormvariate(2.5, 1.3)) + 1))
        chance = rng.random()
        if chance < 0.005:
            text += f"\nGITHUB_TOKEN=ghp_{rng.getrandbits(180):036x}"
        elif chance < 0.01:
            text += f'\ntoken: "ab-{rng.choice(WORDS)}!ef-gh"'
        leaves.append(json.dumps({"output": text}) if rng.random() < 0.3 else text)
        total += len(leaves[-1])
    return leaves


def table_of_people(size: int) -> str:
    """A table with a mail address and a telephone number in each row."""
    rows = (
        f"{n},jane{n},jane{n}@harbor{n % 97}.net,+1 415 55{n % 10} {1000 + n % 9000}\n"
        for n in range(size // 40)
    )
    return "".join(rows)[:size]


def rate(scrubber: CorpusScrubber, leaves: list[str]) -> float:
    """Megabytes per second of processor time."""
    scrubber.scrub("warm up: +1 415 555 2671")
    begin = time.process_time()
    for leaf in leaves:
        scrubber.scrub(leaf)
    return sum(map(len, leaves)) / MEGA / (time.process_time() - begin)


def seconds(scrubber: CorpusScrubber, text: str) -> float:
    """Processor time to look through one text."""
    begin = time.process_time()
    scrubber.findings(text)
    return time.process_time() - begin


def measure(
    name: str, voters: tuple[Voter, ...], *, megabytes: float, surrogates: Surrogates | None = None
) -> None:
    """One row for each of two sizes, and one for the larger as a single text."""
    scrubber = CorpusScrubber(voters=voters, surrogates=surrogates)
    for size in (megabytes, 10 * megabytes):
        leaves = transcript_like(int(size * MEGA), random.Random(0))
        print(
            f"{name:14} {size:6.1f} MB in {len(leaves):6d} texts: {rate(scrubber, leaves):5.1f} MB/s",
            flush=True,
        )
    print(
        f"{name:14} {size:6.1f} MB in      1 text : {rate(scrubber, [chr(10).join(leaves)]):5.1f} MB/s",
        flush=True,
    )


def some_secrets(number: int, rng: random.Random) -> list[str]:
    """Values as credential stores hold them: digests, tokens, passwords, and a few passphrases."""
    signs = string.ascii_letters + string.digits

    def one(kind: int) -> str:
        if kind == 0:
            return f"{rng.getrandbits(160):040x}"
        if kind < 16:
            return "".join(rng.choices(signs, k=32))
        if kind < 19:
            return "".join(rng.choices(signs + "!#$%^*", k=14))
        return "-".join(rng.choices(SPOKEN, k=4))

    return [one(at % 20) for at in range(number)]


def measure_known(megabytes: float, *, number: int = 400, rounds: int = 5) -> None:
    """One row: the best rate with that many known secrets, as many found before, and the best without."""
    rng, surrogates = random.Random(0), Surrogates(b"of no town")
    found = FoundSecrets(lambda: b"of no town")
    found.learn(some_secrets(number, rng))
    known = KnownSecrets(MachineSecrets.of(some_secrets(number, rng)), found)
    scrubbers = [CorpusScrubber(voters=(), surrogates=surrogates, known=one) for one in (None, known)]
    leaves = transcript_like(int(megabytes * MEGA), rng)
    for scrubber in scrubbers:
        rate(scrubber, leaves)
    rates = [[rate(one, leaves) for one in scrubbers] for _ in range(rounds)]
    without, having = (max(one) for one in zip(*rates, strict=True))
    rows = f"{having:5.1f} MB/s, without {without:5.1f} MB/s: ratio {having / without:4.2f}"
    print(f"{2 * number} known secrets: {rows}", flush=True)
    for piece in (
        "sk-",
        some_secrets(40, random.Random(0))[39][:9] + "\n",
        some_secrets(1, random.Random(0))[0][:4],
    ):
        quarter, whole = (seconds(scrubbers[1], piece * (size // len(piece))) for size in (MEGA // 4, MEGA))
        print(f"1 MB of {piece!r:34} {whole:5.2f} s, {whole / quarter:4.1f} times its quarter", flush=True)


def entries_of_sessions(megabytes: float, rng: random.Random, *, windows: int) -> list[CorpusEntry]:
    """Entries as they are collected: instructions, tools and all messages so far, for each of the windows."""
    system = "\n".join(transcript_like(15_000, rng))
    tools = [
        {"name": f"tool_{number}", "description": text, "input_schema": {"type": "object"}}
        for number, text in enumerate(transcript_like(25_000, rng))
    ]
    entries: list[CorpusEntry] = []
    size = 0
    while size < megabytes * MEGA:
        leaves = transcript_like(200_000, rng)
        messages = [a_message(number, leaf) for number, leaf in enumerate(leaves)]
        for window in range(1, windows + 1):
            context = messages[: len(messages) * window // windows]
            entries.append(
                CorpusEntry(
                    id=f"e{len(entries)}", role="polecat", rig="demo", task_type="task", outcome="success",
                    created_at="2026-01-05T06:17:00Z", messages=context, systems={"s": system},
                    toolsets={"t": tools},
                )
            )  # fmt: skip
            size += len(entries[-1].model_dump_json())
    return entries


def a_message(number: int, text: str) -> dict[str, Any]:
    """A call, or what came back of it."""
    block: dict[str, Any] = {"type": "tool_result", "tool_use_id": f"toolu_{number - 1}", "content": text}
    if number % 2 == 0:
        call = {"command": text}
        block = {"type": "tool_use", "id": f"toolu_{number}", "name": "Bash", "input": call}
    return {"role": "user" if number % 2 else "assistant", "content": [block]}


def entry_rate(scrubber: CorpusScrubber, entries: list[CorpusEntry]) -> float:
    """Megabytes of JSON per second of processor time."""
    scrubber.scrub("warm up: +1 415 555 2671")
    begin = time.process_time()
    for entry in entries:
        scrubber.scrub_entry(entry)
    took = time.process_time() - begin
    return sum(len(entry.model_dump_json()) for entry in entries) / MEGA / took


def measure_entries(megabytes: float, *, voters: tuple[Voter, ...]) -> None:
    """One row for sessions of one window, and one for sessions of many, as a town scrubs them."""
    for windows in (1, 10):
        rates = []
        for most_bytes in (MOST_BYTES, 0):
            rng = random.Random(0)
            found = FoundSecrets(lambda: b"of no town")
            known = KnownSecrets(MachineSecrets.of(some_secrets(400, rng)), found)
            scrubber = CorpusScrubber(voters=voters, surrogates=Surrogates(b"of no town"), known=known)
            scrubber.memory.most_bytes = most_bytes
            entries = entries_of_sessions(megabytes, rng, windows=windows)
            rates.append(entry_rate(scrubber, entries))
        row = f"{rates[0]:5.1f} MB/s, {rates[1]:5.1f} MB/s remembering nothing: ratio"
        print(f"entries of {windows:2d} windows a session: {row} {rates[0] / rates[1]:4.2f}", flush=True)


def main() -> None:
    """Print the rates with and without voters, then the hostile texts."""
    megabytes = float(sys.argv[1]) if len(sys.argv) > 1 else 5.0
    voters = make_voters()
    measure("with voters", voters, megabytes=megabytes)
    measure("without voters", (), megabytes=megabytes)
    measure_known(megabytes)
    measure_entries(megabytes, voters=voters)
    measure("as in a town", voters, megabytes=megabytes, surrogates=Surrogates(b"of no town"))
    scrubber = CorpusScrubber(voters=voters, surrogates=Surrogates(b"of no town"))
    for size in (MEGA // 4, MEGA):
        print(
            f"table of people {size / MEGA:4.2f} MB: {rate(scrubber, [table_of_people(size)]):5.1f} MB/s",
            flush=True,
        )
    for piece in HOSTILE:
        quarter, whole = (seconds(scrubber, piece * (size // len(piece))) for size in (MEGA // 4, MEGA))
        print(
            f"1 MB of {piece[:28]!r:34} {whole:5.2f} s, {whole / quarter:4.1f} times its quarter", flush=True
        )


if __name__ == "__main__":
    main()
