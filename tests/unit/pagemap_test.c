/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/pagemap.h"
#include "common/buf.h"
#include "common/err.h"
#include "tests/unit/unit.h"

#include <string.h>

static struct pagemap_run
run(uint64_t first, uint32_t pages, uint32_t pack, uint64_t offset,
    uint32_t stored)
{
	struct pagemap_run r = { .first = first, .pages = pages, .pack = pack,
	    .offset = offset, .stored = stored, .backup = PAGEMAP_OWN };

	memset(r.digest, (int)first + 1, sizeof(r.digest));
	return r;
}

static void
assert_same(const struct pagemap *a, const struct pagemap *b)
{
	size_t	i;

	ck_assert_uint_eq(a->count, b->count);
	ck_assert_uint_eq(a->backup_count, b->backup_count);
	for (i = 0; i < a->backup_count; i++)
		ck_assert_str_eq(a->backups[i], b->backups[i]);
	for (i = 0; i < a->count; i++) {
		const struct pagemap_run *x = &a->runs[i], *y = &b->runs[i];

		ck_assert_uint_eq(x->first, y->first);
		ck_assert_uint_eq(x->pages, y->pages);
		ck_assert_uint_eq(x->skip, y->skip);
		ck_assert_uint_eq(x->backup, y->backup);
		ck_assert_uint_eq(x->pack, y->pack);
		ck_assert_uint_eq(x->offset, y->offset);
		ck_assert_uint_eq(x->stored, y->stored);
		ck_assert_int_eq(memcmp(x->digest, y->digest, 16), 0);
	}
}

static void
round_trip(const struct pagemap *m)
{
	struct pagemap	back = { 0 };
	struct buf	b = { 0 };
	struct err	e = { 0 };
	size_t		n;

	pagemap_encode(m, &b);
	ck_assert(!buf_failed(&b));
	ck_assert_int_eq(pagemap_decode(&back, buf_bytes(&b), buf_len(&b),
	    &e), 0);
	assert_same(m, &back);
	pagemap_release(&back);
	/* No prefix of a map is a map, nor is a map with a tail. */
	for (n = 0; n < buf_len(&b); n++) {
		ck_assert_int_eq(pagemap_decode(&back, buf_bytes(&b), n, &e),
		    ERR_FORMAT);
	}
	buf_append_u8(&b, 0);
	ck_assert_int_eq(pagemap_decode(&back, buf_bytes(&b), buf_len(&b),
	    &e), ERR_FORMAT);
	buf_release(&b);
}

START_TEST(full_backup)
{
	struct pagemap_run runs[] = {
		run(0, 8, 3, 1000, 20000), run(8, 8, 3, 21000, 1),
		run(16, 8, 4, 0, 65536), run(24, 1, 2, 16000000, 300),
	};
	struct pagemap	m = { .runs = runs, .count = ARRAY_LEN(runs) };

	round_trip(&m);
}
END_TEST

START_TEST(nothing)
{
	struct pagemap	m = { 0 };

	round_trip(&m);
}
END_TEST

START_TEST(references_to_others)
{
	char		first[] = "20251123-020000F";
	char		second[] = "20251123-020000F_20251124-020000I";
	char		*labels[] = { first, second };
	struct pagemap_run runs[] = {
		run(0, 3, 9, 500, 700), run(3, 2, 9, 500, 700),
		run(5, 3, 1, 0, 9),
	};
	struct pagemap	m = { .runs = runs, .count = ARRAY_LEN(runs),
	    .backups = labels, .backup_count = 2 };

	runs[0].backup = 0;
	runs[1].backup = 1;
	runs[1].skip = 3;
	round_trip(&m);
}
END_TEST

START_TEST(size_of_a_large_map)
{
	struct pagemap_run *runs = calloc(16384, sizeof(*runs));
	struct pagemap	m = { .runs = runs, .count = 16384 };
	struct buf	b = { 0 };
	size_t		i;

	for (i = 0; i < m.count; i++) {
		runs[i] = run(i * 8, 8, (uint32_t)(i / 700),
		    (i % 700) * 23000, 23000);
	}
	pagemap_encode(&m, &b);
	/* pages, skip, pack, offset: a byte each; stored 3; digest 16. */
	ck_assert_uint_le(buf_len(&b), 16384 * 23 + 200);
	buf_release(&b);
	free(runs);
}
END_TEST

/* Whatever the bytes: an error or a map that keeps the invariant. */
START_TEST(rubbish)
{
	struct pagemap	m;
	struct err	e = { 0 };
	unsigned char	b[200];
	uint32_t	x = 1;
	int		round;
	size_t		i, n;

	for (round = 0; round < 200000; round++) {
		x = x * 1664525u + 1013904223u;
		n = x >> 24;
		n = n < sizeof(b) ? n : sizeof(b);
		for (i = 0; i < n; i++) {
			x = x * 1664525u + 1013904223u;
			b[i] = (unsigned char)(x >> 28 & 1 ? x >> 24 : x >> 29);
		}
		if (n > 3) {
			b[0] = 1;
			b[1] = (unsigned char)(x >> 30);
			b[2] = (unsigned char)(x >> 29 & 1);
		}
		if (pagemap_decode(&m, b, n, &e) != 0) {
			ck_assert_int_eq(e.code, ERR_FORMAT);
			continue;
		}
		for (i = 0; i < m.count; i++) {
			ck_assert_uint_ge(m.runs[i].pages, 1);
			ck_assert_uint_le(m.runs[i].pages, PAGEMAP_RUN_PAGES);
			ck_assert_uint_eq(m.runs[i].first, i == 0 ? 0 :
			    m.runs[i - 1].first + m.runs[i - 1].pages);
		}
		pagemap_release(&m);
	}
	/* A count that the bytes cannot hold allocates nothing. */
	ck_assert_int_eq(pagemap_decode(&m, "\001\377\377\377\017\000", 6, &e),
	    ERR_FORMAT);
	ck_assert_str_eq(e.msg, "malformed block map (6 bytes)");
	/* Labels become parts of keys: no byte 0, no other directory. */
	ck_assert_int_eq(pagemap_decode(&m, "\001\000\001\001\000", 5, &e),
	    ERR_FORMAT);
	ck_assert_int_eq(pagemap_decode(&m, "\001\000\001\004../x", 8, &e),
	    ERR_FORMAT);
}
END_TEST

UNIT_MAIN("pagemap", full_backup, nothing, references_to_others,
    size_of_a_large_map, rubbish)
