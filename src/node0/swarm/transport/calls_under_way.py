# SPDX-License-Identifier: Apache-2.0
"""Calls of others that are under way here, of which none is remembered once it has ended.

hivemind forgets a call that it answers. One whose caller hung up is never answered, and all that the call
brought, up to a daemon's longest, would stay.
"""

from asyncio import Task
from uuid import UUID


class CallsUnderWay(dict[UUID, "Task[None]"]):
    """Takes the place of hivemind's own `_handler_tasks`."""

    def __setitem__(self, call: UUID, task: "Task[None]") -> None:
        """Remember what answers a call, until it ends in whatever way."""
        super().__setitem__(call, task)
        task.add_done_callback(lambda _: self.pop(call, None))
