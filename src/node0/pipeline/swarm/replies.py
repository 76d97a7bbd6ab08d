# SPDX-License-Identifier: Apache-2.0
"""Check a stage host's replies: which are allowed to each request, and their fields."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from node0.errors import FrameRefused
from node0.swarm.transport.frames import Frame
from node0.swarm.transport.quoting import quoted

_FIELDS: Mapping[str, Mapping[str, tuple[type, ...]]] = {
    "hello": {"protocol": (int,)},
    "reset": {"names": (list,), "version": (int,)},
    "prepare": {"squared_norm": (float, int), "finite": (bool,)},
    "apply": {"version": (int,)},
    "abort": {"version": (int, type(None))},
    "state": {"version": (int,), "sha256": (str,)},
    "load": {"version": (int,)},
    "shard": {"stage": (str,), "sha256": (str,), "bytes": (int,)},
}
_ERROR: Mapping[str, tuple[type, ...]] = {"text": (str,), "retriable": (bool,)}
_MOST_TENSORS = {"sums": math.inf, "tied": 1}
_WITH_BLOB = ("state",)


def check_reply(kind: str, reply: Frame) -> None:
    """Look at the types of what is replied to a request of this kind.

    Raises:
        FrameRefused: no stage replies that.
    """
    is_error = reply.kind == "error"
    for name, types in (_ERROR if is_error else _FIELDS.get(kind, {})).items():
        if type(reply[name]) not in types:
            raise FrameRefused(
                f"the {name} of a reply to {kind} is {quoted(reply[name])}, no {types[0].__name__}"
            )
    if kind == "reset" and not is_error and not all(type(name) is str for name in reply["names"]):
        raise FrameRefused("a name in a reply to reset is no text")
    if kind == "prepare" and not is_error:
        _check_norm(reply["squared_norm"], is_finite=reply["finite"])
    _check_payload(kind, reply, most=0 if is_error else _MOST_TENSORS.get(kind, 0))


def odd_one(replies: Sequence[Frame]) -> int | None:
    """Which reply brings tensors of other shapes than most do, or, where none are most, than the first."""
    shapes = [_shapes(reply.tensors) for reply in replies]
    usual = max(shapes, key=shapes.count)
    return next((index for index, found in enumerate(shapes) if found != usual), None)


def _check_norm(squared: float, *, is_finite: bool) -> None:
    if squared < 0 or (is_finite and not math.isfinite(squared)):
        raise FrameRefused(f"{quoted(squared)} is the square of no norm")


def _check_payload(kind: str, reply: Frame, *, most: float) -> None:
    if len(reply.tensors) > most or (reply.blob and kind not in _WITH_BLOB):
        raise FrameRefused(
            f"a reply to {kind} brings {len(reply.tensors)} tensors and {len(reply.blob)} bytes"
        )
    for tensor in reply.tensors:
        if tensor.dtype != torch.float32:
            raise FrameRefused(f"a reply to {kind} brings {tensor.dtype}, no float32")


def _shapes(tensors: Sequence[Tensor]) -> Any:
    return [tuple(tensor.shape) for tensor in tensors]
