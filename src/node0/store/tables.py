# SPDX-License-Identifier: Apache-2.0
"""The store's tables, in types that SQLite and MySQL (Dolt) share.

A change here needs a numbered file in `node0.store.migrations`; a test compares the two.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Double,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    String,
    Table,
)

metadata = MetaData()

SHA256 = String(64)
SPELLED = String(140)
"`NAME:VER`."

TIME = String(32)
"ISO 8601, UTC."

store_migrations = Table(
    "store_migrations",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("name", String(128), nullable=False),
    Column("applied_at", String(32), nullable=False),
)
"What has been applied to this store. Made by `node0.store.engine`, not by a migration."

model_registry = Table(
    "model_registry",
    metadata,
    Column("name", String(128), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("role", String(32), nullable=False),
    Column("base_model", String(1024), nullable=False),
    Column("base_digest", SHA256, nullable=False),
    Column("corpus_hash", SHA256, nullable=False),
    Column("entries_sha256", SHA256, nullable=False),
    Column("content_digest", SHA256, nullable=False),
    Column("eval_score", Double),
    Column("eval_scores_by_category", JSON, nullable=False),
    Column("lora_adapters", JSON, nullable=False),
    Column("deployment_status", String(32), nullable=False),
    Column("deployed_to", JSON, nullable=False),
    Column("created_at", String(32), nullable=False),
    Column("training_config", JSON, nullable=False),
    Column("artifact_path", String(1024), nullable=False),
    Column("parent", SPELLED, nullable=False),
    Column("code_version", String(64), nullable=False),
    Column("scrub_version", String(64), nullable=False),
    Column("signer", String(64), nullable=False),
    Column("signature", String(128), nullable=False),
)
"One row a version. Evaluation and deployment may change; the rest never does."

model_artefacts = Table(
    "model_artefacts",
    metadata,
    Column("name", String(128), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("path", String(512), primary_key=True),
    Column("sha256", SHA256, nullable=False),
    Column("size", BigInteger, nullable=False),
    ForeignKeyConstraint(["name", "version"], ["model_registry.name", "model_registry.version"]),
)
"The files of a version, by path below its `artifact_path`."

training_jobs = Table(
    "training_jobs",
    metadata,
    Column("id", String(128), primary_key=True),
    Column("run_dir", String(1024), nullable=False),
    Column("bead_id", String(64)),
    Column("role", String(32), nullable=False),
    Column("mode", String(32), nullable=False),
    Column("state", String(32), nullable=False),
    Column("created_at", String(32), nullable=False),
    Column("updated_at", String(32), nullable=False),
)
"One row a run directory, with the state that its training is in."

job_transitions = Table(
    "job_transitions",
    metadata,
    Column("job_id", String(128), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at", String(32), nullable=False),
    Column("state", String(32), nullable=False),
    Column("reason", String(1024), nullable=False),
    ForeignKeyConstraint(["job_id"], ["training_jobs.id"]),
)
"Every state that a job was in, counted from 1. Rows are added and never change."

model_aliases = Table(
    "model_aliases",
    metadata,
    Column("name", String(128), primary_key=True),
    Column("alias", String(32), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("moved_at", TIME, nullable=False),
    ForeignKeyConstraint(["name", "version"], ["model_registry.name", "model_registry.version"]),
)
"Names that move from version to version: active, previous, candidate."

model_events = Table(
    "model_events",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at", TIME, nullable=False),
    Column("actor", String(128), nullable=False),
    Column("name", String(128), nullable=False),
    Column("version", Integer, nullable=False),
    Column("event", String(32), nullable=False),
    Column("reason", String(1024), nullable=False),
    Column("detail", JSON, nullable=False),
)
"What happened to a version, counted from 1. Rows are added and never change, not even when it is removed."

model_evals = Table(
    "model_evals",
    metadata,
    Column("name", String(128), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at", TIME, nullable=False),
    Column("suite", String(128), nullable=False),
    Column("items", Integer, nullable=False),
    Column("score", Double, nullable=False),
    Column("low", Double),
    Column("high", Double),
    Column("by_category", JSON, nullable=False),
    Column("detail", JSON),
    ForeignKeyConstraint(["name", "version"], ["model_registry.name", "model_registry.version"]),
)
"""Every measurement of a version, counted from 1; `low` and `high` bound the score with 95 % confidence,
`detail` has the outcome of each item of a suite."""

deployments = Table(
    "deployments",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("name", String(128), nullable=False),
    Column("version", Integer, nullable=False),
    Column("role", String(32), nullable=False),
    Column("agent", String(160), nullable=False),
    Column("rigs", JSON, nullable=False),
    Column("endpoint", JSON, nullable=False),
    Column("state", String(32), nullable=False),
    Column("forced", Integer, nullable=False),
    Column("actor", String(128), nullable=False),
    Column("reason", String(1024), nullable=False),
    Column("edits", JSON, nullable=False),
    Column("started_at", TIME, nullable=False),
    Column("ended_at", TIME, nullable=False),
)
"Every attempt to put a version to work, counted from 1, with what it changed in settings files."

live_outcomes = Table(
    "live_outcomes",
    metadata,
    Column("name", String(128), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("session_id", String(128), primary_key=True),
    Column("at", TIME, nullable=False),
    Column("succeeded", Integer, nullable=False),
)
"How each session of a version at work ended; a row goes when its version is removed."

canaries = Table(
    "canaries",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("role", String(32), nullable=False),
    Column("rigs", JSON, nullable=False),
    Column("stable", SPELLED, nullable=False),
    Column("candidate", SPELLED, nullable=False),
    Column("settings", JSON, nullable=False),
    Column("deployment", Integer, nullable=False),
    Column("state", String(32), nullable=False),
    Column("evidence", JSON, nullable=False),
    Column("actor", String(128), nullable=False),
    Column("reason", String(1024), nullable=False),
    Column("started_at", TIME, nullable=False),
    Column("ended_at", TIME, nullable=False),
)
"Versions that a share of a role's sessions tried beside the one at work, counted from 1, and how that ended."

dpo_preferences = Table(
    "dpo_preferences",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("task_bead_id", String(64), nullable=False),
    Column("role", String(32), nullable=False),
    Column("model_a", SPELLED, nullable=False),
    Column("model_b", SPELLED, nullable=False),
    Column("branch_a", String(255), nullable=False),
    Column("branch_b", String(255), nullable=False),
    Column("chosen_branch", String(255)),
    Column("rejected_branch", String(255)),
    Column("reason", String(1024), nullable=False),
    Column("actor", String(128), nullable=False),
    Column("created_at", TIME, nullable=False),
    Column("decided_at", TIME),
)
"One row a task that two versions did, and which of them did it better."

dpo_transcripts = Table(
    "dpo_transcripts",
    metadata,
    Column("comparison", String(64), primary_key=True),
    Column("side", String(1), primary_key=True),
    Column("entry_id", String(128), nullable=False),
    Column("entry", JSON, nullable=False),
)
"What each version did, `a` or `b`, as a corpus entry; on Dolt each side lies on its comparison's own branch."

dpo_mined_pairs = Table(
    "dpo_mined_pairs",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("role", String(32), nullable=False),
    Column("situation", String(64), nullable=False),
    Column("chosen", JSON, nullable=False),
    Column("rejected", JSON, nullable=False),
    Column("verdict", String(16), nullable=False),
    Column("reason", String(1024), nullable=False),
    Column("actor", String(128), nullable=False),
    Column("found_at", TIME, nullable=False),
    Column("decided_at", TIME),
)
"One row an answer that failed in a situation, with a better one of the corpus, and what a person said."

contributions = Table(
    "contributions",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("contributor", String(128), nullable=False),
    Column("entries", Integer, nullable=False),
    Column("sha256", SHA256, nullable=False),
    Column("reviewed_by", String(128), nullable=False),
    Column("note", String(1024), nullable=False),
    Column("received_at", TIME, nullable=False),
)
"Corpora that other operators gave, after review."
