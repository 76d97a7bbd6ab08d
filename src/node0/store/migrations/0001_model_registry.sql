-- SPDX-License-Identifier: Apache-2.0
-- One row a version of a model, and one row a file of that version.
CREATE TABLE model_registry (
  name VARCHAR(128) NOT NULL,
  version INTEGER NOT NULL,
  role VARCHAR(32) NOT NULL,
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
  PRIMARY KEY (name, version)
);
CREATE TABLE model_artefacts (
  name VARCHAR(128) NOT NULL,
  version INTEGER NOT NULL,
  path VARCHAR(512) NOT NULL,
  sha256 VARCHAR(64) NOT NULL,
  size BIGINT NOT NULL,
  PRIMARY KEY (name, version, path),
  FOREIGN KEY (name, version) REFERENCES model_registry (name, version)
);
