# SPDX-License-Identifier: Apache-2.0
"""Open the desk of a town: listen on loopback, print the address with its token, answer until a signal."""

import secrets
from pathlib import Path

from node0 import console
from node0.commands.desk.pages.desk_page import Desk
from node0.commands.desk.web.desk_app import desk_app
from node0.finetune.gastown.own_settings import read_own_settings
from node0.finetune.serving.http.drained_server import listen, run_until_stopped
from node0.finetune.serving.http.serving_state import ServingState
from node0.town import Town

HOST = "127.0.0.1"
TOKEN_BYTES = 32


def open_desk(root: Path | None, *, port: int, tokenizer: str) -> None:
    """Answer until a signal comes.

    Args:
        root: of the town; None takes the one that is found.
        port: 0 takes a free one.
        tokenizer: empty takes that of the town's base.

    Raises:
        NotFound: there is no town.
        ConfigError: the port is taken, or the town's settings cannot be read.
    """
    town = Town.locate(root)
    shown = Desk(town, tokenizer or read_own_settings(town).base_model)
    token = secrets.token_urlsafe(TOKEN_BYTES)
    with listen(HOST, port) as listening:
        port = listening.getsockname()[1]
        console.note(f"the desk is at http://{HOST}:{port}/?token={token}")
        console.note("whoever has this address may read the corpus and decide; Ctrl-C ends")
        app = desk_app(shown, token=token, port=port)
        run_until_stopped(app, listening, ServingState(), warm_up=_nothing, close=_nothing)


async def _nothing() -> None:
    """Nothing is loaded before, and nothing is left behind."""
