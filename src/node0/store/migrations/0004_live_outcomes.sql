-- SPDX-License-Identifier: Apache-2.0
-- How the sessions of a version at work ended.
CREATE TABLE live_outcomes (
  name VARCHAR(128) NOT NULL,
  version INTEGER NOT NULL,
  session_id VARCHAR(128) NOT NULL,
  at VARCHAR(32) NOT NULL,
  succeeded INTEGER NOT NULL,
  PRIMARY KEY (name, version, session_id)
);
