-- SPDX-License-Identifier: Apache-2.0
-- Versions that a share of a role's sessions tried, and how that ended.
CREATE TABLE canaries (
  number INTEGER NOT NULL,
  role VARCHAR(32) NOT NULL,
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
