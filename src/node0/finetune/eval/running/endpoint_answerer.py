# SPDX-License-Identifier: Apache-2.0
"""Ask a model behind a URL, in the form of Anthropic's Messages API, which the gateway speaks."""

import json
import re
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

from node0.documents.json_document import value_of
from node0.errors import EndpointUnfit, EndpointUnreachable
from node0.finetune.chat.messages import Block, Request
from node0.finetune.eval.running.answerer import Sampling
from node0.finetune.eval.running.task import Task

SECONDS = 600.0
AT_URL = "url:"
"What the digest of such a model begins with."

LARGEST = 16 << 20
"Bytes of an answer that are read."

_TOO_LONG = re.compile(
    r"too long|too large|too many tokens|context[ _](length|size|window)|maximum model length|max_model_len",
    re.I,
)
"As this gateway, Anthropic's API, vLLM, SGLang and llama.cpp say it."


@dataclass(frozen=True)
class EndpointAnswerer:
    """A model at `<url>/v1/messages`. The API takes no seed, so only greedy answers come back the same."""

    url: str
    model: str
    token: str = ""
    seconds: float = SECONDS

    @property
    def name(self) -> str:
        """The model's name there."""
        return self.model

    @property
    def digest(self) -> str:
        """Where and under which name; what stands behind it nobody can say."""
        return f"{AT_URL}{self.url} {self.model}"

    def answer(self, task: Task, request: Request, sampling: Sampling) -> list[Block]:
        """Its answer; nothing where it says that the request is too long.

        Raises:
            EndpointUnreachable: nothing answers, or a server failed; the run can be taken up again.
            EndpointUnfit: it refuses the request or the key, or does not know the model.
        """
        body: dict[str, Any] = {
            "model": self.model,
            "max_tokens": sampling.max_tokens,
            "temperature": sampling.temperature,
            "messages": request["messages"],
        }
        body |= {"system": request["system"]} if request["system"] else {}
        body |= {"tools": request["tools"]} if request["tools"] else {}
        content = self._post(body).get("content")
        return [block for block in content if _is_block(block)] if isinstance(content, list) else []

    def _post(self, body: dict[str, Any]) -> dict[str, Any]:
        # No proxy of the environment: an endpoint is named by its own address.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        headers = {"Content-Type": "application/json", "anthropic-version": "2023-06-01"}
        headers |= {"x-api-key": self.token} if self.token else {}
        where = f"{self.url.rstrip('/')}/v1/messages"
        asked = urllib.request.Request(where, data=json.dumps(body).encode(), headers=headers)
        try:
            with opener.open(asked, timeout=self.seconds) as response:
                found = value_of(response.read(LARGEST))
        except urllib.error.HTTPError as error:
            return self._refused(error, where)
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise EndpointUnreachable(
                f"no answer from {where} ({reason}); start the server, then run the same command again"
            ) from None
        return found if isinstance(found, dict) else {}

    def _refused(self, error: urllib.error.HTTPError, where: str) -> dict[str, Any]:
        said = " ".join(error.read(2000).decode(errors="replace").split())
        if error.code == 413 or (error.code == 400 and _TOO_LONG.search(said)):
            return {}
        said = said[:300]
        if error.code in (400, 401, 403, 404, 422):
            raise EndpointUnfit(f"{where} answers {error.code} ({said}); check MODEL and --token-file")
        raise EndpointUnreachable(f"{where} answers {error.code} ({said}); run the same command again later")


def _is_block(block: object) -> bool:
    if not isinstance(block, dict):
        return False
    if block.get("type") == "text":
        return isinstance(block.get("text"), str)
    named = isinstance(block.get("id"), str) and isinstance(block.get("name"), str)
    return block.get("type") == "tool_use" and isinstance(block.get("input"), dict) and named
