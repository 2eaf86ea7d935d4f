/* SPDX-License-Identifier: MIT */
/*
 * plan - which request of a store goes wrong, and how: by a seed.
 *
 * A seed decides how many of the requests are hit, which kinds of faults
 * there are, and after how many requests they end; the number of a request
 * decides the rest. The same seed and order of requests is the same plan.
 * Pure.
 */
#ifndef TESTS_FAULTS_PLAN_H
#define TESTS_FAULTS_PLAN_H

#include "common/base.h"

/* X(name, the word for it) */
#define PLAN_FAULTS(X) \
	X(NONE, "none") \
	/* Answered by the proxy; the store sees nothing. */ \
	X(ERROR_500, "500") \
	X(ERROR_503, "503") \
	X(BARE_503, "503-no-xml") \
	X(BARE_404, "404-no-xml") \
	X(OK_EMPTY, "200-empty") \
	X(OK_ERROR, "200-error") \
	X(OK_HTML, "200-html") \
	X(STALE, "answer-of-another") \
	/* Cut off. */ \
	X(CUT_REQUEST, "cut-in-request") \
	X(CUT_BEFORE, "cut-before") \
	X(CUT_AFTER, "cut-after") \
	X(CUT_HEAD, "cut-in-head") \
	X(CUT_BODY, "cut-in-body") \
	/* Silent for ever. */ \
	X(STALL_BEFORE, "stall-before") \
	X(STALL_AFTER, "stall-after") \
	X(STALL_BODY, "stall-in-body") \
	/* Whole, and wrong. */ \
	X(SHORT_BODY, "short-body") \
	X(LONG_BODY, "long-body") \
	X(TWICE, "request-twice") \
	X(DOUBLE, "answer-twice") \
	X(BAD_BODY, "flip-in-body") \
	X(BAD_HEAD, "flip-in-head") \
	X(BAD_SENT, "flip-in-sent-body") \
	X(BAD_ASKED, "flip-in-request") \
	X(BAD_ETAG, "wrong-etag") \
	X(DRIP, "byte-by-byte") \
	/* Right, but for no "100 Continue" before it. */ \
	X(NO_GO_ON, "no-100-continue")

enum plan_fault {
#define X(name, word) PLAN_##name,
	PLAN_FAULTS(X)
#undef X
	PLAN_COUNT
};

struct plan {
	uint64_t	seed;		/* 0: no faults */
	unsigned	percent;	/* of the requests */
	unsigned	until;		/* requests from here on are good */
	uint64_t	kinds;		/* bits of enum plan_fault */
};

/* What happens to one request. */
struct plan_step {
	enum plan_fault	fault;
	uint64_t	random;		/* for where and what */
};

void	plan_init(struct plan *, uint64_t seed);
/* Every request goes wrong in this one way; false: there is no such word. */
bool	plan_only(struct plan *, const char *word);
struct plan_step plan_step(const struct plan *, unsigned request);
const char *plan_word(enum plan_fault);

#endif /* TESTS_FAULTS_PLAN_H */
