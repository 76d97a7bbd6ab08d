# SPDX-License-Identifier: Apache-2.0
"""Read the pairs of name and value that a credential store holds, by its format.

JSON, YAML, TOML, XML, netrc(5), pgpass, PEM (RFC 7468), and lines of `name = value` as in `.env`, INI, npm's,
git's and Java's files. A file that cannot be read as its format is read as lines, so that no value is lost.
"""

import base64
import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree

import yaml

from node0.documents.yaml_document import load_yaml


class Pair(NamedTuple):
    """A value and what its store calls it."""

    name: str
    value: str


LINE = r"\s*(?:export\s+|set\s+|setenv\s+)?(?P<name>[^\s=#;\[][^=\n]*?)\s*{sign}\s*(?P<value>.*)"
LINES = tuple(re.compile(LINE.format(sign=sign)) for sign in "=:")
"Of a line that holds both signs, each may be the one that parts name and value."

LONG_QUOTE = re.compile(
    r"^\s*(?:export\s+)?(?P<name>[A-Za-z_][\w.-]*)\s*=\s*(?P<quote>[\"'])(?P<value>(?:(?!(?P=quote))[^\\]|\\.)*)(?P=quote)",
    re.MULTILINE | re.DOTALL,
)
"A value in quotes may go over lines."

COMMENT = re.compile(r"\s+#.*$")
KEY_BLOCK = re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY[A-Z ]*-----(?P<body>.*?)(?:-----END|\Z)", re.DOTALL)
KEY_LINE = re.compile(r"[A-Za-z0-9+/=]{32,}")
"Of a private key; its headers are no part of it."

WITH_LOGIN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s/@]*:[^\s/@]+@\S")
CODED = re.compile(r"[A-Za-z0-9+/_-]{8,}={0,2}")
SCHEME = re.compile(r"(?:bearer|basic|token|apikey|digest)[ =:]+(?P<rest>\S+)$", re.IGNORECASE)
DEEPEST = 3
"Values inside of values."


def pairs_of(text: str, file_name: str) -> list[Pair]:
    """Every pair that a store holds, also those inside of its values, each once.

    Args:
        text: Of the store.
        file_name: Its last part, which may tell its format.
    """
    found = [*_key_lines(text), *_pairs_by_format(text, file_name.lower())]
    return list(dict.fromkeys(inner for pair in found for inner in unfolded(pair)))


def unfolded(pair: Pair, depth: int = 0) -> Iterator[Pair]:
    """A pair and those in its value: logins of URLs, what follows a scheme, JSON, PEM, their base64."""
    yield pair
    if depth >= DEEPEST:
        return
    for inner in _inside(pair):
        if inner.value != pair.value:
            yield from unfolded(inner, depth + 1)


def _inside(pair: Pair) -> Iterator[Pair]:
    value = pair.value.strip()
    yield from (Pair("password", unquote(password)) for password in _passwords(value))
    yield from _key_lines(value.replace("\\n", "\n"))
    scheme = SCHEME.match(value)
    if scheme:
        yield Pair("token", scheme["rest"])
    if value[:1] in "{[" and (parsed := _json(value)) is not None:
        yield from _walked(pair.name, parsed)
    decoded = _decoded(value) if CODED.fullmatch(value) else ""
    if "-----BEGIN" in decoded or decoded[:1] == "{":
        yield Pair(pair.name, decoded)
    elif re.fullmatch(
        r"[\w.@$+-]{1,64}:\S{6,}", decoded, re.ASCII
    ):  # user and password, as docker and npm have them
        yield Pair("password", decoded.partition(":")[2])


def _passwords(value: str) -> Iterator[str]:
    """Of every URL in a value."""
    for found in WITH_LOGIN.finditer(value):
        end = re.compile(r"[\s\"'<>]|\Z").search(value, found.end())
        try:
            password = urlsplit(value[found.start() : end.start() if end else None]).password
        except ValueError:
            continue
        if password:
            yield password


def _decoded(value: str) -> str:
    try:
        data = base64.b64decode(value.translate(str.maketrans("-_", "+/")) + "=" * (-len(value) % 4))
        return data.decode("ascii")
    except ValueError:
        return ""


def _pairs_by_format(text: str, name: str) -> Iterator[Pair]:
    suffix, begin = name.rpartition(".")[2], text.lstrip()[:1]
    parsed = _json(text) if begin and begin in "{[" else None
    if parsed is not None:
        yield from _walked("", parsed)
    elif suffix in ("yml", "yaml") or (name == "config" and re.search(r"^apiVersion:", text, re.MULTILINE)):
        yield from _yaml(text)
    elif begin == "<":
        yield from _xml(text)
    else:
        by_name = {"netrc": _netrc, "pgpass": _pgpass, "toml": _toml}
        read = next((read for part, read in by_name.items() if part in name), None)
        yield from read(text) if read else _lines(text, name)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _yaml(text: str) -> Iterator[Pair]:
    try:
        return _walked("", load_yaml(text))
    except (yaml.YAMLError, ValueError):
        return _lines(text, "")


def _toml(text: str) -> Iterator[Pair]:
    try:
        return _walked("", tomllib.loads(text))
    except (tomllib.TOMLDecodeError, RecursionError):
        return _lines(text, "")


def _xml(text: str) -> Iterator[Pair]:
    if _declares(text):  # entities could grow without a bound
        return
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError:
        return
    for element in root.iter():
        yield Pair(element.tag.rpartition("}")[2], (element.text or "").strip())
        label = element.get("key") or element.get("name") or ""
        yield from (Pair(label if key == "value" else key, value) for key, value in element.items())


def _declares(text: str) -> bool:
    """Whether XML has more than comments that begin with `<!`; it is read once."""
    at = text.find("<!")
    while at >= 0:
        end = text.find("-->", at) if text.startswith("<!--", at) else -1
        if end < 0:
            return True
        at = text.find("<!", end)
    return False


def _walked(name: str, value: Any) -> Iterator[Pair]:
    """Every string of a parsed document, under the last name on the way to it."""
    todo = [(name, value)]
    while todo:
        name, value = todo.pop()
        if isinstance(value, dict):
            label = value.get("name", value.get("key"))
            todo += [
                (label if key == "value" and isinstance(label, str) else str(key), item)
                for key, item in value.items()
            ]
        elif isinstance(value, list):
            todo += [(name, item) for item in value]
        elif isinstance(value, str):
            yield Pair(name, value)


def _key_lines(text: str) -> Iterator[Pair]:
    """The body of every private key, as a whole and line by line."""
    for block in KEY_BLOCK.finditer(text):
        lines = KEY_LINE.findall(block["body"].replace("\\n", "\n"))
        yield from (Pair("private_key", line) for line in lines)
        if len(lines) > 1:
            yield Pair("private_key", "".join(lines))


def _netrc(text: str) -> Iterator[Pair]:
    for line in text.splitlines():
        try:
            words = shlex.split(line, comments=line.lstrip().startswith("#"))
        except ValueError:  # a quote that nothing closes is a sign of the password
            words = line.split()
        yield from (
            Pair("password", value) for word, value in pairwise(words) if word in ("password", "account")
        )


def _pgpass(text: str) -> Iterator[Pair]:
    """Of each line, what follows the fourth colon that no backslash escapes."""
    for line in text.splitlines():
        fields = re.split(r"(?<!\\):", line, maxsplit=4)
        if len(fields) == 5 and not line.startswith("#"):
            yield Pair("password", fields[4].replace("\\:", ":").replace("\\\\", "\\"))


def _lines(text: str, name: str) -> Iterator[Pair]:
    """Lines of `name = value`; of a file of one word, that word; URLs that stand by themselves."""
    quoted = list(LONG_QUOTE.finditer(text))
    yield from (Pair(one["name"], one["value"]) for one in quoted)
    yield from (
        Pair(one["name"], re.sub(r"\\(.)", r"\1", one["value"])) for one in quoted if "\\" in one["value"]
    )
    words = text.split()
    if len(words) == 1 and "=" not in words[0].rstrip("="):
        yield Pair(f"{name} token", words[0])
    for line in text.splitlines():
        yield from (Pair("password", unquote(password)) for password in _passwords(line))
        for found in filter(None, (pattern.match(line) for pattern in LINES)):
            yield Pair(found["name"].strip().strip("\"'"), _unquoted(found["value"]))


def _unquoted(value: str) -> str:
    """Without the quotes around it, or without the comment behind it."""
    value = value.strip()
    quoted = re.match(r"([\"'])(.*)\1\s*[;,]?(?:\s+#.*)?$", value)
    return quoted[2] if quoted else COMMENT.sub("", value).rstrip()
