-- SPDX-License-Identifier: Apache-2.0
-- What a suite found out item by item, so that two versions can be compared.
ALTER TABLE model_evals ADD COLUMN detail JSON;
