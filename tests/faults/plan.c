/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "tests/faults/plan.h"

#include <string.h>

/* splitmix64: every input bit changes half of the output. */
static uint64_t
mix(uint64_t x)
{
	x += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

void
plan_init(struct plan *p, uint64_t seed)
{
	static const unsigned percents[] = { 10, 25, 50, 80, 100 };
	uint64_t	r = mix(seed);
	unsigned	i, some;

	p->seed = seed;
	p->percent = percents[r % ARRAY_LEN(percents)];
	r = mix(r);
	p->until = r % 2 == 0 ? UINT32_MAX : 1 + (unsigned)(r >> 8) % 30;
	p->kinds = 0;
	/* All kinds, or from one to four of them. */
	r = mix(r);
	some = 1 + (unsigned)(r >> 8) % 4;
	if (r % 3 == 0)
		p->kinds = ~UINT64_C(0);
	for (i = 0; i < some; i++) {
		r = mix(r);
		p->kinds |= UINT64_C(1) << (1 + (r >> 16) % (PLAN_COUNT - 1));
	}
}

struct plan_step
plan_step(const struct plan *p, unsigned request)
{
	struct plan_step s = { PLAN_NONE, mix(mix(p->seed) + request) };
	unsigned	 kind;

	if (p->seed == 0 || request >= p->until ||
	    s.random % 100 >= p->percent)
		return s;
	s.random = mix(s.random);
	do {
		s.random = mix(s.random);
		kind = 1 + (unsigned)((s.random >> 16) % (PLAN_COUNT - 1));
	} while ((p->kinds >> kind & 1) == 0);
	s.fault = (enum plan_fault)kind;
	s.random = mix(s.random);
	return s;
}

bool
plan_only(struct plan *p, const char *word)
{
	unsigned i;

	for (i = 1; i < PLAN_COUNT; i++) {
		if (strcmp(plan_word((enum plan_fault)i), word) == 0) {
			*p = (struct plan){ 1, 100, UINT32_MAX,
			    UINT64_C(1) << i };
			return true;
		}
	}
	return false;
}

const char *
plan_word(enum plan_fault fault)
{
	static const char *const words[] = {
#define X(name, word) word,
		PLAN_FAULTS(X)
#undef X
	};

	return words[fault];
}
