# SPDX-License-Identifier: Apache-2.0
"""The store's tables, in types that SQLite and MySQL (Dolt) share.

A change here needs a numbered file in `node0.store.migrations`; a test compares the two.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Float,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    String,
    Table,
)

metadata = MetaData()

SHA256 = String(64)

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
    Column("eval_score", Float),
    Column("eval_scores_by_category", JSON, nullable=False),
    Column("lora_adapters", JSON, nullable=False),
    Column("deployment_status", String(32), nullable=False),
    Column("deployed_to", JSON, nullable=False),
    Column("created_at", String(32), nullable=False),
    Column("training_config", JSON, nullable=False),
    Column("artifact_path", String(1024), nullable=False),
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
