/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/crew.h"
#include "tests/unit/unit.h"

#define MEMBERS	4

static struct crew	crew;
static atomic_int	pieces, calls;
static bool		cancel;

struct member {
	int	done;
	int	fail_at;	/* 0: never */
};

static bool
cancelled(void *arg)
{
	ck_assert_ptr_eq(arg, &crew);
	return cancel;
}

static int
work(void *arg, struct err *e)
{
	struct member	*m = arg;

	atomic_fetch_add(&calls, 1);
	while (!crew_is_stopped(&crew) && atomic_fetch_sub(&pieces, 1) > 0) {
		if (++m->done == m->fail_at)
			return err_set(e, ERR_STORE, "piece %d", m->done);
	}
	return 0;
}

static int
run(struct member *members, int n, struct err *e)
{
	atomic_store(&pieces, n);
	atomic_store(&calls, 0);
	return crew_run(&crew, work, members, sizeof(*members), e);
}

START_TEST(all_pieces_once)
{
	struct member	m[MEMBERS] = { { 0, 0 } };
	struct err	e = { 0 };
	int		i, sum = 0;

	cancel = false;
	crew_init(&crew, MEMBERS, cancelled, &crew);
	ck_assert_int_eq(run(m, 1000, &e), 0);
	ck_assert_int_eq(atomic_load(&calls), MEMBERS);
	ck_assert_int_eq(run(m, 234, &e), 0);
	for (i = 0; i < MEMBERS; i++)
		sum += m[i].done;
	ck_assert_int_eq(sum, 1234);
	crew_release(&crew);
}
END_TEST

START_TEST(the_first_failure_stops_all)
{
	struct member	m[MEMBERS] = { { 0, 1 }, { 0, 1 }, { 0, 1 }, { 0, 1 } };
	struct err	e = { 0 }, later = { 0 };

	cancel = false;
	crew_init(&crew, MEMBERS, NULL, NULL);
	ck_assert_int_eq(run(m, 1000, &e), ERR_STORE);
	ck_assert_str_eq(e.msg, "piece 1");
	ck_assert_int_gt(atomic_load(&pieces), 1000 - 2 * MEMBERS);
	err_set(&later, ERR_CHECKSUM, "too late");
	crew_fail(&crew, &later);
	ck_assert_int_eq(run(m, 1000, &e), ERR_STORE);
	ck_assert_int_eq(atomic_load(&pieces), 1000);
	crew_release(&crew);
}
END_TEST

START_TEST(cancelling)
{
	struct member	m[MEMBERS] = { { 0, 0 } };
	struct err	e = { 0 };

	cancel = true;
	crew_init(&crew, MEMBERS, cancelled, &crew);
	ck_assert_int_eq(run(m, 1000, &e), ERR_CANCELLED);
	ck_assert_str_eq(e.msg, "cancelled");
	ck_assert_int_eq(atomic_load(&pieces), 1000);
	crew_release(&crew);
}
END_TEST

UNIT_MAIN("crew", all_pieces_once, the_first_failure_stops_all, cancelling)
