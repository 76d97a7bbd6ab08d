-- SPDX-License-Identifier: Apache-2.0
-- Lineage and proof of a version; aliases that move; what happened to a model, where it was put to work,
-- how it was measured; preferences between two versions; what other operators contributed.
ALTER TABLE model_registry ADD COLUMN parent VARCHAR(140) NOT NULL DEFAULT '';
ALTER TABLE model_registry ADD COLUMN code_version VARCHAR(64) NOT NULL DEFAULT '';
ALTER TABLE model_registry ADD COLUMN scrub_version VARCHAR(64) NOT NULL DEFAULT '';
ALTER TABLE model_registry ADD COLUMN signer VARCHAR(64) NOT NULL DEFAULT '';
ALTER TABLE model_registry ADD COLUMN signature VARCHAR(128) NOT NULL DEFAULT '';
CREATE TABLE model_aliases (
  name VARCHAR(128) NOT NULL,
  alias VARCHAR(32) NOT NULL,
  version INTEGER NOT NULL,
  moved_at VARCHAR(32) NOT NULL,
  PRIMARY KEY (name, alias),
  FOREIGN KEY (name, version) REFERENCES model_registry (name, version)
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
  PRIMARY KEY (name, version, number),
  FOREIGN KEY (name, version) REFERENCES model_registry (name, version)
);
CREATE TABLE deployments (
  number INTEGER NOT NULL,
  name VARCHAR(128) NOT NULL,
  version INTEGER NOT NULL,
  role VARCHAR(32) NOT NULL,
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
CREATE TABLE dpo_preferences (
  id VARCHAR(64) NOT NULL,
  task_bead_id VARCHAR(64) NOT NULL,
  role VARCHAR(32) NOT NULL,
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
