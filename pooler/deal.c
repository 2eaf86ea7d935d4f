/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "pooler/deal.h"

static unsigned
expected(const struct deal_load *l)
{
	return l->busy + l->fresh * DEAL_EXPECTED;
}

/* All loads above this are alike: a busy thread cannot be busier. */
#define FULL	950

static bool
better(const struct deal_load *a, const struct deal_load *b)
{
	unsigned x = MIN(expected(a), FULL), y = MIN(expected(b), FULL);

	return x != y ? x < y : a->clients < b->clients;
}

uint32_t
deal_choose(const struct deal_load *l, uint32_t n)
{
	uint32_t i, best = 0;

	for (i = 0; i < n; i++) {
		if (expected(&l[i]) < DEAL_BUSY)
			return i;
		if (better(&l[i], &l[best]))
			best = i;
	}
	return best;
}

void
deal_forget(atomic_uint *fresh, uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n; i++)
		atomic_fetch_sub(&fresh[i], (atomic_load(&fresh[i]) + 1) / 2);
}
