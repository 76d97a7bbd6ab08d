-- SPDX-License-Identifier: Apache-2.0
-- The tables of the store as they are today, for MySQL and Dolt: `make docs` writes them from
-- node0.store.tables. A store itself is made by the numbered files of node0.store.migrations.

CREATE TABLE canaries (
  number INTEGER NOT NULL,
  `role` VARCHAR(32) NOT NULL,
  rigs JSON NOT NULL,
  stable VARCHAR(140) NOT NULL,
  candidate VARCHAR(140) NOT NULL,
  settings JSON NOT NULL,
  deployment INTEGER NOT NULL,
  state VARCHAR(32) NOT NULL,
  evidence JSON NOT NULL,
  actor VARCHAR(128) NOT NULL,
  reason VARCHAR(1024) NOT NULL,
  started_at VARCHAR(32) NOT NULL,
  ended_at VARCHAR(32) NOT NULL,
  PRIMARY KEY (number)
);

CREATE TABLE contributions (
  id VARCHAR(64) NOT NULL,
  contributor VARCHAR(128) NOT NULL,
  entries INTEGER NOT NULL,
  sha256 VARCHAR(64) NOT NULL,
  reviewed_by VARCHAR(128) NOT NULL,
  note VARCHAR(1024) NOT NULL,
  received_at VARCHAR(32) NOT NULL,
  PRIMARY KEY (id)
);

CREATE TABLE deployments (
  number INTEGER NOT NULL,
  name VARCHAR(128) NOT NULL,
  version INTEGER NOT NULL,
  `role` VARCHAR(32) NOT NULL,
  agent VARCHAR(160) NOT NULL,
  rigs JSON NOT NULL,
  endpoint JSON NOT NULL,
  state VARCHAR(32) NOT NULL,
  forced INTEGER NOT NULL,
  actor VARCHAR(128) NOT NULL,
  reason VARCHAR(1024) NOT NULL,
  edits JSON NOT NULL,
  started_at VARCHAR(32) NOT NULL,
  ended_at VARCHAR(32) NOT NULL,
  PRIMARY KEY (number)
);

CREATE TABLE dpo_mined_pairs (
  id VARCHAR(64) NOT NULL,
  `role` VARCHAR(32) NOT NULL,
  situation VARCHAR(64) NOT NULL,
  chosen JSON NOT NULL,
  rejected JSON NOT NULL,
  verdict VARCHAR(16) NOT NULL,
  reason VARCHAR(1024) NOT NULL,
  actor VARCHAR(128) NOT NULL,
  found_at VARCHAR(32) NOT NULL,
  decided_at VARCHAR(32),
  PRIMARY KEY (id)
);

CREATE TABLE dpo_preferences (
  id VARCHAR(64) NOT NULL,
  task_bead_id VARCHAR(64) NOT NULL,
  `role` VARCHAR(32) NOT NULL,
  model_a VARCHAR(140) NOT NULL,
  model_b VARCHAR(140) NOT NULL,
  branch_a VARCHAR(255) NOT NULL,
  branch_b VARCHAR(255) NOT NULL,
  chosen_branch VARCHAR(255),
  rejected_branch VARCHAR(255),
  reason VARCHAR(1024) NOT NULL,
  actor VARCHAR(128) NOT NULL,
  created_at VARCHAR(32) NOT NULL,
  decided_at VARCHAR(32),
  PRIMARY KEY (id)
);

CREATE TABLE dpo_transcripts (
  comparison VARCHAR(64) NOT NULL,
  side VARCHAR(1) NOT NULL,
  entry_id VARCHAR(128) NOT NULL,
  entry JSON NOT NULL,
  PRIMARY KEY (comparison, side)
);

CREATE TABLE live_outcomes (
  name VARCHAR(128) NOT NULL,
  version INTEGER NOT NULL,
  session_id VARCHAR(128) NOT NULL,
  at VARCHAR(32) NOT NULL,
  succeeded INTEGER NOT NULL,
  PRIMARY KEY (name, version, session_id)
);

CREATE TABLE model_events (
  number INTEGER NOT NULL,
  at VARCHAR(32) NOT NULL,
  actor VARCHAR(128) NOT NULL,
  name VARCHAR(128) NOT NULL,
  version INTEGER NOT NULL,
  event VARCHAR(32) NOT NULL,
  reason VARCHAR(1024) NOT NULL,
  detail JSON NOT NULL,
  PRIMARY KEY (number)
);

CREATE TABLE model_registry (
  name VARCHAR(128) NOT NULL,
  version INTEGER NOT NULL,
  `role` VARCHAR(32) NOT NULL,
  base_model VARCHAR(1024) NOT NULL,
  base_digest VARCHAR(64) NOT NULL,
  corpus_hash VARCHAR(64) NOT NULL,
  entries_sha256 VARCHAR(64) NOT NULL,
  content_digest VARCHAR(64) NOT NULL,
  eval_score DOUBLE,
  eval_scores_by_category JSON NOT NULL,
  lora_adapters JSON NOT NULL,
  deployment_status VARCHAR(32) NOT NULL,
  deployed_to JSON NOT NULL,
  created_at VARCHAR(32) NOT NULL,
  training_config JSON NOT NULL,
  artifact_path VARCHAR(1024) NOT NULL,
  parent VARCHAR(140) NOT NULL,
  code_version VARCHAR(64) NOT NULL,
  scrub_version VARCHAR(64) NOT NULL,
  signer VARCHAR(64) NOT NULL,
  signature VARCHAR(128) NOT NULL,
  PRIMARY KEY (name, version)
);

CREATE TABLE training_jobs (
  id VARCHAR(128) NOT NULL,
  run_dir VARCHAR(1024) NOT NULL,
  bead_id VARCHAR(64),
  `role` VARCHAR(32) NOT NULL,
  mode VARCHAR(32) NOT NULL,
  state VARCHAR(32) NOT NULL,
  created_at VARCHAR(32) NOT NULL,
  updated_at VARCHAR(32) NOT NULL,
  PRIMARY KEY (id)
);

CREATE TABLE job_transitions (
  job_id VARCHAR(128) NOT NULL,
  number INTEGER NOT NULL,
  at VARCHAR(32) NOT NULL,
  state VARCHAR(32) NOT NULL,
  reason VARCHAR(1024) NOT NULL,
  PRIMARY KEY (job_id, number),
  FOREIGN KEY(job_id) REFERENCES training_jobs (id)
);

CREATE TABLE model_aliases (
  name VARCHAR(128) NOT NULL,
  alias VARCHAR(32) NOT NULL,
  version INTEGER NOT NULL,
  moved_at VARCHAR(32) NOT NULL,
  PRIMARY KEY (name, alias),
  FOREIGN KEY(name, version) REFERENCES model_registry (name, version)
);

CREATE TABLE model_artefacts (
  name VARCHAR(128) NOT NULL,
  version INTEGER NOT NULL,
  path VARCHAR(512) NOT NULL,
  sha256 VARCHAR(64) NOT NULL,
  size BIGINT NOT NULL,
  PRIMARY KEY (name, version, path),
  FOREIGN KEY(name, version) REFERENCES model_registry (name, version)
);

CREATE TABLE model_evals (
  name VARCHAR(128) NOT NULL,
  version INTEGER NOT NULL,
  number INTEGER NOT NULL,
  at VARCHAR(32) NOT NULL,
  suite VARCHAR(128) NOT NULL,
  items INTEGER NOT NULL,
  score DOUBLE NOT NULL,
  low DOUBLE,
  high DOUBLE,
  by_category JSON NOT NULL,
  detail JSON,
  PRIMARY KEY (name, version, number),
  FOREIGN KEY(name, version) REFERENCES model_registry (name, version)
);
