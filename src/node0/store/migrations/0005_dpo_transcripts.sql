-- SPDX-License-Identifier: Apache-2.0
-- What each of two compared versions did with a task.
CREATE TABLE dpo_transcripts (
  comparison VARCHAR(64) NOT NULL,
  side VARCHAR(1) NOT NULL,
  entry_id VARCHAR(128) NOT NULL,
  entry JSON NOT NULL,
  PRIMARY KEY (comparison, side)
);
