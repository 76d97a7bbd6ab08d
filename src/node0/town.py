# SPDX-License-Identifier: Apache-2.0
"""Every path in a Gas Town, and what its environment says; other modules ask here.

Also the only reader of the environment on the town's behalf: GT_TOWN_ROOT and GT_ROOT (as `gt` reads
them), GT_AGENT, GT_TMUX_SOCKET, GT_COST_TIER, GT_DOLT_HOST, _PORT, _USER and _PASSWORD,
CLAUDE_CONFIG_DIR, PATH and XDG_CONFIG_HOME. What is ours in
a town lies in `.corpus`, `.models`, `.checkpoints` and `.rag`; the town's own files are read, and only its
settings files are ever written.
"""

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from node0.documents.json_document import read_object
from node0.documents.yaml_document import load_yaml
from node0.errors import ConfigError, NotFound
from node0.files import locked, write_atomically

MARK = Path("mayor") / "town.json"
PRIME_SHIM = Path(".models") / "shim" / "gt"
CLAUDE_STATE = ".claude.json"
HOME_TOWN = "~/gt"
DOLT_PORT = 3307
ANY_ADDRESS = ("0.0.0.0", "::", "*")


@dataclass(frozen=True)
class DoltServer:
    """How to reach a Dolt server, over the MySQL protocol."""

    host: str = "127.0.0.1"
    port: int = DOLT_PORT
    user: str = "root"
    password: str = field(default="", repr=False)


@dataclass(frozen=True)
class Town:
    """One town, by its root directory."""

    root: Path

    @classmethod
    def locate(cls, given: Path | None = None) -> "Town":
        """The town that is meant: given, GT_TOWN_ROOT, GT_ROOT, a parent of here, or ~/gt.

        Raises:
            NotFound: the place named is no town, or none is found.
        """
        named = given or _from_environment()
        if named is not None:
            root = named.expanduser().resolve()
            if not root.is_dir():
                raise NotFound(f"no town at {root}: the directory does not exist; name another with --town")
            return cls(root)
        here = Path.cwd()
        for place in (here, *here.parents, Path(HOME_TOWN).expanduser()):
            if (place / MARK).is_file():
                return cls(place)
        raise NotFound(f"no town found from {here} upwards: name one with --town or GT_TOWN_ROOT")

    @property
    def is_gas_town(self) -> bool:
        """Whether gt made it; models may also be kept in a directory that knows no gt."""
        return (self.root / MARK).is_file()

    @property
    def corpus(self) -> Path:
        """Entries, one directory a role."""
        return self.root / ".corpus"

    @property
    def models(self) -> Path:
        """The registry and the artefacts of registered models."""
        return self.root / ".models"

    @property
    def checkpoints(self) -> Path:
        """Run directories."""
        return self.root / ".checkpoints"

    @property
    def rag(self) -> Path:
        """The index of what can be retrieved."""
        return self.root / ".rag"

    @property
    def store_file(self) -> Path:
        """The SQLite file of the default store."""
        return self.models / "store.sqlite"

    @property
    def model_settings_file(self) -> Path:
        """Our own settings; gt would drop keys that it does not know from its own."""
        return self.models / "settings.yaml"

    @property
    def events_file(self) -> Path:
        """What happened, one JSON object a line; gt rewrites it and drops old lines."""
        return self.root / ".events.jsonl"

    @property
    def settings_file(self) -> Path:
        """Agents and roles; a fresh town has none."""
        return self.root / "settings" / "config.json"

    @property
    def accounts_file(self) -> Path:
        """Claude accounts, each with its configuration directory."""
        return self.root / "mayor" / "accounts.json"

    @property
    def rigs_file(self) -> Path:
        """The rigs of the town."""
        return self.root / "mayor" / "rigs.json"

    @property
    def collect_script(self) -> Path:
        """What a session's end and the town's plugin start to collect; there where it is installed."""
        return self.models / "collect.sh"

    @property
    def prime_shim(self) -> Path:
        """A `gt` that asks us for the primes of our agents; there where it is installed."""
        return self.root / PRIME_SHIM

    @property
    def nightly_script(self) -> Path:
        """What the town's plugin starts at night; there where it is installed."""
        return self.models / "nightly.sh"

    @property
    def nightly_reports(self) -> Path:
        """What nights did, a file each."""
        return self.models / "nightly"

    @property
    def plugins(self) -> Path:
        """The town's plugins, a directory each."""
        return self.root / "plugins"

    @property
    def formulas(self) -> Path:
        """The town's formulas, a file each; gt and bd look here."""
        return self.root / ".beads" / "formulas"

    @property
    def cost_tier(self) -> str:
        """What GT_COST_TIER says; gt lets it win over the agents of roles."""
        return os.environ.get("GT_COST_TIER", "")

    @property
    def slug(self) -> str:
        """A name for what belongs to this town and lies outside it, as gt makes it: `NAME-DIGEST`."""
        digest = hashlib.sha256(str(self.root).encode()).hexdigest()
        return f"{self.root.name}-{digest[:6]}"

    @property
    def tmux_socket(self) -> str:
        """Name of the tmux server that holds the town's sessions."""
        return os.environ.get("GT_TMUX_SOCKET") or self.slug

    @property
    def dolt_config_file(self) -> Path:
        """How the town's Dolt server was started."""
        return self.root / ".dolt-data" / "config.yaml"

    @property
    def log_dir(self) -> Path:
        """The town's own logs."""
        return self.root / "logs"

    @property
    def has_beads(self) -> bool:
        """Whether the town keeps its beads on a Dolt server."""
        return self.dolt_config_file.parent.is_dir() or (self.root / ".beads" / "metadata.json").is_file()

    def beads_dirs(self) -> list[Path]:
        """Where bd keeps what is not in the database: the town's directory and each rig's."""
        homes = [self.root, *(self.root / rig for rig in self.rigs())]
        places = (home / inside / ".beads" for home in homes for inside in ("", "mayor/rig"))
        return [place for place in places if place.is_dir()]

    def dolt_server(
        self, *, host: str | None = None, port: int | None = None, user: str | None = None
    ) -> DoltServer:
        """The server that holds the town's beads: as given, as its config.yaml says, as the environment says.

        Raises:
            ConfigError: one of the files cannot be read, or a port is no number.
        """
        config = _read_yaml(self.dolt_config_file)
        listener, account = _part(config, "listener"), _part(config, "user")
        daemon = _part(_read_json(self.root / "mayor" / "daemon.json"), "env")
        named = {name: os.environ.get(f"GT_DOLT_{name}") for name in ("HOST", "PORT", "USER", "PASSWORD")}
        listens = str(host or listener.get("host") or named["HOST"] or DoltServer.host)
        return DoltServer(
            host=DoltServer.host if listens in ANY_ADDRESS else listens,
            port=_port(port or listener.get("port") or named["PORT"] or daemon.get("GT_DOLT_PORT")),
            user=str(user or account.get("name") or named["USER"] or DoltServer.user),
            password=str(account.get("password") or named["PASSWORD"] or ""),
        )

    def expand(self, path: str | Path) -> Path:
        """A path as a setting spells it: `~/gt` is this town, another `~` the home directory."""
        text = str(path)
        if text == HOME_TOWN or text.startswith(HOME_TOWN + "/"):
            return self.root / text.removeprefix(HOME_TOWN).lstrip("/")
        return Path(text).expanduser()

    def rigs(self) -> list[str]:
        """The names of the rigs, sorted."""
        rigs = _read_json(self.rigs_file).get("rigs", {})
        return sorted(rigs) if isinstance(rigs, dict) else []

    def own_roles(self) -> list[str]:
        """Roles that the town or a rig defines for itself, or gives an agent; sorted."""
        homes = [self.root, *(self.root / rig for rig in self.rigs())]
        files = {path.stem for home in homes for path in (home / "roles").glob("*.toml")}
        return sorted(files | set(_part(self.read_settings(), "role_agents")))

    def claude_dirs(self, given: Sequence[Path] = ()) -> list[Path]:
        """Claude configuration directories that hold session files.

        Those given, or else: CLAUDE_CONFIG_DIR, each account's, and `.claude` in the town. The
        user's own `~/.claude` is read only when neither the variable nor the town names a place.
        """
        if given:
            return [self.expand(path) for path in given]
        places = self._account_dirs()
        named = os.environ.get("CLAUDE_CONFIG_DIR")
        inside = self.root / ".claude"
        if named:
            places.insert(0, Path(named))
        if (inside / "projects").is_dir():
            places.append(inside)
        elif not named:
            places.append(Path("~/.claude").expanduser())
        return [place for place in dict.fromkeys(places) if (place / "projects").is_dir()]

    def account_states(self) -> list[Path]:
        """What Claude Code keeps of the user's answers, for each of the town's accounts."""
        return [place / CLAUDE_STATE for place in self._account_dirs()]

    def read_settings(self) -> dict[str, Any]:
        """`settings/config.json`, or {} in a town that has none.

        Raises:
            ConfigError: the file is not a JSON object.
        """
        return _read_json(self.settings_file)

    def read_rig_settings(self, rig: str) -> dict[str, Any]:
        """A rig's `settings/config.json`, or {} where it has none.

        Raises:
            ConfigError: the file is not a JSON object.
        """
        return _read_json(self.rig_settings_file(rig))

    def read_presets(self, rig: str = "") -> dict[str, Any]:
        """`settings/agents.json`, agents that people added to those of gt, of the town or a rig; or {}.

        Raises:
            ConfigError: the file is not a JSON object.
        """
        return _read_json(self.root / rig / "settings" / "agents.json")

    def role_file(self, role: str, rig: str = "") -> Path:
        """What the town, or a rig, says of a role in the place of what gt does."""
        return self.root / rig / "roles" / f"{role}.toml"

    def rig_settings_file(self, rig: str) -> Path:
        """Agents and roles of one rig."""
        return self.root / rig / "settings" / "config.json"

    @contextlib.contextmanager
    def edit_settings(self) -> Iterator[dict[str, Any]]:
        """Change `settings/config.json` under a lock; every key that is not touched stays.

        Nothing is written when the block raises.
        """
        self.settings_file.parent.mkdir(parents=True, exist_ok=True)
        with locked(self.settings_file.with_name(".config.json.lock")):
            settings = self.read_settings()
            yield settings
            text = json.dumps(settings, indent=2, ensure_ascii=False) + "\n"
            write_atomically(self.settings_file, text, shared=True)

    def _account_dirs(self) -> list[Path]:
        accounts = _read_json(self.accounts_file).get("accounts") or {}
        entries = list(accounts.values()) if isinstance(accounts, dict) else accounts
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise ConfigError(f"{self.accounts_file} holds accounts that are no objects: repair it")
        named = [entry["config_dir"] for entry in entries if entry.get("config_dir")]
        if not all(isinstance(name, str) for name in named):
            raise ConfigError(f"{self.accounts_file} holds a config_dir that is no text: repair it")
        return [self.expand(name) for name in named]


def session_agent() -> str:
    """The agent that gt says this session is; empty outside of one."""
    return os.environ.get("GT_AGENT", "")


def environment() -> dict[str, str]:
    """Every variable of the environment."""
    return dict(os.environ)


def set_unless_given(variable: str, value: str) -> None:
    """Set a variable for this process and those that it starts, where whoever started it did not."""
    os.environ.setdefault(variable, value)


def user_home() -> Path:
    """The home directory of whoever runs this."""
    return Path("~").expanduser()


def real_gt() -> Path | None:
    """The first gt on PATH that is none of ours."""
    places = os.environ.get("PATH", os.defpath).split(os.pathsep)
    own = PRIME_SHIM.parent.parts
    others = [place for place in places if Path(place).parts[-len(own) :] != own]
    found = shutil.which("gt", path=os.pathsep.join(others))
    return Path(found) if found else None


def user_claude_settings() -> Path:
    """The user's own settings of Claude Code."""
    named = os.environ.get("CLAUDE_CONFIG_DIR")
    return (Path(named) if named else Path("~/.claude").expanduser()) / "settings.json"


def user_claude_state() -> Path:
    """What Claude Code keeps of the user's answers, in the user's own configuration."""
    named = os.environ.get("CLAUDE_CONFIG_DIR")
    return (Path(named) if named else Path("~").expanduser()) / CLAUDE_STATE


def user_units() -> Path:
    """Where a user's own systemd units lie."""
    named = os.environ.get("XDG_CONFIG_HOME")
    return (Path(named) if named else Path("~/.config").expanduser()) / "systemd" / "user"


def _from_environment() -> Path | None:
    named = os.environ.get("GT_TOWN_ROOT") or os.environ.get("GT_ROOT")
    return Path(named) if named else None


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        return read_object(path)
    except (ValueError, OSError) as error:
        raise ConfigError(f"{path} cannot be read ({error}): repair it") from error


def _read_yaml(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        content = load_yaml(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"{path} is not YAML ({error}): repair it") from error
    return content if isinstance(content, dict) else {}


def _part(content: dict[str, Any], name: str) -> dict[str, Any]:
    part = content.get(name)
    return part if isinstance(part, dict) else {}


def _port(value: Any) -> int:
    text = str(value or DOLT_PORT)
    if not (text.isascii() and text.isdecimal()) or not 0 < int(text) < 65536:
        raise ConfigError(
            f"Dolt port {text!r} is no port number: mend GT_DOLT_PORT or .dolt-data/config.yaml"
        )
    return int(text)
