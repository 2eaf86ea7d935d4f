/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "pooler/requests.h"

#include <string.h>

#include "common/err.h"
#include "common/wire.h"
#include "tests/unit/unit.h"

/* The entries' numbers travel as their sqlstate pointer. */
static const char numbers[20000];

static unsigned
rnd(unsigned *seed, unsigned n)
{
	*seed = *seed * 1103515245u + 12345u;
	return (*seed >> 16) % n;
}

static void
push(struct requests *q, uint8_t kind, char type, size_t number)
{
	struct request r = { .kind = kind, .type = (uint8_t)type,
	    .why = kind == REQUEST_SKIP ? WHY_PREPARE : WHY_NONE,
	    .sqlstate = numbers + number };

	ck_assert_int_eq(requests_push(q, &r), 0);
}

static size_t
number_of(const struct request *r)
{
	return (size_t)(r->sqlstate - numbers);
}

static void
empty(struct requests *q)
{
	struct request r;

	while (requests_pop_newest(q, &r))
		free(r.text);
	requests_release(q);
}

START_TEST(replies_end_their_requests)
{
	static const char ends[][3] = { "Q" "Z", "F" "Z", "S" "Z", "P" "1",
	    "B" "2", "C" "3", "D" "T", "D" "n", "E" "C", "E" "I", "E" "s" };
	static const char all[] = "123CDEGHINSTWZcdnst";
	struct requests q;
	struct reply	rep;
	size_t	i, k, j;

	requests_init(&q);
	for (i = 0; i < ARRAY_LEN(ends); i++) {
		for (k = 0; all[k] != '\0'; k++) {
			bool ended = false, error = all[k] == 'E';
			int  r;

			push(&q, REQUEST_FORWARD, ends[i][0], 1);
			if (strchr("QF", ends[i][0]) != NULL)
				ck_assert_int_eq(requests_reply(&q, 'C',
				    &rep), 0);
			r = requests_reply(&q, (uint8_t)all[k], &rep);
			for (j = 0; j < ARRAY_LEN(ends); j++)
				ended |= !error && ends[j][0] == ends[i][0] &&
				    ends[j][1] == all[k];
			ck_assert_int_eq(rep.completes, ended);
			ck_assert_int_eq(r, all[k] == 'Z' && !ended ?
			    ERR_PROTOCOL : 0);
			ck_assert(!rep.swallow);
			empty(&q);
		}
	}
}
END_TEST

START_TEST(nothing_asked)
{
	struct requests q;
	struct reply	rep;

	requests_init(&q);
	/* Error, notice, parameter and notification may come at any time. */
	ck_assert_int_eq(requests_reply(&q, 'E', &rep), 0);
	ck_assert(!rep.failed && !rep.swallow && !rep.completes);
	ck_assert_int_eq(requests_reply(&q, 'N', &rep), 0);
	ck_assert_int_eq(requests_reply(&q, 'S', &rep), 0);
	ck_assert_int_eq(requests_reply(&q, 'A', &rep), 0);
	ck_assert_int_eq(requests_reply(&q, 'Z', &rep), ERR_PROTOCOL);
	ck_assert_int_eq(requests_reply(&q, 'D', &rep), ERR_PROTOCOL);
	ck_assert_int_eq(requests_reply(&q, '1', &rep), ERR_PROTOCOL);
	requests_release(&q);
}
END_TEST

/* Success of what we injected is swallowed, its error is the client's. */
START_TEST(skip)
{
	struct requests q;
	struct request	r;
	struct reply	rep;

	requests_init(&q);
	push(&q, REQUEST_SKIP, 'P', 1);
	push(&q, REQUEST_FORWARD, 'B', 2);
	push(&q, REQUEST_FORWARD, 'S', 3);
	ck_assert_int_eq(requests_reply(&q, 'N', &rep), 0);
	ck_assert(rep.swallow);
	ck_assert_int_eq(requests_reply(&q, 'S', &rep), 0);
	ck_assert(!rep.swallow);
	ck_assert_int_eq(requests_reply(&q, '1', &rep), 0);
	ck_assert(rep.swallow && rep.completes);
	ck_assert_int_eq(rep.done.why, WHY_PREPARE);
	ck_assert_int_eq(requests_reply(&q, '2', &rep), 0);
	ck_assert(!rep.swallow && rep.completes);
	push(&q, REQUEST_SKIP, 'P', 4);
	push(&q, REQUEST_FORWARD, 'S', 5);
	ck_assert_int_eq(requests_reply(&q, 'Z', &rep), 0);
	ck_assert_int_eq(requests_reply(&q, 'E', &rep), 0);
	ck_assert(!rep.swallow && rep.failed && !rep.completes);
	ck_assert(requests_drop(&q, &r));
	ck_assert_uint_eq(number_of(&r), 4);
	ck_assert(!requests_drop(&q, &r));
	ck_assert(!requests_ignoring(&q));
	ck_assert_uint_eq(q.count, 1);
	empty(&q);
}
END_TEST

START_TEST(internal_error_is_ours)
{
	struct requests q;
	struct request	in = { .kind = REQUEST_SKIP, .type = 'Q',
	    .why = WHY_PARAMS, .internal = true };
	struct reply	rep;

	requests_init(&q);
	ck_assert_int_eq(requests_push(&q, &in), 0);
	push(&q, REQUEST_FORWARD, 'Q', 2);
	ck_assert_int_eq(requests_reply(&q, 'E', &rep), 0);
	ck_assert(rep.swallow && !rep.failed && !rep.completes);
	ck_assert_int_eq(requests_reply(&q, 'Z', &rep), 0);
	ck_assert(rep.swallow && rep.completes);
	/* An error of a simple Query drops nothing; Ready ends it. */
	ck_assert_int_eq(requests_reply(&q, 'E', &rep), 0);
	ck_assert(!rep.swallow && !rep.failed && !rep.completes);
	ck_assert_int_eq(requests_reply(&q, 'Z', &rep), 0);
	ck_assert(!rep.swallow && rep.completes);
	ck_assert(!requests_need_sync(&q));
	requests_release(&q);
}
END_TEST

START_TEST(doomed)
{
	struct requests q;
	struct request	in = { .kind = REQUEST_DOOMED, .type = 'B',
	    .sqlstate = "26000", .text = strdup("no such statement") }, r;
	struct reply	rep;

	requests_init(&q);
	ck_assert_int_eq(requests_push(&q, &in), 0);
	push(&q, REQUEST_FAKE, 'P', 2);
	push(&q, REQUEST_FORWARD, 'S', 3);
	ck_assert_int_eq(requests_reply(&q, 'E', &rep), 0);
	ck_assert(rep.doomed && !rep.swallow && rep.failed);
	ck_assert_str_eq(rep.done.text, "no such statement");
	free(rep.done.text);
	ck_assert(requests_drop(&q, &r));
	ck_assert_uint_eq(number_of(&r), 2);
	ck_assert(requests_drop(&q, &r));
	ck_assert_int_eq(r.kind, REQUEST_DOOMED);
	ck_assert_ptr_null(r.text);
	ck_assert(!requests_drop(&q, &r));
	ck_assert_int_eq(requests_reply(&q, 'Z', &rep), 0);
	/* What must fail and succeeds is not the protocol any more. */
	in.text = NULL;
	ck_assert_int_eq(requests_push(&q, &in), 0);
	ck_assert_int_eq(requests_reply(&q, '2', &rep), ERR_PROTOCOL);
	empty(&q);
}
END_TEST

START_TEST(ignoring_until_sync)
{
	struct requests q;
	struct request	r;
	struct reply	rep;

	requests_init(&q);
	push(&q, REQUEST_FORWARD, 'P', 1);
	push(&q, REQUEST_FORWARD, 'Q', 2);
	ck_assert_int_eq(requests_reply(&q, 'E', &rep), 0);
	ck_assert(rep.failed);
	/* The server skips the Query too: only a Sync ends this. */
	ck_assert(requests_drop(&q, &r));
	ck_assert_uint_eq(number_of(&r), 2);
	ck_assert(requests_drop(&q, &r));
	ck_assert(requests_empty(&q));
	ck_assert(requests_ignoring(&q));
	ck_assert(requests_need_sync(&q));
	push(&q, REQUEST_FORWARD, 'S', 3);
	ck_assert(!requests_ignoring(&q));
	ck_assert(!requests_need_sync(&q));
	ck_assert_int_eq(requests_reply(&q, 'Z', &rep), 0);
	requests_release(&q);
}
END_TEST

/* A Flush has a batch answered; the server is still inside of it. */
START_TEST(sync_owed_after_flush)
{
	struct requests q;
	struct reply	rep;

	requests_init(&q);
	push(&q, REQUEST_FAKE, 'P', 1);
	ck_assert(!requests_need_sync(&q));
	ck_assert(requests_fake(&q, &rep.done));
	push(&q, REQUEST_FORWARD, 'B', 2);
	ck_assert_int_eq(requests_reply(&q, '2', &rep), 0);
	ck_assert(requests_empty(&q));
	ck_assert(requests_need_sync(&q));
	push(&q, REQUEST_FORWARD, 'S', 3);
	ck_assert(!requests_need_sync(&q));
	ck_assert_int_eq(requests_reply(&q, 'Z', &rep), 0);
	ck_assert(!requests_need_sync(&q));
	requests_release(&q);
}
END_TEST

/* COPY FROM STDIN, its data sent behind CopyInResponse or ahead of it. */
static bool
has_number(const struct request *r, const void *number)
{
	return number_of(r) == *(const size_t *)number;
}

static enum requests_place
where(const struct requests *q, size_t number)
{
	return requests_find(q, has_number, &number);
}

START_TEST(find)
{
	struct requests q;
	struct reply	rep;
	size_t	i;

	requests_init(&q);
	ck_assert_int_eq(where(&q, 1), REQUESTS_NOWHERE);
	push(&q, REQUEST_FORWARD, 'P', 1);
	push(&q, REQUEST_FORWARD, 'B', 2);
	ck_assert_int_eq(where(&q, 1), REQUESTS_SAME_BATCH);
	ck_assert_int_eq(where(&q, 2), REQUESTS_SAME_BATCH);
	push(&q, REQUEST_FORWARD, 'S', 3);
	push(&q, REQUEST_FAKE, 'C', 2);
	ck_assert_int_eq(where(&q, 1), REQUESTS_EARLIER_BATCH);
	/* The newest counts. */
	ck_assert_int_eq(where(&q, 2), REQUESTS_SAME_BATCH);
	ck_assert_int_eq(where(&q, 4), REQUESTS_NOWHERE);
	/* What is answered is gone. */
	ck_assert_int_eq(requests_reply(&q, '1', &rep), 0);
	ck_assert_int_eq(where(&q, 1), REQUESTS_NOWHERE);
	/* A long queue with a Sync somewhere in it: who knows. */
	for (i = 0; i < REQUESTS_LOOK; i++)
		push(&q, REQUEST_FORWARD, 'B', 5);
	ck_assert_int_eq(where(&q, 4), REQUESTS_EARLIER_BATCH);
	ck_assert_int_eq(where(&q, 5), REQUESTS_SAME_BATCH);
	empty(&q);
	/* Without one it is all one batch. */
	requests_init(&q);
	for (i = 0; i <= REQUESTS_LOOK; i++)
		push(&q, REQUEST_FORWARD, 'B', 5);
	ck_assert_int_eq(where(&q, 4), REQUESTS_SAME_BATCH);
	empty(&q);
}
END_TEST

START_TEST(copy_in)
{
	struct requests q;
	struct reply	rep;

	requests_init(&q);
	ck_assert(!requests_copy_in(&q));
	/* Execute, Sync, response, data and its end, Sync: one Ready. */
	push(&q, REQUEST_FORWARD, 'E', 1);
	push(&q, REQUEST_FORWARD, 'S', 2);
	ck_assert(requests_copy_in(&q));
	ck_assert_uint_eq(q.count, 1);
	ck_assert(requests_need_sync(&q));
	requests_copy_end(&q);
	push(&q, REQUEST_FORWARD, 'S', 3);
	ck_assert_int_eq(requests_reply(&q, 'C', &rep), 0);
	ck_assert_int_eq(requests_reply(&q, 'Z', &rep), 0);
	ck_assert_uint_eq(number_of(&rep.done), 3);
	/* The end was sent ahead: the Sync behind it counts. */
	push(&q, REQUEST_FORWARD, 'E', 4);
	requests_copy_end(&q);
	push(&q, REQUEST_FORWARD, 'S', 5);
	ck_assert(!requests_copy_in(&q));
	ck_assert_uint_eq(q.count, 2);
	ck_assert_int_eq(requests_reply(&q, 'C', &rep), 0);
	ck_assert_int_eq(requests_reply(&q, 'Z', &rep), 0);
	/* The same with a simple query. */
	push(&q, REQUEST_FORWARD, 'Q', 6);
	ck_assert(requests_copy_in(&q));
	requests_copy_end(&q);
	ck_assert(!requests_copy_in(&q));
	ck_assert_int_eq(requests_reply(&q, 'C', &rep), 0);
	ck_assert_int_eq(requests_reply(&q, 'Z', &rep), 0);
	/* Three COPYs in one, the ends of two sent ahead. */
	push(&q, REQUEST_FORWARD, 'Q', 7);
	requests_copy_end(&q);
	requests_copy_end(&q);
	ck_assert(!requests_copy_in(&q));
	ck_assert(!requests_copy_in(&q));
	ck_assert(requests_copy_in(&q));
	/* Ready, with nothing said before, is somebody else's. */
	ck_assert_int_eq(requests_reply(&q, 'Z', &rep), ERR_PROTOCOL);
	ck_assert_int_eq(requests_reply(&q, 'C', &rep), 0);
	ck_assert_int_eq(requests_reply(&q, 'Z', &rep), 0);
	requests_release(&q);
}
END_TEST

/* 10,000 entries in front of 10,000 behind a Sync: one step an entry. */
START_TEST(drop_many)
{
	struct requests q;
	struct request	r;
	struct reply	rep;
	size_t	round, i;

	requests_init(&q);
	for (round = 0; round < 20; round++) {
		for (i = 0; i < 10000; i++)
			push(&q, REQUEST_FORWARD, 'B', i);
		push(&q, REQUEST_FORWARD, 'S', i);
		for (i = 10001; i < 20000; i++)
			push(&q, REQUEST_FORWARD, 'E', i);
		ck_assert_int_eq(requests_reply(&q, 'E', &rep), 0);
		for (i = 10000; i-- > 0;) {
			ck_assert(requests_drop(&q, &r));
			ck_assert_uint_eq(number_of(&r), i);
		}
		ck_assert(!requests_drop(&q, &r));
		ck_assert_uint_eq(q.count, 10000);
		for (i = 0; i < q.count; i++)
			ck_assert_uint_eq(number_of(requests_at(&q, i)),
			    10000 + i);
		while (requests_pop_newest(&q, &r))
			;
	}
	requests_release(&q);
}
END_TEST

/* ---- a plain array as reference ---- */

struct ref {
	struct request	e[4096];
	size_t		n;
	bool		ignoring;
};

static void
ref_remove(struct ref *m, size_t i, size_t n)
{
	memmove(&m->e[i], &m->e[i + n], (m->n - i - n) * sizeof(m->e[0]));
	m->n -= n;
}

static void
ref_error(struct requests *q, struct ref *m)
{
	struct request r, head = m->e[0];
	struct reply   rep;
	size_t	n = 0;

	ck_assert_int_eq(requests_reply(q, 'E', &rep), 0);
	ck_assert(!rep.swallow);
	ck_assert_int_eq(rep.doomed, head.kind == REQUEST_DOOMED);
	ck_assert(!rep.completes);
	if (strchr("QFS", head.type) != NULL) {
		ck_assert(!rep.failed);
		return;
	}
	ck_assert(rep.failed);
	while (n < m->n && m->e[n].type != 'S')
		n++;
	m->ignoring = n == m->n;
	while (n-- > 0) {
		ck_assert(requests_drop(q, &r));
		ck_assert_uint_eq(number_of(&r), number_of(&m->e[n]));
		ref_remove(m, n, 1);
	}
	ck_assert(!requests_drop(q, &r));
}

static void
ref_reply(struct requests *q, struct ref *m, unsigned *seed)
{
	static const char answer[][2] = { "QZ", "FZ", "SZ", "P1", "B2", "C3",
	    "Dn", "EC" };
	struct request head = m->e[0], r;
	struct reply   rep;
	size_t	i = 0;

	if (head.kind == REQUEST_FAKE) {
		ck_assert(requests_fake(q, &r));
		ck_assert_uint_eq(number_of(&r), number_of(&head));
		ref_remove(m, 0, 1);
		return;
	}
	ck_assert(!requests_fake(q, &r));
	if (head.kind == REQUEST_DOOMED || rnd(seed, 8) == 0) {
		ref_error(q, m);
		return;
	}
	while (answer[i][0] != head.type)
		i++;
	if (head.type == 'Q' || head.type == 'F')
		ck_assert_int_eq(requests_reply(q, 'V', &rep), 0);
	ck_assert_int_eq(requests_reply(q, (uint8_t)answer[i][1], &rep), 0);
	ck_assert(rep.completes && !rep.failed);
	ck_assert_int_eq(rep.swallow, head.kind == REQUEST_SKIP);
	ck_assert_uint_eq(number_of(&rep.done), number_of(&head));
	ref_remove(m, 0, 1);
}

START_TEST(random_pipelines)
{
	static const char types[] = "QFPBDECSS";
	struct requests q;
	struct ref     *m = calloc(1, sizeof(*m));
	unsigned seed = 7;
	size_t	 i, number = 0;
	int	 step;

	requests_init(&q);
	for (step = 0; step < 300000; step++) {
		/* Now and then it grows, else it is nearly in balance. */
		bool grow = step % 20000 < 2000;

		if (rnd(&seed, 10) < (grow ? 9 : 4) && m->n < 4000) {
			char type = types[rnd(&seed, 9)];
			uint8_t kind = strchr("PC", type) != NULL ?
			    (uint8_t)rnd(&seed, 3) : type == 'B' &&
			    rnd(&seed, 8) == 0 ? REQUEST_DOOMED :
			    REQUEST_FORWARD;

			if (m->ignoring && type != 'S')
				continue;
			push(&q, kind, type, number++ % sizeof(numbers));
			m->e[m->n++] = *requests_at(&q, q.count - 1);
			m->ignoring = false;
		} else if (m->n > 0) {
			ref_reply(&q, m, &seed);
		}
		ck_assert_int_eq(requests_ignoring(&q), m->ignoring);
		ck_assert_uint_eq(q.count, m->n);
		if (step % 97 == 0)
			for (i = 0; i < m->n; i++)
				ck_assert_uint_eq(number_of(
				    requests_at(&q, i)), number_of(&m->e[i]));
	}
	empty(&q);
	free(m);
}
END_TEST

/* What the replies do to a queue, one letter each; X: it must be refused. */
static void
replies(struct requests *q, const char *types)
{
	struct reply   rep;
	struct request r;

	for (; *types != '\0'; types++) {
		if (*types == 'X') {
			types++;
			ck_assert_int_eq(requests_reply(q, (uint8_t)*types,
			    &rep), ERR_PROTOCOL);
			continue;
		}
		ck_assert_int_eq(requests_reply(q, (uint8_t)*types, &rep), 0);
		while (rep.failed && requests_drop(q, &r))
			;
	}
}

/* Syncs between the data of a COPY: answered only if it failed before. */
START_TEST(strays)
{
	struct requests q;
	struct reply	rep;
	const char *const ways[] = { "", "Z", "ZZ" };
	size_t	i;

	requests_init(&q);
	for (i = 0; i < ARRAY_LEN(ways); i++) {
		/* A success: none of them. */
		push(&q, REQUEST_FORWARD, 'Q', 1);
		ck_assert(requests_copy_in(&q));
		replies(&q, "G");
		requests_stray(&q);
		requests_stray(&q);
		ck_assert(requests_strays(&q));
		replies(&q, "CZ");
		ck_assert(!requests_strays(&q) && requests_empty(&q));

		/* A Query that fails: up to two, then ours. */
		push(&q, REQUEST_FORWARD, 'Q', 1);
		ck_assert(requests_copy_in(&q));
		replies(&q, "G");
		requests_stray(&q);
		requests_stray(&q);
		replies(&q, "EZ");
		ck_assert(requests_strays(&q) && requests_empty(&q));
		ck_assert(!requests_need_sync(&q));
		push(&q, REQUEST_SKIP, 'Q', 2);
		replies(&q, ways[i]);
		replies(&q, "IZ");
		ck_assert(!requests_strays(&q) && requests_empty(&q));
		replies(&q, "XZ");

		/* An Execute: the first of them ends the ignoring. */
		push(&q, REQUEST_FORWARD, 'E', 1);
		ck_assert(requests_copy_in(&q));
		replies(&q, "G");
		requests_stray(&q);
		requests_stray(&q);
		replies(&q, "E");
		replies(&q, ways[i]);
		ck_assert_int_eq(requests_ignoring(&q), i == 0);
		ck_assert_int_eq(requests_need_sync(&q), i == 0);
		requests_end_ignoring(&q);
		if (i == 0)
			push(&q, REQUEST_SKIP, 'S', 2);
		push(&q, REQUEST_SKIP, 'Q', 3);
		replies(&q, i == 0 ? "ZIZ" : "IZ");
		ck_assert(!requests_strays(&q) && requests_empty(&q));
		ck_assert_int_eq(requests_ignoring(&q), i == 0);
		push(&q, REQUEST_FORWARD, 'S', 1);
		replies(&q, "Z");
		ck_assert(!requests_need_sync(&q));

		/* They were on the way when we asked. */
		push(&q, REQUEST_FORWARD, 'E', 1);
		ck_assert(requests_copy_in(&q));
		replies(&q, "G");
		requests_stray(&q);
		requests_stray(&q);
		replies(&q, "E");
		requests_end_ignoring(&q);
		push(&q, REQUEST_SKIP, 'S', 2);
		push(&q, REQUEST_SKIP, 'Q', 3);
		replies(&q, ways[i]);
		ck_assert_int_eq(requests_reply(&q, 'Z', &rep), 0);
		ck_assert_int_eq(rep.swallow, i == 0);
		replies(&q, "IZ");
		ck_assert_int_eq(requests_ignoring(&q), i == 0);
		push(&q, REQUEST_FORWARD, 'S', 1);
		replies(&q, "Z");
		ck_assert(requests_empty(&q) && !requests_need_sync(&q));
	}
	empty(&q);
}
END_TEST

/* The same, sent before the server has said that it copies. */
/* A Sync right behind the Execute: a COPY may fail before it reads that. */
START_TEST(passed_over)
{
	struct requests q;
	const char *const ways[] = { "", "Z" };
	size_t	i;

	requests_init(&q);
	for (i = 0; i < ARRAY_LEN(ways); i++) {
		push(&q, REQUEST_FORWARD, 'E', 1);
		push(&q, REQUEST_FORWARD, 'S', 2);
		ck_assert(requests_copy_in(&q));
		replies(&q, "G");
		ck_assert(!requests_strays(&q));
		replies(&q, "E");
		ck_assert(requests_strays(&q) && requests_empty(&q));
		replies(&q, ways[i]);
		ck_assert_int_eq(requests_need_sync(&q), i == 0);
		if (i == 0) {
			requests_end_ignoring(&q);
			push(&q, REQUEST_SKIP, 'S', 3);
			replies(&q, "Z");
		}
		push(&q, REQUEST_SKIP, 'C', 4);
		push(&q, REQUEST_SKIP, 'S', 5);
		replies(&q, "3Z");
		ck_assert(!requests_strays(&q) && requests_empty(&q));
		push(&q, REQUEST_FORWARD, 'S', 6);
		replies(&q, "Z");

		/* Its end and the Sync behind that were on the way. */
		push(&q, REQUEST_FORWARD, 'E', 1);
		push(&q, REQUEST_FORWARD, 'S', 2);
		ck_assert(requests_copy_in(&q));
		replies(&q, "G");
		requests_copy_end(&q);
		push(&q, REQUEST_FORWARD, 'S', 3);
		replies(&q, "E");
		replies(&q, ways[i]);
		replies(&q, i == 0 ? "Z" : "");
		ck_assert(requests_empty(&q) && requests_strays(&q));
		push(&q, REQUEST_SKIP, 'C', 4);
		push(&q, REQUEST_SKIP, 'S', 5);
		replies(&q, i == 0 ? "3Z" : "Z3Z");
		ck_assert(!requests_strays(&q) && requests_empty(&q));

		/* An error behind it says that it was not answered. */
		push(&q, REQUEST_FORWARD, 'E', 1);
		push(&q, REQUEST_FORWARD, 'S', 2);
		requests_copy_end(&q);
		push(&q, REQUEST_FORWARD, 'S', 3);
		push(&q, REQUEST_FORWARD, 'E', 4);
		push(&q, REQUEST_FORWARD, 'P', 5);
		push(&q, REQUEST_FORWARD, 'S', 6);
		ck_assert(!requests_copy_in(&q));
		replies(&q, "GE");
		replies(&q, ways[i]);
		replies(&q, "ZE");
		ck_assert(!requests_strays(&q));
		replies(&q, "Z");
		ck_assert(requests_empty(&q));

		/* A success: it was passed over. */
		push(&q, REQUEST_FORWARD, 'E', 1);
		push(&q, REQUEST_FORWARD, 'S', 2);
		ck_assert(requests_copy_in(&q));
		replies(&q, "G");
		requests_copy_end(&q);
		push(&q, REQUEST_FORWARD, 'S', 3);
		replies(&q, "CZ");
		ck_assert(!requests_strays(&q) && requests_empty(&q));
	}
	empty(&q);
}
END_TEST

START_TEST(strays_ahead)
{
	struct requests q;
	struct reply	rep;

	requests_init(&q);
	/* In front of the data and between them it may have been read before
	 * the COPY failed, or not; behind CopyDone it counts. */
	push(&q, REQUEST_FORWARD, 'E', 1);
	push(&q, REQUEST_FORWARD, 'S', 2);
	requests_copy_data(&q);
	push(&q, REQUEST_FORWARD, 'S', 3);
	requests_copy_end(&q);
	push(&q, REQUEST_FORWARD, 'S', 4);
	ck_assert(!requests_copy_in(&q));
	ck_assert_uint_eq(q.count, 2);
	ck_assert_uint_eq(q.strays, 1);
	replies(&q, "GEZ");
	ck_assert(requests_empty(&q) && requests_strays(&q));
	replies(&q, "ZZXZ");

	/* A Query's Syncs: in front of each of its COPYs. */
	push(&q, REQUEST_FORWARD, 'Q', 1);
	push(&q, REQUEST_FORWARD, 'S', 2);
	requests_copy_end(&q);
	push(&q, REQUEST_FORWARD, 'S', 3);
	requests_copy_end(&q);
	push(&q, REQUEST_FORWARD, 'S', 4);
	ck_assert(!requests_copy_in(&q));
	replies(&q, "GC");
	ck_assert(!requests_copy_in(&q));
	replies(&q, "GCZZXZ");

	/* A query behind one of them is not mixed up with it. */
	push(&q, REQUEST_FORWARD, 'Q', 1);
	requests_copy_data(&q);
	push(&q, REQUEST_FORWARD, 'S', 2);
	push(&q, REQUEST_FORWARD, 'Q', 3);
	/* ... and Syncs that are still to come are not the COPY's. */
	ck_assert(!requests_copy_in(&q));
	replies(&q, "GEZZ");
	ck_assert_uint_eq(q.count, 1);
	replies(&q, "TDCZXZ");

	/* What was never sent ends nothing. */
	push(&q, REQUEST_FORWARD, 'Q', 1);
	requests_copy_data(&q);
	push(&q, REQUEST_FAKE, 'C', 2);
	ck_assert(requests_copy_in(&q));
	replies(&q, "GCZ");
	empty(&q);

	/* Messages that are dropped or not, nobody knows: the owner waits. */
	push(&q, REQUEST_FORWARD, 'E', 1);
	requests_copy_data(&q);
	ck_assert(!requests_sync_ahead(&q));
	push(&q, REQUEST_FORWARD, 'S', 2);
	ck_assert(requests_sync_ahead(&q));
	push(&q, REQUEST_FORWARD, 'P', 3);
	ck_assert(!requests_copy_in(&q));
	replies(&q, "G");
	ck_assert_int_eq(requests_reply(&q, 'E', &rep), 0);
	ck_assert(rep.lost && !rep.failed);
	empty(&q);
}
END_TEST

UNIT_MAIN("requests", replies_end_their_requests, nothing_asked, skip,
    internal_error_is_ours, doomed, ignoring_until_sync,
    sync_owed_after_flush, find, copy_in, strays, passed_over,
    strays_ahead, drop_many, random_pipelines)
