/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "common/deadline.h"
#include "tests/unit/unit.h"

struct entry {
	struct deadline	d;
	int		fired;
	uint64_t	at;
};

static uint64_t the_time;
static uint64_t last_due;

static void
fire(struct deadline *d)
{
	struct entry *e = container_of(d, struct entry, d);

	ck_assert_uint_eq(d->due, 0);
	ck_assert_uint_le(e->at, the_time);
	ck_assert_uint_ge(e->at, last_due);
	e->fired++;
}

START_TEST(one)
{
	struct deadlines h;
	struct entry	 e = { .d.fn = fire };

	deadlines_init(&h);
	ck_assert_uint_eq(deadlines_next(&h), DEADLINE_NEVER);
	e.at = 100;
	ck_assert_int_eq(deadline_set(&h, &e.d, 100), 0);
	ck_assert_uint_eq(deadlines_next(&h), 100);
	the_time = 99;
	deadlines_expire(&h, 99);
	ck_assert_int_eq(e.fired, 0);
	the_time = 100;
	deadlines_expire(&h, 100);
	ck_assert_int_eq(e.fired, 1);
	ck_assert_uint_eq(deadlines_next(&h), DEADLINE_NEVER);
	deadlines_release(&h);
}
END_TEST

START_TEST(moved_later_fires_once_at_the_new_time)
{
	struct deadlines h;
	struct entry	 e = { .d.fn = fire };

	deadlines_init(&h);
	ck_assert_int_eq(deadline_set(&h, &e.d, 100), 0);
	ck_assert_int_eq(deadline_set(&h, &e.d, 300), 0);
	e.at = 300;
	the_time = 200;
	deadlines_expire(&h, 200);
	ck_assert_int_eq(e.fired, 0);
	ck_assert_uint_eq(deadlines_next(&h), 300);
	ck_assert_int_eq(deadline_set(&h, &e.d, 250), 0);
	e.at = 250;
	ck_assert_uint_eq(deadlines_next(&h), 250);
	the_time = 260;
	deadlines_expire(&h, 260);
	ck_assert_int_eq(e.fired, 1);
	deadline_clear(&e.d);
	ck_assert_int_eq(deadline_set(&h, &e.d, 400), 0);
	deadline_clear(&e.d);
	the_time = 500;
	deadlines_expire(&h, 500);
	ck_assert_int_eq(e.fired, 1);
	deadlines_release(&h);
}
END_TEST

/* Against a plain array as the model. */
START_TEST(random_moves_match_a_model)
{
	enum { N = 300 };
	static struct entry e[N];
	struct deadlines h;
	unsigned seed = 7;
	int	 round, i;

	deadlines_init(&h);
	for (i = 0; i < N; i++)
		e[i].d.fn = fire;
	for (round = 1; round < 20000; round++) {
		struct entry *x = &e[rand_r(&seed) % N];
		unsigned what = (unsigned)rand_r(&seed) % 10;

		if (what < 7) {
			x->at = the_time + 1 + (unsigned)rand_r(&seed) % 500;
			ck_assert_int_eq(deadline_set(&h, &x->d, x->at), 0);
		} else if (what == 7) {
			deadline_clear(&x->d);
			x->at = 0;
		} else if (what == 8) {
			deadline_remove(&h, &x->d);
			x->at = 0;
		} else {
			the_time += (unsigned)rand_r(&seed) % 40;
			deadlines_expire(&h, the_time);
			for (i = 0; i < N; i++) {
				if (e[i].at != 0 && e[i].at <= the_time) {
					ck_assert_int_eq(e[i].fired, 1);
					e[i].at = 0;
				} else {
					ck_assert_int_eq(e[i].fired, 0);
				}
				e[i].fired = 0;
			}
		}
	}
	for (i = 0; i < N; i++)
		deadline_remove(&h, &e[i].d);
	ck_assert_uint_eq(h.count, 0);
	deadlines_release(&h);
}
END_TEST

UNIT_MAIN("deadline", one, moved_later_fires_once_at_the_new_time,
    random_moves_match_a_model)
