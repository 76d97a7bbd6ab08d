-- SPDX-License-Identifier: Apache-2.0
-- Pairs of answers that a corpus gave, and what a person said of each.
CREATE TABLE dpo_mined_pairs (
  id VARCHAR(64) NOT NULL,
  role VARCHAR(32) NOT NULL,
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
