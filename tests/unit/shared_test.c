/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "pooler/shared.h"

#include <pthread.h>

#include "tests/unit/unit.h"

#define IDS	10000

static struct shared shared;

static void *
take_ids(void *arg)
{
	uint64_t *out = arg, i;

	for (i = 0; i < IDS; i++)
		out[i] = shared_next_id(&shared);
	return NULL;
}

START_TEST(ids_are_given_once)
{
	static uint64_t	ids[2][IDS];
	static bool	seen[2 * IDS + 1];
	pthread_t	other;
	size_t		i, j;

	ck_assert_int_eq(pthread_create(&other, NULL, take_ids, ids[0]), 0);
	(void)take_ids(ids[1]);
	ck_assert_int_eq(pthread_join(other, NULL), 0);
	for (i = 0; i < 2; i++) {
		for (j = 0; j < IDS; j++) {
			ck_assert_uint_ge(ids[i][j], 1);
			ck_assert_uint_le(ids[i][j], 2 * IDS);
			ck_assert(!seen[ids[i][j]]);
			seen[ids[i][j]] = true;
		}
	}
}
END_TEST

static void
count(void *arg)
{
	++*(int *)arg;
}

START_TEST(a_kick_reaches_its_owner)
{
	int n = 0;

	shared.kick = count;
	shared.kick_arg = &n;
	shared_kick(&shared);
	shared_kick(&shared);
	ck_assert_int_eq(n, 2);
}
END_TEST

UNIT_MAIN("shared", ids_are_given_once, a_kick_reaches_its_owner)
