/* SPDX-License-Identifier: MIT */
/*
 * A data directory goes into packs in memory and comes back: scan, copy and
 * unpack together, and what each of them does about damage.
 */
#include "common/base.h"
#include "archiver/unpack.h"
#include "archiver/copy.h"
#include "archiver/manifest.h"
#include "archiver/pack.h"
#include "archiver/pagesum.h"
#include "archiver/scan.h"
#include "common/crc32c.h"
#include "common/err.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PACKS	256

static char	root[64];	/* of the test: <root>/from, <root>/to */
static struct {
	unsigned char	*bytes;
	size_t		 n;
} store[PACKS];
static pthread_mutex_t	store_lock = PTHREAD_MUTEX_INITIALIZER;
static int		fetches, reports, fail_put, agains;

static int
put(void *arg, uint32_t number, const void *bytes, size_t n, struct err *e)
{
	(void)arg;
	ck_assert_uint_lt(number, PACKS);
	if (fail_put != 0)
		return err_set(e, ERR_STORE, "the store is full");
	pthread_mutex_lock(&store_lock);
	ck_assert_ptr_null(store[number].bytes);
	store[number].bytes = malloc(n);
	memcpy(store[number].bytes, bytes, n);
	store[number].n = n;
	pthread_mutex_unlock(&store_lock);
	return 0;
}

static int
fetch(void *arg, int attempt, const struct unpack_piece *p, void *out,
    struct err *e)
{
	(void)arg;
	(void)attempt;
	ck_assert_ptr_null(p->backup);
	pthread_mutex_lock(&store_lock);
	fetches++;
	pthread_mutex_unlock(&store_lock);
	if (p->pack >= PACKS || store[p->pack].bytes == NULL ||
	    p->offset + p->n > store[p->pack].n)
		return err_set(e, ERR_NOT_FOUND, "pack %u is missing",
		    p->pack);
	memcpy(out, store[p->pack].bytes + p->offset, p->n);
	return 0;
}

/*
 * Three copies: of the first every other pack is missing and the others are
 * rotten here and there, so is the second at other places, the third is
 * good.
 */
static int
fetch_copies(void *arg, int attempt, const struct unpack_piece *p, void *out,
    struct err *e)
{
	static const uint64_t rotten[] = { 0, 35000 };
	unsigned char	*bytes = out;
	size_t		i;

	if (attempt == 0 && p->pack % 2 == 0)
		return err_set(e, ERR_NOT_FOUND, "pack %u is missing",
		    p->pack);
	if (fetch(arg, attempt, p, out, e) != 0)
		return e->code;
	for (i = 0; attempt < 2 && i < p->n; i++) {
		if ((p->offset + i) % 70001 == rotten[attempt])
			bytes[i] ^= 8;
	}
	return 0;
}

static void
again(void *arg, int attempt, const struct unpack_piece *p,
    const struct err *e)
{
	(void)arg;
	ck_assert_int_lt(attempt, 2);
	ck_assert_uint_gt(p->n, 0);
	ck_assert_int_ne(e->code, 0);
	agains++;
}

static void
report(void *arg, const struct manifest_file *f, const struct err *e)
{
	(void)arg;
	(void)f;
	ck_assert_int_ne(e->code, 0);
	reports++;
}

static const char *
at(const char *side, const char *path)
{
	static char	full[4][512];
	static int	k;

	k = (k + 1) % 4;
	snprintf(full[k], sizeof(full[k]), "%s/%s/%s", root, side, path);
	return full[k];
}

static void
make_dir(const char *side, const char *path)
{
	ck_assert_int_eq(mkdir(at(side, path), 0700), 0);
}

/* n bytes that differ from file to file; compressible if seed is even. */
static void
make_file(const char *path, size_t n, uint32_t seed)
{
	FILE		*f = fopen(at("from", path), "w");
	uint32_t	 x = seed;
	size_t		 i;

	ck_assert_ptr_nonnull(f);
	for (i = 0; i < n; i++) {
		x = x * 1664525u + 1013904223u;
		putc(seed % 2 == 0 ? (int)(i / 100 + seed) & 0xff :
		    (int)(x >> 24), f);
	}
	ck_assert_int_eq(fclose(f), 0);
}

/* PostgreSQL's pages with checksums, of the file's second segment. */
static void
make_pages(const char *path, uint32_t pages, uint32_t block, int64_t broken)
{
	unsigned char	page[8192];
	FILE		*f = fopen(at("from", path), "w");
	uint16_t	sum, upper = 4000;
	uint32_t	i;

	ck_assert_ptr_nonnull(f);
	for (i = 0; i < pages; i++) {
		memset(page, (int)(i & 0xff), sizeof(page));
		memset(page, 0, 24);
		memcpy(page + 14, &upper, 2);
		sum = pagesum_compute(page, sizeof(page), block + i);
		memcpy(page + 8, &sum, 2);
		if (i == broken)
			page[5000] ^= 1;
		ck_assert_uint_eq(fwrite(page, sizeof(page), 1, f), 1);
	}
	ck_assert_int_eq(fclose(f), 0);
}

static void
setup(struct manifest *m)
{
	struct err	e = { 0 };

	strcpy(root, "/tmp/homelab-unit.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(root));
	make_dir("", "from");
	make_dir("", "to");
	make_dir("", "space");
	make_dir("from", "base");
	make_dir("from", "base/5");
	make_dir("from", "global");
	make_dir("from", "pg_wal");
	make_dir("from", "pg_wal/archive_status");
	make_dir("from", "pg_replslot");
	make_dir("from", "pg_replslot/slot");
	make_dir("from", "pg_tblspc");
	make_dir("from", "pg_tblspc/16500");
	make_dir("from", "pg_tblspc/16500/PG_15_202209061");
	make_dir("space", "PG_15_202209061");
	make_dir("space", "PG_14_202107181");
	ck_assert_int_eq(symlink(at("", "space"),
	    at("from", "pg_tblspc/16400")), 0);
	make_file("PG_VERSION", 3, 2);
	make_file("base/5/100", 0, 1);
	make_file("base/5/101", 1, 1);
	make_file("base/5/102", PAGESUM_GOOD + 65536, 2);
	make_file("base/5/103", 65537, 3);
	make_file("base/5/104", (20u << 20) + 12345, 5);
	make_file("base/5/105", (17u << 20), 6);
	make_file("base/5/200", 100, 1);	/* unlogged */
	make_file("base/5/200_init", 0, 1);
	make_file("base/5/t3_300", 100, 1);
	make_file("global/pg_control", 8192, 1);
	make_file("pg_wal/000000010000000000000001", 10, 1);
	make_file("pg_replslot/slot/state", 10, 1);
	make_file("postmaster.pid", 10, 1);
	make_file("pg_tblspc/16400/PG_15_202209061/77", 70000, 8);
	make_file("pg_tblspc/16400/PG_14_202107181/77", 70000, 8);
	manifest_init(m);
	m->pg_version = 15;
	m->catalog_version = 202209061;
	m->block_size = 8192;
	m->relseg_blocks = 131072;
	ck_assert_int_eq(scan_data_directory(m, at("from", ""), NULL, 0, &e), 0);
}

static void
teardown(struct manifest *m)
{
	char	command[128];
	int	i;

	manifest_release(m);
	for (i = 0; i < PACKS; i++) {
		free(store[i].bytes);
		store[i].bytes = NULL;
	}
	snprintf(command, sizeof(command), "rm -rf %s", root);
	ck_assert_int_eq(system(command), 0);
}

static int
copy(struct manifest *m, bool pages, struct err *e)
{
	struct pack_set	set;
	struct copy_job	job = { .pgdata = at("from", ""), .manifest = m,
	    .packs = &set, .codec = BLOCK_LZ4, .threads = 3,
	    .check_pages = pages, .start_lsn = 0x1000 };

	pack_set_init(&set, put, NULL);
	return copy_run(&job, e);
}

static int
unpack(struct manifest *m, bool delta, uint32_t *crcs, unsigned long long *kept,
    struct err *e)
{
	struct unpack_job job = { .manifest = m, .threads = 3,
	    .delta = delta, .fetch = fetch, .crcs = crcs };
	size_t		i;
	int		rc;

	for (i = 0; !delta && i < m->dir_count; i++)
		make_dir("to", m->dirs[i].path);
	job.target = at("to", "");
	fetches = 0;
	rc = unpack_run(&job, e);
	if (kept != NULL)
		*kept = atomic_load(&job.kept);
	return rc;
}

/* Reads a file; the caller frees. */
static unsigned char *
slurp(const char *path, size_t *n)
{
	struct stat	st;
	unsigned char	*p;
	FILE		*f = fopen(path, "r");

	ck_assert_msg(f != NULL, "%s", path);
	ck_assert_int_eq(fstat(fileno(f), &st), 0);
	*n = (size_t)st.st_size;
	p = malloc(*n + 1);
	ck_assert_uint_eq(fread(p, 1, *n, f), *n);
	fclose(f);
	return p;
}

static void
assert_restored(const struct manifest *m, const uint32_t *crcs)
{
	unsigned char	*a, *b;
	struct stat	x, y;
	size_t		na, nb, i;

	for (i = 0; i < m->file_count; i++) {
		if (strcmp(m->files[i].path, "global/pg_control") == 0)
			continue;
		a = slurp(at("from", m->files[i].path), &na);
		b = slurp(at("to", m->files[i].path), &nb);
		ck_assert_uint_eq(na, nb);
		ck_assert_int_eq(memcmp(a, b, na), 0);
		ck_assert_uint_eq(crcs[i], crc32c(0, a, na));
		free(a);
		free(b);
		ck_assert_int_eq(stat(at("from", m->files[i].path), &x), 0);
		ck_assert_int_eq(stat(at("to", m->files[i].path), &y), 0);
		ck_assert_int_eq(x.st_mtime, y.st_mtime);
		ck_assert_uint_eq(x.st_mode, y.st_mode);
	}
}

START_TEST(there_and_back)
{
	struct manifest	m;
	struct err	e = { 0 };
	uint32_t	crcs[64] = { 0 };
	unsigned long long kept;
	char		byte;
	int		fd;

	setup(&m);
	ck_assert_uint_eq(m.space_count, 2);
	ck_assert_uint_eq(m.spaces[0].oid, 16400);
	ck_assert_str_eq(m.spaces[0].target, at("", "space"));
	ck_assert_ptr_null(m.spaces[1].target);
	ck_assert_ptr_null(manifest_find(&m, "base/5/200"));
	ck_assert_ptr_nonnull(manifest_find(&m, "base/5/200_init"));
	ck_assert_ptr_null(manifest_find(&m, "base/5/t3_300"));
	ck_assert_ptr_null(manifest_find(&m, "postmaster.pid"));
	ck_assert_ptr_null(manifest_find(&m, "pg_replslot/slot/state"));
	ck_assert_ptr_null(manifest_find(&m,
	    "pg_tblspc/16400/PG_14_202107181/77"));
	ck_assert_int_eq(copy(&m, false, &e), 0);
	ck_assert_int_eq(unpack(&m, false, crcs, NULL, &e), 0);
	assert_restored(&m, crcs);

	/* A second time, with one byte wrong and one file too long. */
	fd = open(at("to", "base/5/104"), O_RDWR);
	ck_assert_int_eq(pread(fd, &byte, 1, 5u << 20), 1);
	byte ^= 1;
	ck_assert_int_eq(pwrite(fd, &byte, 1, 5u << 20), 1);
	ck_assert_int_eq(ftruncate(fd, 30u << 20), 0);
	close(fd);
	memset(crcs, 0, sizeof(crcs));
	ck_assert_int_eq(unpack(&m, true, crcs, &kept, &e), 0);
	assert_restored(&m, crcs);
	ck_assert_uint_eq(kept, m.size - 8192 - 65536);
	ck_assert_int_le(fetches, 4);	/* maps, and the one run */
	teardown(&m);
}
END_TEST

START_TEST(files_change_while_they_are_read)
{
	struct manifest	m;
	struct manifest_file *f;
	struct err	e = { 0 };
	uint32_t	crcs[64] = { 0 };

	setup(&m);
	/* The manifest remembers how things were when it was made. */
	ck_assert_int_eq(unlink(at("from", "base/5/103")), 0);
	ck_assert_int_eq(truncate(at("from", "base/5/104"), 9000001), 0);
	ck_assert_int_eq(truncate(at("from", "base/5/105"), 0), 0);
	make_file("base/5/101", 500, 1);
	ck_assert_int_eq(copy(&m, false, &e), 0);
	ck_assert_ptr_null(manifest_find(&m, "base/5/103"));
	f = manifest_find(&m, "base/5/104");
	ck_assert_uint_eq(f->size, 9000001);
	f = manifest_find(&m, "base/5/105");
	ck_assert_uint_eq(f->size, 0);
	ck_assert_int_eq(f->where, MANIFEST_EMPTY);
	ck_assert_uint_eq(manifest_find(&m, "base/5/101")->size, 1);
	ck_assert_int_eq(truncate(at("from", "base/5/101"), 1), 0);
	f = manifest_find(&m, "base/5/101");
	ck_assert_int_eq(unpack(&m, false, crcs, NULL, &e), 0);
	ck_assert_uint_eq(crcs[f - m.files] != 0, 1);
	teardown(&m);
}
END_TEST

START_TEST(bad_pages)
{
	struct manifest	m;
	struct manifest_file *f;
	struct err	e = { 0 };

	setup(&m);
	manifest_release(&m);
	make_pages("base/5/400", 40, 0, 17);
	make_pages("base/5/401.1", 3000, 131072, -1);
	make_pages("global/402", 2, 5, -1);	/* right, but not here */
	m.pg_version = 15;
	m.catalog_version = 202209061;
	m.block_size = 8192;
	m.relseg_blocks = 131072;
	ck_assert_int_eq(unlink(at("from", "base/5/104")), 0);
	ck_assert_int_eq(unlink(at("from", "base/5/105")), 0);
	ck_assert_int_eq(scan_data_directory(&m, at("from", ""), NULL,
	    0, &e), 0);
	ck_assert_int_eq(copy(&m, true, &e), 0);
	f = manifest_find(&m, "base/5/400");
	ck_assert_uint_eq(f->bad_count, 1);
	ck_assert_uint_eq(f->bad[0].first, 17);
	ck_assert_uint_eq(f->bad[0].count, 1);
	ck_assert_uint_eq(manifest_find(&m, "base/5/401.1")->bad_count, 0);
	f = manifest_find(&m, "global/402");
	ck_assert_uint_eq(f->bad_count, 1);
	ck_assert_uint_eq(f->bad[0].count, 2);
	ck_assert_uint_eq(manifest_find(&m, "PG_VERSION")->bad_count, 0);
	teardown(&m);
}
END_TEST

START_TEST(another_copy)
{
	struct manifest	m;
	struct manifest_file *f;
	struct unpack_job job = { .threads = 3, .fetch = fetch_copies,
	    .again = again, .attempts = 3 };
	struct err	e = { 0 };
	uint32_t	crcs[64] = { 0 };
	unsigned char	out[65536];
	char		to[128];
	size_t		i, n;

	setup(&m);
	ck_assert_int_eq(copy(&m, false, &e), 0);
	for (i = 0; i < m.dir_count; i++)
		make_dir("to", m.dirs[i].path);
	snprintf(to, sizeof(to), "%s", at("to", ""));
	job.manifest = &m;
	job.target = to;
	job.crcs = crcs;
	agains = 0;
	ck_assert_int_eq(unpack_run(&job, &e), 0);
	assert_restored(&m, crcs);
	ck_assert_int_gt(agains, 0);
	ck_assert_uint_eq(atomic_load(&job.done), m.size - 8192);

	/* A file that is read whole, of a pack that the first copy lacks. */
	for (f = m.files; f->where != MANIFEST_RUN || f->pack % 2 != 0; f++)
		ck_assert_ptr_ne(f, m.files + m.file_count - 1);
	agains = 0;
	ck_assert_int_eq(unpack_bytes(&job, f, out, &n, &e), 0);
	ck_assert_uint_eq(n, f->size);
	ck_assert_int_eq(agains, 1);
	job.attempts = 1;
	ck_assert_int_eq(unpack_bytes(&job, f, out, &n, &e), ERR_NOT_FOUND);

	/* Without the good one, and with one attempt: the end. */
	ck_assert_int_lt(unpack_run(&job, &e), 0);
	job.attempts = 2;
	ck_assert_int_eq(unpack_run(&job, &e), ERR_CHECKSUM);
	teardown(&m);
}
END_TEST

START_TEST(damage_in_the_repository)
{
	struct manifest	m;
	struct unpack_job job = { .threads = 2, .fetch = fetch,
	    .report = report };
	struct manifest_file *f;
	struct err	e = { 0 };

	setup(&m);
	ck_assert_int_eq(copy(&m, false, &e), 0);
	job.manifest = &m;
	reports = 0;
	ck_assert_int_eq(unpack_run(&job, &e), 0);
	ck_assert_int_eq(reports, 0);
	ck_assert_uint_eq(atomic_load(&job.done), m.size - 8192);

	/* A run: found by a verification, and it ends a restore. */
	f = manifest_find(&m, "base/5/102");
	store[f->pack].bytes[f->offset + f->stored / 2] ^= 0x20;
	ck_assert_int_eq(unpack_run(&job, &e), 0);
	ck_assert_int_eq(reports, 1);
	ck_assert_int_eq(unpack(&m, false, NULL, NULL, &e), ERR_CHECKSUM);
	ck_assert_ptr_nonnull(strstr(e.msg,
	    "base/5/102: bytes 0 to 65535 are damaged in the repository"));
	store[f->pack].bytes[f->offset + f->stored / 2] ^= 0x20;

	/* A map. */
	f = manifest_find(&m, "base/5/104");
	ck_assert_int_eq(f->where, MANIFEST_MAP);
	store[f->pack].bytes[f->offset] ^= 1;
	reports = 0;
	ck_assert_int_eq(unpack_run(&job, &e), 0);
	ck_assert_int_eq(reports, 1);
	ck_assert_int_eq(unpack(&m, true, NULL, NULL, &e), ERR_CHECKSUM);
	ck_assert_ptr_nonnull(strstr(e.msg, "its block map"));

	/* A pack that is gone: every run in it. */
	store[f->pack].bytes[f->offset] ^= 1;
	store[f->pack].n = 0;
	reports = 0;
	ck_assert_int_eq(unpack_run(&job, &e), 0);
	ck_assert_int_ge(reports, 1);
	ck_assert_int_eq(unpack(&m, true, NULL, NULL, &e), ERR_NOT_FOUND);
	teardown(&m);
}
END_TEST

static bool
yes(void *arg)
{
	(void)arg;
	return true;
}

START_TEST(failures_end_the_job)
{
	struct manifest	m;
	struct pack_set	set;
	struct err	e = { 0 };
	struct copy_job	job = { .manifest = &m, .packs = &set, .threads = 3 };
	struct unpack_job back = { .manifest = &m, .threads = 3,
	    .fetch = fetch, .cancelled = yes };

	setup(&m);
	fail_put = 1;
	ck_assert_int_eq(copy(&m, false, &e), ERR_STORE);
	ck_assert_str_eq(e.msg, "the store is full");
	fail_put = 0;
	job.pgdata = at("from", "");
	job.cancelled = yes;
	pack_set_init(&set, put, NULL);
	ck_assert_int_eq(copy_run(&job, &e), ERR_CANCELLED);
	back.target = at("to", "");
	ck_assert_int_eq(unpack_run(&back, &e), ERR_CANCELLED);
	teardown(&m);
}
END_TEST

START_TEST(small_files_at_hand)
{
	struct manifest_file f = { 0 };
	struct unpack_job job = { .fetch = fetch };
	struct pack_set	set;
	struct pack	p;
	struct err	e = { 0 };
	char		out[65536], path[] = "backup_label";
	size_t		n;

	pack_set_init(&set, put, NULL);
	pack_init(&p, &set);
	f.path = path;
	ck_assert_int_eq(copy_bytes(&f, &p, BLOCK_LZ4, "hello", 5, &e), 0);
	ck_assert_int_eq(pack_flush(&p, &e), 0);
	ck_assert_int_eq(unpack_bytes(&job, &f, out, &n, &e), 0);
	ck_assert_uint_eq(n, 5);
	ck_assert_int_eq(memcmp(out, "hello", 5), 0);
	store[0].bytes[2] ^= 1;
	ck_assert_int_eq(unpack_bytes(&job, &f, out, &n, &e), ERR_CHECKSUM);
	ck_assert_int_eq(copy_bytes(&f, &p, BLOCK_LZ4, "", 0, &e), 0);
	ck_assert_int_eq(unpack_bytes(&job, &f, out, &n, &e), 0);
	ck_assert_uint_eq(n, 0);
	pack_release(&p);
	free(store[0].bytes);
}
END_TEST

START_TEST(left_out_by_the_caller)
{
	char		file[] = "base/5/104", kept[] = "base/5x";
	char		dir[] = "global", empty[] = "pg_tblspc/";
	char		*const exclude[] = { file, kept, dir, empty };
	struct manifest	m, all;
	struct err	e = { 0 };

	setup(&all);
	manifest_init(&m);
	ck_assert_int_eq(scan_data_directory(&m, at("from", ""), exclude,
	    ARRAY_LEN(exclude), &e), 0);
	ck_assert_ptr_null(manifest_find(&m, "base/5/104"));
	ck_assert_ptr_nonnull(manifest_find(&m, "base/5/105"));
	ck_assert_ptr_null(manifest_find(&m, "global/pg_control"));
	ck_assert_uint_eq(m.space_count, 0);
	ck_assert_uint_eq(m.dir_count, all.dir_count - 5);
	manifest_release(&m);
	teardown(&all);
}
END_TEST

START_TEST(scan_errors)
{
	struct manifest	m;
	struct err	e = { 0 };

	setup(&m);
	ck_assert_int_eq(symlink("..", at("from", "base/5/circle")), 0);
	ck_assert_int_eq(scan_data_directory(&m, at("from", ""), NULL,
	    0, &e),
	    ERR_LIMIT);
	ck_assert_ptr_nonnull(strstr(e.msg, "more than 32 levels deep"));
	teardown(&m);
}
END_TEST

UNIT_MAIN("unpack", there_and_back, files_change_while_they_are_read,
    bad_pages, another_copy, damage_in_the_repository, failures_end_the_job,
    small_files_at_hand, left_out_by_the_caller, scan_errors)
