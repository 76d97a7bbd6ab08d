# SPDX-License-Identifier: Apache-2.0
"""The errors that this project raises on purpose, as a tree.

    Node0Error
    ├── RetriableError               try again later; `call_with_retries` does.     exit 75
    │   ├── ScrubberUnavailable      a scrubbing component could not run
    │   ├── RunInUse                 another process holds the run directory
    │   ├── StoreUnavailable         the store is locked or cannot be reached
    │   ├── FrameRefused             bytes from a peer are no valid frame
    │   ├── SwarmTimeout             a peer is missing, or did not answer in time
    │   │   └── StageLost            a stage is missing, and nobody waits for it any more
    │   ├── DoltUnavailable          the town's database cannot be reached
    │   ├── EndpointUnreachable      nothing answers where a deployed model should
    │   ├── DeployInUse              another process is deploying in this town
    │   ├── EngineBusy               as many requests wait for a model as may
    │   ├── EngineUnavailable        the engine behind the gateway does not answer as it must
    │   └── NonFiniteGradients       gradients held NaN or infinity
    └── NonRetriableError            a person or a setting must change.             exit 1
        ├── ConfigError              a setting is missing, unknown or of a wrong type
        ├── NotFound                 a named thing does not exist
        ├── BadCheckpoint            weights, adapter or state cannot be used
        │   └── UnsupportedArchitecture  nothing here computes a base of this kind
        ├── BadCorpus                nothing to train on, or an entry cannot be read
        ├── VocabMismatch            tokenizer and model do not fit
        ├── DoesNotFit               the run needs more memory, or room on the disk, than is free
        ├── SharingDisabled          the operator has not switched sharing on
        ├── ExportFailed             an exported file is not what it was made from
        ├── HubUnavailable           a hub id could not be resolved or fetched
        ├── BadSignature             a record is not of the peer it names
        ├── IllegalTransition        a job or a version cannot go from its state to that one
        ├── SandboxUnavailable       nothing here can contain what a model proposes
        ├── EndpointUnfit            what answers is another model, or cannot do what is promised
        └── GateRefused              a gate said no.                                exit 3

A message names what failed, the value, and what to do next, in one line.
`node0.console.run` is the only place that turns an error into an exit code.
"""

LONGEST_LINE = 2000
KEPT = 900
"Characters at either end: what failed stands first, what to do next last."


class Node0Error(Exception):
    """Base of all errors raised on purpose."""

    exit_code = 1

    def __str__(self) -> str:
        """The line, without the middle of a value that is too long for one."""
        text = super().__str__()
        return text if len(text) <= LONGEST_LINE else f"{text[:KEPT]} [...] {text[-KEPT:]}"


class RetriableError(Node0Error):
    """The same call may succeed later."""

    exit_code = 75


class NonRetriableError(Node0Error):
    """The same call will fail again until a person or a setting changes."""


class ScrubberUnavailable(RetriableError):
    """A scrubbing component could not run, so nothing was stored."""


class RunInUse(RetriableError):
    """Another process is writing to this run directory."""


class StoreUnavailable(RetriableError):
    """The store is locked or cannot be reached."""


class FrameRefused(RetriableError):
    """Bytes that came from a peer are no valid frame."""


class SwarmTimeout(RetriableError):
    """A peer is missing, or did not answer in time."""


class StageLost(SwarmTimeout):
    """A stage is missing, and nobody waits for it any more."""


class DoltUnavailable(RetriableError):
    """The town's Dolt server does not answer."""


class EndpointUnreachable(RetriableError):
    """Nothing answers at an endpoint."""


class DeployInUse(RetriableError):
    """Another process is deploying in this town."""


class EngineBusy(RetriableError):
    """As many requests wait for this model as may."""


class EngineUnavailable(RetriableError):
    """The engine behind the gateway cannot be reached, or does not answer as it must."""


class NonFiniteGradients(RetriableError):
    """Gradients held NaN or infinity; the step was skipped."""


class ConfigError(NonRetriableError):
    """A setting is missing, unknown or of a wrong type."""


class NotFound(NonRetriableError):
    """A named file, model or entry does not exist."""


class BadCheckpoint(NonRetriableError):
    """Weights, an adapter or training state cannot be used."""


class UnsupportedArchitecture(BadCheckpoint):
    """Nothing here computes a base of this kind."""


class BadCorpus(NonRetriableError):
    """There is nothing to train on, or an entry cannot be read."""


class VocabMismatch(NonRetriableError):
    """The tokenizer produces ids that the model does not have."""


class DoesNotFit(NonRetriableError):
    """The run needs more memory, or more room on its disk, than is free."""


class SharingDisabled(NonRetriableError):
    """The operator has not switched sharing on."""


class ExportFailed(NonRetriableError):
    """What was exported is not what it was made from, or a program that should write it failed."""


class HubUnavailable(NonRetriableError):
    """A hub id could not be resolved or fetched."""


class BadSignature(NonRetriableError):
    """A record is not of the peer it names, or was made for something else."""


class IllegalTransition(NonRetriableError):
    """A job or a version cannot go from the state it is in to another one."""


class SandboxUnavailable(NonRetriableError):
    """No program that could contain a model's commands is installed, or none of them works."""


class EndpointUnfit(NonRetriableError):
    """An endpoint answers, and does not serve what is promised of it."""


class GateRefused(NonRetriableError):
    """A gate refused the operation."""

    exit_code = 3
