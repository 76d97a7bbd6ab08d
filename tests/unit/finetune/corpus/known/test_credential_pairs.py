# SPDX-License-Identifier: Apache-2.0
import base64
import json

import pytest

from node0.finetune.corpus.known.credential_pairs import Pair, pairs_of, unfolded

STORES = {
    ".env": "export A=one#two three # note\nB=\"four five\"\nC='six\n seven'\n# D=eight\n",
    ".netrc": 'machine h login me password "nine ten"\ndefault login x\n  password eleven\n',
    "credentials": "[p]\naws_secret_access_key = twelve/thirteen=\n",
    ".npmrc": "//h.net/:_authToken=fourteen\n",
    ".pypirc": "[h]\npassword: fifteen=sixteen\n",
    "hosts.yml": "h.net:\n    oauth_token: seventeen\n",
    "config": "apiVersion: v1\nusers:\n- name: u\n  user: {token: eighteen}\n",
    "credentials.toml": '[registry]\ntoken = "nineteen"\n',
    ".pgpass": "h:5432:db:me:twenty\\:one\n",
    "settings.xml": "<a xmlns='x'><s><password>twentytwo</password></s><add key='k' value='v23'/></a>",
    "auth.json": json.dumps({"deep": [{"secret": "v24"}], "raw": [{"name": "DB", "value": "v25"}]}),
    "token": "v26\n",
    ".git-credentials": "https://me:v%2F27@h.net\n",
}
WANTED = {
    ".env": {("A", "one#two three"), ("B", "four five"), ("C", "six\n seven")},
    ".netrc": {("password", "nine ten"), ("password", "eleven")},
    "credentials": {("aws_secret_access_key", "twelve/thirteen=")},
    ".npmrc": {("//h.net/:_authToken", "fourteen")},
    ".pypirc": {("password", "fifteen=sixteen")},
    "hosts.yml": {("oauth_token", "seventeen")},
    "config": {("token", "eighteen")},
    "credentials.toml": {("token", "nineteen")},
    ".pgpass": {("password", "twenty:one")},
    "settings.xml": {("password", "twentytwo"), ("k", "v23")},
    "auth.json": {("secret", "v24"), ("DB", "v25")},
    "token": {("token token", "v26")},
    ".git-credentials": {("password", "v/27")},
}


@pytest.mark.parametrize("name", STORES)
def test_every_format_gives_its_names_and_values(name: str) -> None:
    assert set(pairs_of(STORES[name], name)) >= WANTED[name]


def test_a_private_key_gives_its_lines_and_its_whole_body_also_written_in_one_line() -> None:
    lines = ["QUJD" * 16, "REVG" * 16, "R0hJ" * 9]
    text = "\n".join(["-----BEGIN RSA PRIVATE KEY-----", "Proc-Type: 4,ENCRYPTED", *lines, "-----END"])

    for written in (text, json.dumps({"private_key": text})):
        assert {pair.value for pair in pairs_of(written, "key")} >= {*lines, "".join(lines)}


def test_what_is_inside_of_a_value_is_found() -> None:
    login = base64.b64encode(b"me:v-one-two").decode()
    url = "postgres://me:p%40ss@h/db and mysql://a:other@h"

    assert Pair("password", "v-one-two") in unfolded(Pair("auth", login))
    assert {"p@ss", "other"} <= {pair.value for pair in unfolded(Pair("URL", url))}
    assert Pair("token", "abc") in unfolded(Pair("HEADER", "Bearer abc"))
    assert Pair("k", "v") in unfolded(Pair("CONFIG", '{"a": [{"k": "v"}]}'))


@pytest.mark.parametrize("name", ["a.json", "a.yml", "a.toml", ".netrc", "a.xml", ".env"])
def test_a_store_that_is_broken_raises_nothing(name: str) -> None:
    for text in ('{"a": ', "a: [", "<a><b", 'machine h password "x', "a = [", "\0\ufffd" * 9, "[" * 100_000):
        pairs_of(text, name)


def test_an_xml_store_with_entities_is_not_unfolded() -> None:
    assert pairs_of('<!DOCTYPE a [<!ENTITY b "b">]><a><password>&b;&b;</password></a>', "a.xml") == []


@pytest.mark.parametrize("text", ["<!--" * 250_000, "<!---->" * 150_000 + "<a/>"])
def test_comments_of_a_long_xml_store_are_read_once(text: str) -> None:
    assert pairs_of(text, "a.xml") in ([], [Pair("a", "")])


def test_comments_of_an_xml_store_hide_nothing() -> None:
    text = "<!-- a <b> --><a><!-- c --><password>twentytwo</password></a>"
    assert Pair("password", "twentytwo") in pairs_of(text, "a.xml")
