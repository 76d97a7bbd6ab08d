# SPDX-License-Identifier: Apache-2.0
"""Where credentials lie: files of a home and of harnesses, those that variables name, `.env` files."""

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from node0.finetune.corpus.town.harness_homes import every_harness_home
from node0.town import Town

IN_HOME = (
    *(".netrc", "_netrc", ".npmrc", ".yarnrc", ".yarnrc.yml", ".pypirc", ".pgpass", ".my.cnf", ".env"),
    *(".git-credentials", ".gitconfig", ".docker/config.json", ".aws/credentials", ".aws/config"),
    *(
        ".aws/sso/cache/*.json",
        ".aws/cli/cache/*.json",
        ".kube/config",
        ".kube/*.yaml",
        ".oci/config",
        ".s3cfg",
    ),
    *(".azure/*.json", ".boto", ".vault-token", ".terraformrc", ".terraform.d/*.json", ".databrickscfg"),
    *(
        ".cargo/credentials",
        ".cargo/credentials.toml",
        ".gem/credentials",
        ".pip/pip.conf",
        ".composer/auth.json",
    ),
    *(".m2/settings.xml", ".gradle/gradle.properties", ".nuget/NuGet/NuGet.Config", ".kaggle/kaggle.json"),
    *(".huggingface/token", ".cache/huggingface/token", ".claude/.credentials.json", ".claude.json"),
    *(".snowsql/config", ".ssh/*", ".fly/config.yml", ".sentryclirc", ".circleci/cli.yml"),
)
IN_CONFIG = (
    *("gh/hosts.yml", "hub", "glab-cli/config.yml", "git/credentials", "git/config", "containers/auth.json"),
    *("gcloud/*.json", "gcloud/legacy_credentials/*/*", "doctl/config.yaml", "hcloud/cli.toml", "op/config"),
    *("rclone/rclone.conf", "pip/pip.conf", "composer/auth.json", "huggingface/token", "npm/npmrc"),
    *(
        "openai/*.json",
        "anthropic/*.json",
        "github-copilot/*.json",
        "netlify/config.json",
        "configstore/*.json",
    ),
)
"Below `.config`, or where XDG_CONFIG_HOME says."

NAMED = (
    *("NETRC", "NPM_CONFIG_USERCONFIG", "PGPASSFILE", "PIP_CONFIG_FILE", "KUBECONFIG", "AWS_CONFIG_FILE"),
    *("AWS_SHARED_CREDENTIALS_FILE", "GOOGLE_APPLICATION_CREDENTIALS", "GIT_CONFIG_GLOBAL", "BOTO_CONFIG"),
    *(
        "DOCKER_CONFIG",
        "GH_CONFIG_DIR",
        "CLOUDSDK_CONFIG",
        "AZURE_CONFIG_DIR",
        "CLAUDE_CONFIG_DIR",
    ),
    "HF_TOKEN_PATH",
)
"Variables whose value is a store, or a directory of some."

IN_RIG = frozenset({".netrc", ".npmrc", ".pypirc", ".pgpass", ".yarnrc.yml", ".envrc", ".git-credentials"})
EXAMPLES = ("example", "sample", "template", "dist", "schema", "tmpl")
"Endings of files that show what an `.env` looks like."

UNSEARCHED = frozenset(
    {"node_modules", "vendor", "target", "dist", "build", "venv", "__pycache__", "site-packages"}
)
DEEPEST = 5
"Directories below a town: a rig, its workers, a worker's clone, and what lies in that."

MOST_DIRECTORIES = 20_000
MOST_BYTES = 1 << 20
"Of a store."


class Store(NamedTuple):
    """A file that may hold credentials."""

    name: str
    text: str


def stores_of(home: Path, environment: Mapping[str, str], town: Town | None) -> Iterator[Store]:
    """Every store that is there and can be read, each once; a pipe or a device is none."""
    seen: set[Path] = set()
    for path in _paths(home, environment, town):
        place = path.resolve()
        text = None if place in seen else _read(place)
        seen.add(place)
        if text:
            yield Store(path.name, text)


def _paths(home: Path, environment: Mapping[str, str], town: Town | None) -> Iterator[Path]:
    yield from _matching(home, IN_HOME)
    yield from _matching(Path(environment.get("XDG_CONFIG_HOME") or home / ".config"), IN_CONFIG)
    for variable in NAMED:
        for name in filter(None, environment.get(variable, "").split(os.pathsep)):
            path = Path(name).expanduser()
            yield from [path] if path.is_file() else _matching(path, ("*.json", "*.yml", ".credentials.json"))
    for place in every_harness_home(home, environment, town):
        yield from _matching(place, ("*.json",))
    if town:
        yield from _of_town(town)


def _of_town(town: Town) -> Iterator[Path]:
    yield from (town.root / "mayor" / "daemon.json", town.dolt_config_file)
    yield from _matching(town.models, ("*.key", "*.salt", "*.tokens", "keys/*"))
    yield from (place / ".credentials.json" for place in town.claude_dirs())
    yield from _settings_below(town.root)


def _settings_below(root: Path) -> Iterator[Path]:
    """The `.env` files of a town and its rigs, and stores of packages beside them."""
    todo, seen = [(root, 0)], 0
    while todo and seen < MOST_DIRECTORIES:
        directory, depth = todo.pop()
        seen += 1
        for entry in _entries(directory):
            if entry.is_dir(follow_symlinks=False):
                if depth < DEEPEST and not entry.name.startswith(".") and entry.name not in UNSEARCHED:
                    todo.append((Path(entry.path), depth + 1))
            elif _is_settings(entry.name):
                yield Path(entry.path)


def _entries(directory: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as found:
            return list(found)
    except OSError:
        return []


def _is_settings(name: str) -> bool:
    env = name == ".env" or name.startswith(".env.") or name.endswith(".env")
    return name in IN_RIG or (env and not name.endswith(EXAMPLES))


def _matching(directory: Path, patterns: Iterable[str]) -> Iterator[Path]:
    for pattern in patterns:
        if "*" in pattern:
            yield from sorted(directory.glob(pattern))
        else:
            yield directory / pattern


def _read(path: Path) -> str | None:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > MOST_BYTES:
            return None
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
