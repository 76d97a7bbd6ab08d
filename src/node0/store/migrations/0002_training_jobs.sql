-- SPDX-License-Identifier: Apache-2.0
-- One row a run directory, and one row for each state that its training was in.
CREATE TABLE training_jobs (
  id VARCHAR(128) NOT NULL,
  run_dir VARCHAR(1024) NOT NULL,
  bead_id VARCHAR(64),
  role VARCHAR(32) NOT NULL,
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
  FOREIGN KEY (job_id) REFERENCES training_jobs (id)
);
