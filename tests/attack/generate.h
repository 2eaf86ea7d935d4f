/* SPDX-License-Identifier: MIT */
/*
 * generate - random scripts, each made from its seed alone.
 *
 * They use what a pooler in transaction mode promises to keep: statements of
 * the protocol, settings that are reported, transactions with all that lives
 * in them. Not what cannot move between servers (SQL's PREPARE, LISTEN,
 * temporary tables that outlive a transaction). The table t(a int, b text)
 * has rows 1 to 5.
 */
#ifndef TESTS_ATTACK_GENERATE_H
#define TESTS_ATTACK_GENERATE_H

#include "tests/attack/script.h"

void	script_generate(struct script *, uint64_t seed);

#endif /* TESTS_ATTACK_GENERATE_H */
