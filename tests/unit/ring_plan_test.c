/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/ring_plan.h"
#include "tests/unit/unit.h"

#include <stdio.h>

static struct ring_plan plan;
static int64_t now;

/* What is fetched ahead once this segment was delivered: "first-last". */
static const char *
follow(const char *reader, uint32_t tli, uint64_t number)
{
	static char text[64];
	struct ring_key key = { 77, number, tli };
	const struct ring_stream *s = ring_plan_follow(&plan, reader, &key,
	    ++now);
	uint64_t end = ring_plan_window_end(&plan, s);

	if (end <= number + 1)
		return "none";
	snprintf(text, sizeof(text), "%d-%d", (int)number + 1, (int)end - 1);
	return text;
}

static bool
covers(uint32_t tli, uint64_t number)
{
	struct ring_key key = { 77, number, tli };

	return ring_plan_covers(&plan, &key);
}

static void
missing(uint32_t tli, uint64_t number)
{
	struct ring_key key = { 77, number, tli };

	ring_plan_missing(&plan, &key);
}

static void
begin(unsigned slots)
{
	plan = (struct ring_plan){ .slots = slots };
	now = 0;
}

START_TEST(forward)
{
	begin(8);
	ck_assert(!covers(1, 11));
	ck_assert_str_eq(follow("a", 1, 10), "11-12");
	ck_assert_str_eq(follow("a", 1, 11), "12-15");
	ck_assert_str_eq(follow("a", 1, 12), "13-20");
	ck_assert_str_eq(follow("a", 1, 13), "14-21");
	/* The same again changes nothing; a jump begins anew. */
	ck_assert_str_eq(follow("a", 1, 13), "14-21");
	ck_assert_str_eq(follow("a", 1, 100), "101-102");
	ck_assert(covers(1, 101));
	ck_assert(!covers(1, 100));
	ck_assert(!covers(1, 103));
	ck_assert(!covers(2, 101));
}
END_TEST

/* pg_rewind walks backwards; recovery steps back once, to the redo point. */
START_TEST(backward)
{
	begin(8);
	follow("a", 1, 10);
	ck_assert_str_eq(follow("a", 1, 9), "none");
	ck_assert_str_eq(follow("a", 1, 8), "none");
	ck_assert_str_eq(follow("a", 1, 9), "10-11");
	ck_assert_str_eq(follow("a", 1, 10), "11-14");
}
END_TEST

START_TEST(timelines)
{
	begin(8);
	follow("a", 1, 10);
	follow("a", 1, 11);
	ck_assert(covers(1, 15));
	/* The switch lies in 12: the old timeline's successors are useless. */
	ck_assert_str_eq(follow("a", 2, 12), "13-20");
	ck_assert(covers(2, 13));
	ck_assert(!covers(1, 13));
	/* Another cluster in the same place. */
	struct ring_key other = { 78, 13, 2 };

	ck_assert_uint_eq(ring_plan_follow(&plan, "a", &other, 9)->depth,
	    RING_PLAN_FIRST);
	ck_assert(!covers(2, 14));
}
END_TEST

/* What is not there ends the window until it has come. */
START_TEST(the_end)
{
	begin(8);
	follow("a", 1, 10);
	follow("a", 1, 11);
	missing(1, 14);
	ck_assert(covers(1, 13));
	ck_assert(!covers(1, 14));
	ck_assert_str_eq(follow("a", 1, 12), "13-13");
	ck_assert_str_eq(follow("a", 1, 13), "none");
	ck_assert_str_eq(follow("a", 1, 14), "15-22");
	missing(1, 15);
	ck_assert_str_eq(follow("a", 2, 14), "15-22");
	/* Not of this stream. */
	missing(1, 15);
	missing(2, 14);
	ck_assert(covers(2, 15));
}
END_TEST

START_TEST(streams)
{
	begin(8);
	follow("a", 1, 10);
	follow("a", 1, 11);
	follow("a", 1, 12);
	ck_assert(covers(1, 20));
	/* Two readers share the ring. */
	ck_assert_str_eq(follow("b", 1, 50), "51-52");
	ck_assert(covers(1, 16));
	ck_assert(!covers(1, 17));
	ck_assert(covers(1, 52));
	follow("c", 1, 60);
	follow("d", 1, 70);
	follow("b", 1, 51);
	/* The fifth takes the place of the one that moved the longest ago. */
	follow("e", 1, 80);
	ck_assert_uint_eq(plan.count, RING_PLAN_STREAMS);
	ck_assert(!covers(1, 13));
	ck_assert(covers(1, 52));
	ck_assert(covers(1, 81));
	ring_plan_forget(&plan, now);
	ck_assert_uint_eq(plan.count, 1);
	ck_assert(covers(1, 81));
	ring_plan_forget(&plan, INT64_MAX);
	ck_assert(!covers(1, 81));
	/* A ring without room covers nothing. */
	begin(0);
	ck_assert_str_eq(follow("a", 1, 10), "none");
	ck_assert_str_eq(follow("a", 1, 11), "none");
}
END_TEST

UNIT_MAIN("ring_plan", forward, backward, timelines, the_end, streams)
