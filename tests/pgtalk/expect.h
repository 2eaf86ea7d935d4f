/* SPDX-License-Identifier: MIT */
/*
 * expect - what a connection has to receive, in words.
 *
 * See the head of pgtalk.c for the words.
 */
#ifndef TESTS_PGTALK_EXPECT_H
#define TESTS_PGTALK_EXPECT_H

#include "common/base.h"
#include "tests/pgtalk/conn.h"

/* Receives messages until all words are met; fail()s at the first that is not.
 * c->last is then what `let` is after. */
void	expect(struct conn *, char **words, size_t n);

#endif /* TESTS_PGTALK_EXPECT_H */
