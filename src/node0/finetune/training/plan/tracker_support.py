# SPDX-License-Identifier: Apache-2.0
"""Check that each tracker of a run can be told of it: its package, and who or where it is told."""

from collections.abc import Callable
from importlib.util import find_spec
from urllib.parse import urlsplit

from node0.errors import ConfigError
from node0.finetune.config import FineTuneConfig, TrackerName
from node0.town import set_unless_given

QUIET = {
    "wandb": {"WANDB_ERROR_REPORTING": "false"},
    "mlflow": {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true"},
}
"Variables by which a library tells its own makers nothing, and prints nothing where results are printed."


def require_trackers(config: FineTuneConfig) -> None:
    """Check every tracker that `report_to` names, without sending anything.

    Raises:
        ConfigError: a package is missing, W&B knows no key, or MLflow no store that it could open.
    """
    for name in config.report_to:
        if find_spec(name) is None:
            raise _refused(name, f"needs the {name} package; pip install 'gastown-finetune[{name}]'")
        for variable, value in QUIET.get(name, {}).items():
            set_unless_given(variable, value)
        if name in _CHECKS:
            _CHECKS[name]()


def _require_key() -> None:
    import wandb  # an optional package, looked for just now

    if wandb.setup().settings.mode != "online":
        return
    # Asked here: once training runs, nobody answers a prompt.
    if not wandb.login(verify=False, prompt=False):
        raise _refused("wandb", "knows no key; run: wandb login, or set WANDB_MODE=offline")


def _require_store() -> None:
    import mlflow  # an optional package, looked for just now
    from mlflow.environment_variables import MLFLOW_ALLOW_FILE_STORE  # of the same

    kind = urlsplit(mlflow.get_tracking_uri()).scheme
    if kind.partition("+")[0] in ("sqlite", "mysql", "postgresql", "mssql") and find_spec("alembic") is None:
        raise _refused(
            "mlflow", "has no database here; set MLFLOW_TRACKING_URI=http://SERVER, or pip install mlflow"
        )
    if kind in ("file", "") and not MLFLOW_ALLOW_FILE_STORE.get():
        raise _refused(
            "mlflow", "writes no files unless asked; set MLFLOW_ALLOW_FILE_STORE=true, or name a server"
        )


_CHECKS: dict[TrackerName, Callable[[], None]] = {"wandb": _require_key, "mlflow": _require_store}


def _refused(name: str, why: str) -> ConfigError:
    return ConfigError(f"report_to {name} {why}, or leave it out of --report-to")
