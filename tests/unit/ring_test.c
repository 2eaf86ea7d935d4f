/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/ring.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archiver/segment.h"
#include "common/buf.h"
#include "common/err.h"

#define SIZE	((uint32_t)1 << 20)

/* An archive of segments 1 to `last`; a segment is filled with its number. */
static atomic_int	last, asked, failing, held, damaged;
static atomic_int	spool;		/* as the ring opened it */
static char		base[64], dir[96];
static struct ring	*ring;
static struct buf	warnings;
static int		out;

static int
give(void *arg, const struct ring_want *w, struct fetch_result *result,
    struct buf *warn, struct err *e)
{
	struct segment_name n;
	char	*p;

	ck_assert_ptr_eq(arg, &last);
	ck_assert_uint_eq(w->system_id, 77);
	ck_assert_int_eq(segment_parse(w->name, &n), 0);
	atomic_fetch_add(&asked, 1);
	while (atomic_load(&held) && !w->cancelled(w->arg))
		usleep(1000);
	if (w->cancelled(w->arg))
		return err_set(e, ERR_CANCELLED, "cancelled");
	if (atomic_load(&failing) != 0)
		return err_set(e, atomic_load(&failing), "no store");
	if ((int)n.lo > atomic_load(&last))
		return err_set(e, ERR_ABSENT, "not there");
	p = malloc(SIZE);
	memset(p, (int)n.lo, SIZE);
	digest_of(NULL, p, SIZE, &result->digest);
	result->size = SIZE;
	if ((int)n.lo == atomic_load(&damaged))
		p[5000] ^= 1;
	ck_assert_int_eq(pwrite(w->fd, p, SIZE, (off_t)w->offset),
	    (ssize_t)SIZE);
	free(p);
	if (n.lo == 5)
		buf_printf(warn, "five is special\n");
	atomic_store(&spool, w->fd);
	return 0;
}

static bool
never(void *arg)
{
	(void)arg;
	return false;
}

static bool
always(void *arg)
{
	(void)arg;
	return true;
}

static void
begin(uint64_t bytes, int threads)
{
	struct ring_config c = { dir, bytes, threads, give, &last };
	struct err	e = { 0 };
	char		path[96];

	snprintf(base, sizeof(base), "/tmp/homelab-unit.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(base));
	snprintf(dir, sizeof(dir), "%s/spool/main", base);
	ck_assert_int_eq(ring_new(&ring, &c, &e), 0);
	snprintf(path, sizeof(path), "%s/out", base);
	out = open(path, O_RDWR | O_CREAT, 0600);
	ck_assert_int_ge(out, 0);
	atomic_store(&last, 100);
}

static void
end(void)
{
	char cmd[96];

	ring_free(ring);
	close(out);
	buf_release(&warnings);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", base);
	ck_assert_int_eq(system(cmd), 0);
}

static struct ring_request
request(const char *reader, char name[SEGMENT_FILE_MAX], uint32_t tli,
    uint64_t number)
{
	struct ring_request q = { reader, 77,
	    segment_name_of(name, tli, number, SIZE), out, 200000000, never,
	    NULL };

	return q;
}

/* Waits until nothing is on its way. */
static struct ring_stats
quiet(void)
{
	struct ring_stats s;
	int	i;

	for (i = 0; i < 200000; i++) {
		ring_stats(ring, &s);
		if (s.pending == 0)
			break;
		usleep(1000);
	}
	ck_assert_uint_eq(s.pending, 0);
	return s;
}

/* As recovery does: asks the ring, says what it got elsewhere. */
static bool
get(const char *reader, uint32_t tli, uint64_t number)
{
	char	name[SEGMENT_FILE_MAX];
	struct ring_request q = request(reader, name, tli, number);
	unsigned char byte = 0;
	struct stat st;
	bool	hit;

	buf_clear(&warnings);
	if (atomic_load(&held) == 0)
		quiet();
	hit = ring_take(ring, &q, &warnings);
	if (hit) {
		ck_assert_int_eq(fstat(out, &st), 0);
		ck_assert_int_eq(st.st_size, SIZE);
		ck_assert_int_eq(pread(out, &byte, 1, SIZE - 1), 1);
		ck_assert_uint_eq(byte, number);
	}
	ring_follow(ring, &q, SIZE);
	return hit;
}

static bool
take(const char *reader, uint32_t tli, uint64_t number)
{
	char	name[SEGMENT_FILE_MAX];
	struct ring_request q = request(reader, name, tli, number);

	return ring_take(ring, &q, &warnings);
}

START_TEST(recovery)
{
	struct ring_stats s;
	int	i;

	begin(8 * SIZE, 3);
	ck_assert(!take("a", 1, 1));
	ring_stats(ring, &s);
	ck_assert_uint_eq(s.slots, 0);
	ck_assert(!get("a", 1, 1));
	for (i = 2; i <= 100; i++)
		ck_assert(get("a", 1, (uint64_t)i));
	/* Not there is not kept: it was asked for ahead once, in vain. */
	s = quiet();
	ck_assert_uint_eq(s.slots, 8);
	ck_assert_uint_eq(s.hits, 99);
	ck_assert_uint_eq(s.fetched, 99);
	ck_assert_uint_ge(s.failed, 1);
	ck_assert_uint_eq(s.dropped, 0);
	i = atomic_load(&asked);
	ck_assert(!take("a", 1, 101));
	ck_assert(!take("a", 1, 101));
	ck_assert_int_eq(atomic_load(&asked), i);
	/* It has come, and more with it. */
	atomic_store(&last, 110);
	ck_assert(!take("a", 1, 101));
	ck_assert(!get("a", 1, 101));
	ck_assert(get("a", 1, 102));
	/* A name that is none of a segment is nothing to the ring. */
	struct ring_request q = { "a", 77, "00000002.history", out, 0, never,
	    NULL };

	ck_assert(!ring_take(ring, &q, &warnings));
	ring_follow(ring, &q, 41);
	end();
}
END_TEST

START_TEST(timeline_switch)
{
	begin(8 * SIZE, 2);
	ck_assert(!get("a", 1, 1));
	ck_assert(get("a", 1, 2));
	quiet();
	/* PostgreSQL asks for the newest timeline first. */
	ck_assert(!take("a", 2, 3));
	ck_assert(get("a", 1, 3));
	ck_assert(!get("a", 2, 4));
	ck_assert(get("a", 2, 5));
	ck_assert(!take("a", 1, 6));
	end();
}
END_TEST

/* What was noted when it was fetched is told when it is handed out. */
START_TEST(notes)
{
	begin(8 * SIZE, 2);
	ck_assert(!get("a", 1, 3));
	ck_assert(get("a", 1, 4));
	ck_assert_str_eq(buf_cstr(&warnings), "");
	ck_assert(get("a", 1, 5));
	ck_assert_str_eq(buf_cstr(&warnings), "five is special\n");
	end();
}
END_TEST

/* A damaged segment is not handed out, and its successors are. */
START_TEST(rot)
{
	begin(8 * SIZE, 2);
	atomic_store(&damaged, 12);
	ck_assert(!get("a", 1, 10));
	ck_assert(get("a", 1, 11));
	ck_assert(!get("a", 1, 12));
	ck_assert(get("a", 1, 13));
	quiet();
	/* In the spool itself. */
	ck_assert_int_eq(ftruncate(atomic_load(&spool), 0), 0);
	ck_assert(!get("a", 1, 14));
	end();
}
END_TEST

/* While a segment is on its way, who asks waits; but not for ever. */
START_TEST(under_way)
{
	char	name[SEGMENT_FILE_MAX];
	struct ring_request q;

	begin(8 * SIZE, 1);
	atomic_store(&held, 1);
	ck_assert(!get("a", 1, 1));
	while (atomic_load(&asked) == 0)
		usleep(1000);
	q = request("a", name, 1, 2);
	q.timeout_us = 1000;
	ck_assert(!ring_take(ring, &q, &warnings));
	q.timeout_us = 100000000;
	q.cancelled = always;
	ck_assert(!ring_take(ring, &q, &warnings));
	/* One thread: 3 waits in the queue, and who asks is quicker. */
	ck_assert(!take("a", 1, 3));
	/* Another direction: what is under way is cancelled. */
	ck_assert(!get("a", 1, 50));
	ck_assert(!take("a", 1, 2));
	atomic_store(&held, 0);
	ck_assert(get("a", 1, 51));
	/* The end, with one under way. */
	atomic_store(&held, 1);
	ck_assert(!get("a", 1, 70));
	end();
}
END_TEST

START_TEST(failures)
{
	struct ring_stats s;
	int	i;

	begin(8 * SIZE, 2);
	atomic_store(&failing, ERR_TIMEOUT);
	ck_assert(!get("a", 1, 1));
	s = quiet();
	ck_assert_uint_ge(s.failed, 1);
	/* It is tried again when a segment was delivered, not before. */
	i = atomic_load(&asked);
	ck_assert(!take("a", 1, 2));
	ck_assert(!take("a", 1, 2));
	ck_assert_int_eq(atomic_load(&asked), i);
	ck_assert(!get("a", 1, 2));
	quiet();
	ck_assert_int_gt(atomic_load(&asked), i);
	atomic_store(&failing, ERR_NOSPACE);
	ck_assert(!get("a", 1, 3));
	s = quiet();
	ck_assert_uint_eq(s.fetched, 0);
	/* A full disk: nothing more for a while, and no request fails. */
	atomic_store(&failing, 0);
	ck_assert(!get("a", 1, 4));
	ck_assert(!get("a", 1, 5));
	s = quiet();
	ck_assert_uint_eq(s.fetched, 0);
	end();
	atomic_store(&failing, 0);
	/* No place for the file. */
	begin(8 * SIZE, 2);
	snprintf(dir, sizeof(dir), "touch %s/spool", base);
	ck_assert_int_eq(system(dir), 0);
	ck_assert(!get("a", 1, 1));
	ck_assert(!get("a", 1, 2));
	end();
	/* No room for a segment. */
	begin(SIZE - 1, 2);
	ck_assert(!get("a", 1, 1));
	ck_assert(!get("a", 1, 2));
	ring_stats(ring, &s);
	ck_assert_uint_eq(s.slots, 0);
	end();
}
END_TEST

/* Two readers at once, each in its own place of the archive. */
static void *
reader(void *arg)
{
	struct ring_request q;
	char		name[SEGMENT_FILE_MAX], file[96];
	struct buf	told = { 0 };
	const char	*who = arg;
	unsigned char	byte;
	uint64_t	i;
	long		hits = 0;

	for (i = 1; i <= 80; i++) {
		q = request(who, name, 1, i);
		snprintf(file, sizeof(file), "%s/out-%s", base, who);
		q.fd = open(file, O_RDWR | O_CREAT, 0600);
		if (ring_take(ring, &q, &told)) {
			hits++;
			ck_assert_int_eq(pread(q.fd, &byte, 1, 4000), 1);
			ck_assert_uint_eq(byte, i);
		}
		ring_follow(ring, &q, SIZE);
		close(q.fd);
		quiet();
	}
	buf_release(&told);
	return (void *)(intptr_t)hits;
}

START_TEST(readers)
{
	pthread_t one, two;
	void	*a, *b;

	begin(8 * SIZE, 2);
	ck_assert_int_eq(pthread_create(&one, NULL, reader, (void *)(uintptr_t)
	    "one"), 0);
	ck_assert_int_eq(pthread_create(&two, NULL, reader, (void *)(uintptr_t)
	    "two"), 0);
	pthread_join(one, &a);
	pthread_join(two, &b);
	ck_assert_int_gt((intptr_t)a, 0);
	ck_assert_int_gt((intptr_t)b, 0);
	end();
}
END_TEST

UNIT_MAIN("ring", recovery, timeline_switch, notes, rot, under_way, failures,
    readers)
