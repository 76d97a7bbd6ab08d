# SPDX-License-Identifier: Apache-2.0
"""The doors that answer HTTP: `node0 serve`, which takes JSON, and `node0 desk`, which takes forms."""

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from hypothesis import strategies as st

from attack.door import Address, Door, attacked, request
from attack.mutations import PIECES, VALUES, as_json, mutated_bytes, mutated_tree
from attack.readers.corpus_readers import ENTRY
from attack.round import Chance, Outcome
from node0.commands.desk.web.desk_access import form_token
from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.corpus.store import CorpusStore
from node0.town import Town

BASE = Path(__file__).parents[1] / "examples" / "base"
_CALL = {"id": "c", "type": "function", "function": {"name": "ls", "arguments": "{}"}}
_TOOL = {"type": "function", "function": {"name": "ls", "description": "d", "parameters": {"type": "object"}}}
BODIES: Mapping[str, Mapping[str, Any]] = {
    "/v1/chat/completions": {
        "model": "tiny", "max_tokens": 2, "temperature": 0.5, "stop": ["x"], "n": 1, "stream": False,
        "messages": [{"role": "system", "content": "s"},
                     {"role": "user", "content": [{"type": "text", "text": "u"}]},
                     {"role": "assistant", "content": None, "tool_calls": [_CALL]},
                     {"role": "tool", "tool_call_id": "c", "content": "r"}],
        "tools": [_TOOL],
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {}}},
    },
    "/v1/messages": {
        "model": "tiny", "max_tokens": 2, "system": "s", "stop_sequences": ["x"], "temperature": 1.0,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "u"}]}],
        "tools": [{"name": "ls", "description": "d", "input_schema": {"type": "object"}}],
    },
    "/v1/messages/count_tokens": {
        "model": "tiny", "system": "s", "messages": [{"role": "user", "content": "u"}],
    },
    "/v1/completions": {"model": "tiny", "prompt": "p", "max_tokens": 2, "logprobs": 1, "seed": 1},
}  # fmt: skip
JSON = "Content-Type: application/json"
FORM = "Content-Type: application/x-www-form-urlencoded"
PAGES: Sequence[tuple[str, Mapping[str, str]]] = (
    ("/corpus", {"role": "deacon", "outcome": "success", "q": "pier", "page": "1"}),
    ("/corpus/one", {"view": "tokens"}), ("/review", {"page": "1"}), ("/runs", {"page": "1"}),
    ("/runs/gt-1", {}), ("/versions", {}), ("/versions/deacon:1", {}), ("/versions/deacon:1/reports/1", {}),
    ("/live", {}), ("/live/hq-deacon", {"at": "0"}), ("/savings", {"role": "deacon"}),
)  # fmt: skip
"Pages of the desk, with what may be asked of them."

FORMS: Sequence[tuple[str, Mapping[str, str]]] = (
    ("/review", {"entry": "two", "decision": "accept"}),
    ("/versions/deacon:1/candidate", {"reason": "x"}),
)


def served(chance: Chance) -> Outcome:
    """`node0 serve` is sent mutated bodies and heads."""
    bodies = [mutated_tree([body], as_json).map(partial(_post, path)) for path, body in BODIES.items()]
    heads = mutated_bytes([_post(path, as_json(body)) for path, body in BODIES.items()])
    good = _post("/v1/completions", as_json(BODIES["/v1/completions"]))
    door = Door(
        ["serve", "--port", "0", "--model", f"tiny={BASE}"],
        lambda address: st.one_of(*bodies, heads),
        lambda address: good,
    )
    return attacked(door, chance)


def desk(chance: Chance) -> Outcome:
    """`node0 desk` is asked for pages that are none, with odd words, forms and heads."""
    town = Town(chance.place / "town")
    (town.root / "mayor").mkdir(parents=True)
    (town.root / "mayor" / "town.json").write_text("{}")
    store = CorpusStore(town)
    store.add(CorpusEntry.model_validate(ENTRY))
    store.add(CorpusEntry.model_validate(ENTRY | {"id": "two", "quarantined": True}))
    command = ["desk", "--port", "0", "--town", str(town.root), "--tokenizer", str(BASE)]
    return attacked(Door(command, _asked, _first_page, _by_strangers), chance)


def _post(path: str, body: bytes) -> bytes:
    return request("POST", path, body, JSON)


def _cookie(address: Address, token: str = "") -> str:
    return f"Cookie: node0-desk-{address.port}={token or address.token}"


def _first_page(address: Address) -> bytes:
    return request("GET", "/corpus", b"", _cookie(address))


def _asked(address: Address) -> st.SearchStrategy[bytes]:
    cookie = _cookie(address)
    whole = [request("GET", f"{path}?{urlencode(asked)}", b"", cookie) for path, asked in PAGES]
    whole += [_posted(address, path, fields) for path, fields in FORMS]
    return st.one_of(
        st.builds(partial(_page, cookie), st.sampled_from(PAGES), _WORDS, _WORDS),
        st.builds(partial(_form, address), st.sampled_from(FORMS), _WORDS, _WORDS, st.integers(0, 2)),
        mutated_bytes(whole),
    )


_WORDS = (
    st.sampled_from([value if isinstance(value, str) else json.dumps(value)[:500] for value in VALUES])
    .map(lambda text: quote(text.encode("utf-8", "surrogatepass")[:20_000], safe=""))
    .flatmap(lambda text: st.sampled_from([text, text, *(quote(piece[:2000]) for piece in PIECES)]))
)
"Values of the mutation corpus as words of an address."


def _page(cookie: str, page: tuple[str, Mapping[str, str]], word: str, other: str) -> bytes:
    path, asked = page
    query = "&".join(f"{name}={word}" for name in asked)
    # The last part of the path names something; it is changed too.
    return request("GET", f"{path.rpartition('/')[0] or path}/{other}?{query}", b"", cookie)


def _form(address: Address, form: tuple[str, Mapping[str, str]], word: str, other: str, number: int) -> bytes:
    path, fields = form
    pairs = [
        f"{name}={value if place == number else word}" for place, (name, value) in enumerate(fields.items())
    ]
    body = "&".join([*pairs, f"form_token={form_token(address.token)}", f"{other}={word}"]).encode()
    return request("POST", path, body, FORM, _cookie(address))


def _posted(address: Address, path: str, fields: Mapping[str, str], *headers: str) -> bytes:
    body = urlencode({**fields, "form_token": form_token(address.token)}).encode()
    return request("POST", path, body, FORM, *(headers or [_cookie(address)]))


def _by_strangers(address: Address) -> Iterable[bytes]:
    """Pages and forms without the token, with another one, and for another site."""
    for path, _ in PAGES:
        yield request("GET", path)
        yield request("GET", path, b"", _cookie(address, "x" * 43))
        yield request("GET", f"{path}?token={'0' * len(address.token)}")
    for path, fields in FORMS:
        yield _posted(address, path, fields, "Origin: http://pier.example")
        yield _posted(address, path, fields, _cookie(address), "Origin: http://pier.example")
        yield request("POST", path, urlencode(fields).encode(), FORM, _cookie(address))
