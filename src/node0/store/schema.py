# SPDX-License-Identifier: Apache-2.0
"""The tables as the program sees them today, in types that SQLite and MySQL (Dolt) share.

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
