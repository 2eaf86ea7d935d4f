/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/unpack_plan.h"
#include "archiver/crew.h"
#include "archiver/manifest.h"
#include "common/buf.h"
#include "common/err.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#define RUNS	3

static struct buf	pack;		/* two encoded maps, one after another */
static int		fetches, bad_attempts;
static char		reported[64];

static int
fetch(void *arg, int attempt, const struct unpack_piece *p, void *out,
    struct err *e)
{
	(void)arg;
	fetches++;
	ck_assert_uint_eq(p->pack, 7);
	if (attempt < bad_attempts && attempt % 2 == 1)
		return err_set(e, ERR_CONNECT, "copy %d is away", attempt);
	memcpy(out, buf_bytes(&pack) + p->offset, p->n);
	if (attempt < bad_attempts)
		((unsigned char *)out)[p->n / 2] ^= 1;
	return 0;
}

static void
report(void *arg, const struct manifest_file *f, const struct err *e)
{
	(void)arg;
	ck_assert_int_ne(e->code, 0);
	snprintf(reported, sizeof(reported), "%s", f->path);
}

/* A file of RUNS runs in pack 3, whose map goes to the end of the pack. */
static void
add_mapped(struct manifest *m, const char *path, uint64_t offset)
{
	struct pagemap_run runs[RUNS] = { { 0 } };
	struct pagemap	map = { .runs = runs, .count = RUNS };
	struct manifest_file *f = manifest_add_file(m, path);
	size_t		i, start = buf_len(&pack);

	for (i = 0; i < RUNS; i++) {
		runs[i].first = i * PAGEMAP_RUN_PAGES;
		runs[i].pages = PAGEMAP_RUN_PAGES;
		runs[i].backup = PAGEMAP_OWN;
		runs[i].pack = 3;
		runs[i].offset = offset + 1000 * i;
		runs[i].stored = 1000;
	}
	pagemap_encode(&map, &pack);
	f->where = MANIFEST_MAP;
	f->size = (RUNS - 1) * PAGEMAP_RUN + 5;
	f->pack = 7;
	f->offset = start;
	f->stored = buf_len(&pack) - start;
	digest_of(NULL, buf_bytes(&pack) + start, f->stored, &f->map_digest);
}

static void
setup(struct manifest *m)
{
	struct manifest_file *f;

	buf_clear(&pack);
	fetches = bad_attempts = 0;
	reported[0] = '\0';
	manifest_init(m);
	add_mapped(m, "mapped", 0);
	add_mapped(m, "mapped too", 50000);
	f = manifest_add_file(m, "run");
	f->where = MANIFEST_RUN;
	f->size = 100;
	f->stored = 60;
	f->pack = 9;
	f = manifest_add_file(m, "global/pg_control");
	f->where = MANIFEST_EMPTY;
	f = manifest_add_file(m, "empty");
	f->where = MANIFEST_EMPTY;
}

START_TEST(batches)
{
	struct unpack_job job = { .fetch = fetch, .threads = 1 };
	struct manifest	m;
	struct crew	crew;
	struct unpack_plan p;
	struct err	e = { 0 };
	bool		more;

	setup(&m);
	job.manifest = &m;
	crew_init(&crew, 1, NULL, NULL);
	ck_assert_int_eq(unpack_plan_init(&p, &job, &crew, &e), 0);
	ck_assert_int_eq(unpack_plan_next(&p, &more, &e), 0);
	ck_assert(more);
	/* Small things first, then maps; pg_control never. */
	ck_assert_uint_eq(p.span_count, 2);
	ck_assert_str_eq(p.spans[0].file->path, "empty");
	ck_assert_uint_eq(p.item_count, 1);
	ck_assert_uint_eq(p.items[0].len, 100);
	ck_assert_int_eq(unpack_plan_next(&p, &more, &e), 0);
	ck_assert(more);
	ck_assert_int_eq(fetches, 1);
	ck_assert_uint_eq(p.span_count, 2);
	ck_assert_uint_eq(p.item_count, 2 * RUNS);
	ck_assert_uint_eq(p.items[1].at, PAGEMAP_RUN);
	ck_assert_uint_eq(p.items[2].len, 5);
	ck_assert_uint_eq(p.items[3].offset, 50000);
	ck_assert_int_eq(unpack_plan_next(&p, &more, &e), 0);
	ck_assert(!more);
	unpack_plan_release(&p);
	crew_release(&crew);
	manifest_release(&m);
}
END_TEST

START_TEST(maps_from_another_copy)
{
	struct unpack_job job = { .fetch = fetch, .threads = 1,
	    .attempts = 3, .report = report };
	struct manifest	m;
	struct crew	crew;
	struct unpack_plan p;
	struct err	e = { 0 };
	bool		more;

	setup(&m);
	job.manifest = &m;
	crew_init(&crew, 1, NULL, NULL);
	bad_attempts = 2;	/* damaged, away, good */
	ck_assert_int_eq(unpack_plan_init(&p, &job, &crew, &e), 0);
	ck_assert_int_eq(unpack_plan_next(&p, &more, &e), 0);
	ck_assert_int_eq(unpack_plan_next(&p, &more, &e), 0);
	ck_assert_int_eq(fetches, 3);
	ck_assert_uint_eq(p.span_count, 2);
	ck_assert_uint_eq(p.item_count, 2 * RUNS);
	ck_assert_str_eq(reported, "");
	unpack_plan_release(&p);

	/* Damaged each time: told once, and the good one stays. */
	bad_attempts = 3;
	ck_assert_int_eq(unpack_plan_init(&p, &job, &crew, &e), 0);
	ck_assert_int_eq(unpack_plan_next(&p, &more, &e), 0);
	ck_assert_int_eq(unpack_plan_next(&p, &more, &e), 0);
	ck_assert_str_ne(reported, "");
	ck_assert_uint_lt(p.item_count, 2 * RUNS);
	ck_assert(!crew_is_stopped(&crew));
	unpack_plan_release(&p);

	/* To a restore that is the end. */
	job.target = "/nowhere";
	ck_assert_int_eq(unpack_plan_init(&p, &job, &crew, &e), 0);
	ck_assert_int_eq(unpack_plan_next(&p, &more, &e), 0);
	ck_assert_int_eq(unpack_plan_next(&p, &more, &e), 0);
	ck_assert(crew_is_stopped(&crew));
	ck_assert_int_eq(crew.failure.code, ERR_CHECKSUM);
	unpack_plan_release(&p);
	crew_release(&crew);
	manifest_release(&m);
}
END_TEST

START_TEST(nonsense_in_the_manifest)
{
	struct unpack_job job = { .fetch = fetch, .threads = 1,
	    .attempts = 2, .report = report };
	struct manifest	m;
	struct crew	crew;
	struct unpack_plan p;
	struct err	e = { 0 };
	bool		more;

	setup(&m);
	manifest_find(&m, "run")->size = PAGEMAP_RUN + 1;
	job.manifest = &m;
	crew_init(&crew, 1, NULL, NULL);
	ck_assert_int_eq(unpack_plan_init(&p, &job, &crew, &e), 0);
	ck_assert_int_eq(unpack_plan_next(&p, &more, &e), 0);
	ck_assert_str_eq(reported, "run");
	ck_assert_uint_eq(p.item_count, 0);
	ck_assert_int_lt(unpack_compare_labels(NULL, "a"), 0);
	ck_assert_int_eq(unpack_compare_labels(NULL, NULL), 0);
	ck_assert_int_gt(unpack_compare_labels("b", "a"), 0);
	unpack_plan_release(&p);
	crew_release(&crew);
	manifest_release(&m);
	buf_release(&pack);
}
END_TEST

UNIT_MAIN("unpack_plan", batches, maps_from_another_copy,
    nonsense_in_the_manifest)
