/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "common/loop.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "common/err.h"
#include "tests/unit/pollers.h"

#define THREADS	3
#define POSTS	20000

struct job {
	struct loop_task task;
	struct loop	*loop;
	unsigned	 thread, number;
};

static struct loop the_loop;
static unsigned next_of[THREADS], ended;

static void
on_job(struct loop_task *t)
{
	struct job *j = container_of(t, struct job, task);

	/* Each thread's tasks come in the order of posting. */
	ck_assert_uint_eq(j->number, next_of[j->thread]);
	next_of[j->thread]++;
	if (j->number + 1 == POSTS && ++ended == THREADS)
		loop_stop(j->loop);
}

static void *
poster(void *arg)
{
	struct job *jobs = arg;
	unsigned i;

	for (i = 0; i < POSTS; i++)
		loop_post(jobs[i].loop, &jobs[i].task);
	return NULL;
}

START_TEST(posts_from_threads)
{
	struct job *jobs[THREADS];
	pthread_t   id[THREADS];
	struct err  e;
	unsigned    i, k;

	ck_assert_int_eq(loop_init(&the_loop, test_io, &e), 0);
	for (i = 0; i < THREADS; i++) {
		jobs[i] = calloc(POSTS, sizeof(*jobs[i]));
		for (k = 0; k < POSTS; k++)
			jobs[i][k] = (struct job){ .task.fn = on_job,
			    .loop = &the_loop, .thread = i, .number = k };
		ck_assert_int_eq(pthread_create(&id[i], NULL, poster, jobs[i]),
		    0);
	}
	/* A wake that is lost makes this wait for ever. */
	loop_run(&the_loop);
	for (i = 0; i < THREADS; i++) {
		pthread_join(id[i], NULL);
		ck_assert_uint_eq(next_of[i], POSTS);
		free(jobs[i]);
	}
	loop_release(&the_loop);
}
END_TEST

static struct loop_corpse corpse;
static int buried, tasks_run, due;

static void
bury(struct loop_corpse *c)
{
	ck_assert_ptr_eq(c, &corpse);
	buried++;
}

static void
again(struct loop_task *t)
{
	tasks_run++;
	ck_assert_int_eq(buried, 0);
	if (tasks_run == 1)
		loop_free_later(&the_loop, &corpse);
	if (tasks_run < 3)
		loop_post(&the_loop, t);
}

START_TEST(one_turn)
{
	struct loop_task t = { .fn = again };
	struct err e;

	corpse.fn = bury;
	ck_assert_int_eq(loop_init(&the_loop, test_io, &e), 0);
	loop_post(&the_loop, &t);
	/* A task that posts itself runs once a turn; corpses end the turn. */
	loop_turn(&the_loop, -1);
	ck_assert_int_eq(tasks_run, 1);
	ck_assert_int_eq(buried, 1);
	buried = 0;
	loop_turn(&the_loop, -1);
	ck_assert_int_eq(tasks_run, 2);
	/* What is left is run before the loop ends. */
	loop_release(&the_loop);
	ck_assert_int_eq(tasks_run, 3);
}
END_TEST

static void
on_due(struct deadline *d UNUSED)
{
	due++;
}

START_TEST(deadline_ends_the_wait)
{
	struct deadline d = { .fn = on_due };
	struct err e;
	uint64_t   start;
	int	   turns;

	ck_assert_int_eq(loop_init(&the_loop, test_io, &e), 0);
	start = loop_now(&the_loop);
	ck_assert_int_eq(deadline_set(&the_loop.deadlines, &d, start + 20500),
	    0);
	for (turns = 0; due == 0; turns++)
		loop_turn(&the_loop, -1);
	ck_assert_uint_ge(loop_now(&the_loop) - start, 20500);
	/* It sleeps, it does not spin. */
	ck_assert_int_le(turns, 3);
	loop_release(&the_loop);
}
END_TEST

struct sum {
	struct loop_work work;
	pthread_t	 home;
	unsigned	 n, result;
};

static unsigned works_done;

static void
add(struct loop_work *w)
{
	struct sum *s = container_of(w, struct sum, work);
	unsigned i;

	ck_assert(!pthread_equal(pthread_self(), s->home));
	for (i = 1; i <= s->n; i++)
		s->result += i;
}

static void
added(struct loop_work *w)
{
	struct sum *s = container_of(w, struct sum, work);

	ck_assert(pthread_equal(pthread_self(), s->home));
	ck_assert_uint_eq(s->result, s->n * (s->n + 1) / 2);
	works_done++;
}

START_TEST(work)
{
	struct sum s[20];
	struct err e;
	unsigned   i;

	ck_assert_int_eq(loop_init(&the_loop, test_io, &e), 0);
	for (i = 0; i < 20; i++) {
		s[i] = (struct sum){ .work = { .work = add, .done = added },
		    .home = pthread_self(), .n = i };
		if (i == 15)
			while (works_done < 15)
				loop_turn(&the_loop, -1);
		ck_assert_int_eq(loop_work(&the_loop, &s[i].work), 0);
	}
	/* `done` comes also while the loop ends. */
	loop_release(&the_loop);
	ck_assert_uint_eq(works_done, 20);
}
END_TEST

UNIT_MAIN_POLLERS("loop", posts_from_threads, one_turn, deadline_ends_the_wait, work)
