# SPDX-License-Identifier: Apache-2.0
"""Every rule and every finder that the scrubber is shipped with, in the order in which they are tried."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from node0.finetune.corpus.scrub.finding import Finding
from node0.finetune.corpus.scrub.rules.call_rules import CALL_RULES
from node0.finetune.corpus.scrub.rules.connection_rules import CONNECTION_RULES
from node0.finetune.corpus.scrub.rules.context_rules import CONTEXT_RULES
from node0.finetune.corpus.scrub.rules.file_rules import FILE_RULES
from node0.finetune.corpus.scrub.rules.network_addresses import addresses
from node0.finetune.corpus.scrub.rules.personal.login_names import login_names
from node0.finetune.corpus.scrub.rules.personal.national_ids import NATIONAL_ID_RULES
from node0.finetune.corpus.scrub.rules.personal.personal_names import emails, homes, obfuscated_emails, people
from node0.finetune.corpus.scrub.rules.personal.personal_numbers import numbers
from node0.finetune.corpus.scrub.rules.personal.postal_addresses import ADDRESS_RULES
from node0.finetune.corpus.scrub.rules.prose_rules import PROSE_RULES
from node0.finetune.corpus.scrub.rules.secret_rule import SecretRule
from node0.finetune.corpus.scrub.rules.shell_rules import SHELL_RULES
from node0.finetune.corpus.scrub.rules.spoken.recovery_words import RECOVERY_RULES
from node0.finetune.corpus.scrub.rules.spoken.spoken_codes import CODE_RULES
from node0.finetune.corpus.scrub.rules.sql_rules import SQL_RULES, column_values, copied_values
from node0.finetune.corpus.scrub.rules.tables.result_tables import table_values
from node0.finetune.corpus.scrub.rules.token_rules import TOKEN_RULES

Finder = Callable[[str], Iterator[Finding]]
"Finds places by arithmetic and context, in one pass; a finding's `name` is what is numbered."

SECRET_RULES: tuple[SecretRule, ...] = (
    *TOKEN_RULES,
    *CONTEXT_RULES,
    *(
        replace(rule, in_line=True)
        for rule in (
            *SHELL_RULES,
            *CONNECTION_RULES,
            *SQL_RULES,
            *FILE_RULES,
            *CALL_RULES,
            *PROSE_RULES,
            *CODE_RULES,
            *RECOVERY_RULES,
            *NATIONAL_ID_RULES,
            *ADDRESS_RULES,
        )
    ),
)
"Where two overlap, the one that covers more is kept."

FINDERS: tuple[Finder, ...] = (
    column_values,
    copied_values,
    table_values,
    emails,
    obfuscated_emails,
    addresses,
    homes,
    login_names,
    numbers,
    people,
)
