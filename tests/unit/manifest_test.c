/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/manifest.h"
#include "common/buf.h"
#include "common/err.h"
#include "tests/unit/unit.h"

#include <string.h>

/* A manifest with one of everything, and paths that need escapes. */
static void
sample(struct manifest *m)
{
	struct manifest_file *f;
	struct manifest_directory *d;

	manifest_init(m);
	strcpy(m->label, "20251123-020000F");
	strcpy(m->run, "0123456789abcdef");
	m->system_id = 7710469758564292716u;
	m->pg_version = 15;
	m->block_size = 8192;
	m->wal_segment_size = 16u << 20;
	m->checksums = true;
	m->start_lsn = 0x2000028;
	m->stop_lsn = 0x2000138;
	m->start_timeline = 1;
	m->stop_timeline = 1;
	m->start_time = 1763863200000000;
	m->copy_time = -5;
	ck_assert_int_eq(manifest_set(&m->host, "db one"), 0);
	ck_assert_int_eq(manifest_set(&m->owner, "postgres:postgres"), 0);
	d = manifest_add_directory(m, "base/5");
	ck_assert_ptr_nonnull(d);
	d->mode = 0700;
	ck_assert_ptr_nonnull(manifest_add_tablespace(m, 16400, "/srv/f st",
	    "fast"));
	ck_assert_ptr_nonnull(manifest_add_tablespace(m, 16401, NULL, NULL));
	f = manifest_add_file(m, "base/5/16384");
	f->size = 70000;
	f->mtime = 1763863100;
	f->mode = 0600;
	f->where = MANIFEST_MAP;
	f->pack = 3;
	f->offset = 77;
	f->stored = 99;
	memset(&f->digest, 0xab, sizeof(f->digest));
	ck_assert_int_eq(manifest_add_bad(f, 2), 0);
	ck_assert_int_eq(manifest_add_bad(f, 4), 0);
	ck_assert_int_eq(manifest_add_bad(f, 5), 0);
	f = manifest_add_file(m, "a %\n\xc3\xa9 file");
	f->mode = 0640;
	f = manifest_add_file(m, "PG_VERSION");
	f->size = 3;
	f->where = MANIFEST_RUN;
	f->pack = 1;
	f->stored = 3;
	ck_assert_int_eq(manifest_set(&f->backup, "20251122-020000F"), 0);
}

START_TEST(round_trip)
{
	struct manifest	m, back;
	struct manifest_file *f;
	struct buf	b = { 0 }, again = { 0 };
	struct err	e = { 0 };

	sample(&m);
	manifest_encode(&m, &b);
	ck_assert(!buf_failed(&b));
	ck_assert_ptr_nonnull(strstr(buf_cstr(&b),
	    "\nf 70000 1763863100 0600 abababababababababababababababab "
	    "m:3:77:99:00000000000000000000000000000000 2,4-5 base/5/16384\n"
	    "f 0 0 0640 00000000000000000000000000000000 - - "
	    "a%20%25%0A%C3%A9%20file\n"
	    "f 3 0 0000 00000000000000000000000000000000 "
	    "r:1:0:3@20251122-020000F - PG_VERSION\ne "));
	ck_assert_ptr_nonnull(strstr(buf_cstr(&b), "\nd 0700 base/5\n"
	    "t 16400 /srv/f%20st fast\nt 16401 -\nf "));
	ck_assert_int_eq(manifest_decode(&back, buf_bytes(&b), buf_len(&b),
	    &e), 0);
	ck_assert_uint_eq(back.system_id, m.system_id);
	ck_assert_str_eq(back.host, "db one");
	ck_assert_int_eq(back.copy_time, -5);
	ck_assert(back.checksums && !back.checked);
	ck_assert_ptr_null(back.prior);
	ck_assert_uint_eq(manifest_bad_blocks(&back), 3);
	f = manifest_find(&back, "a %\n\xc3\xa9 file");
	ck_assert_ptr_nonnull(f);
	ck_assert_ptr_null(manifest_find(&back, "missing"));
	ck_assert_str_eq(manifest_find(&back, "PG_VERSION")->backup,
	    "20251122-020000F");
	/* What was read is written the same again. */
	manifest_encode(&back, &again);
	ck_assert_uint_eq(buf_len(&b), buf_len(&again));
	ck_assert_int_eq(memcmp(buf_bytes(&b), buf_bytes(&again),
	    buf_len(&b)), 0);
	manifest_release(&back);
	manifest_release(&m);
	buf_release(&b);
	buf_release(&again);
}
END_TEST

START_TEST(damage)
{
	struct manifest	m, back;
	struct buf	b = { 0 };
	struct err	e = { 0 };
	size_t		i;

	sample(&m);
	manifest_encode(&m, &b);
	for (i = 0; i < buf_len(&b); i++) {
		ck_assert_int_lt(manifest_decode(&back, buf_bytes(&b), i, &e),
		    0);
		b.data[b.off + i] ^= 1;
		ck_assert_int_lt(manifest_decode(&back, buf_bytes(&b),
		    buf_len(&b), &e), 0);
		b.data[b.off + i] ^= 1;
	}
	b.data[b.off + 60] ^= 1;
	ck_assert_int_eq(manifest_decode(&back, buf_bytes(&b), buf_len(&b),
	    &e), ERR_CHECKSUM);
	ck_assert_str_eq(e.msg, "manifest does not match its digest");
	ck_assert_int_eq(manifest_decode(&back, "homelab-manifest 2\nx", 20,
	    &e), ERR_NOT_YET);
	ck_assert_int_eq(manifest_decode(&back, "hello", 5, &e), ERR_FORMAT);
	ck_assert_str_eq(e.msg, "this is not a manifest");
	manifest_release(&m);
	buf_release(&b);
}
END_TEST

#define HEAD "homelab-manifest 1\nh label 20251123-020000F\nh run 0a\n" \
	"h system-id 1\nh start-timeline 1\nh start-lsn 0/1\n" \
	"h stop-lsn 0/2\nh wal-segment-size 16777216\n"
#define HEX	"00000000000000000000000000000000"

/* Decodes HEAD and some lines, with a right digest behind them. */
static int
decode_lines(const char *lines, struct err *e)
{
	struct manifest	m;
	struct digest	d;
	struct buf	b = { 0 };
	char		hex[DIGEST_HEX_LEN + 1];
	int		rc;

	buf_append_str(&b, HEAD);
	buf_append_str(&b, lines);
	digest_of(NULL, buf_bytes(&b), buf_len(&b), &d);
	digest_hex(&d, hex);
	buf_printf(&b, "e %s\n", hex);
	rc = manifest_decode(&m, buf_bytes(&b), buf_len(&b), e);
	if (rc == 0)
		manifest_release(&m);
	buf_release(&b);
	return rc;
}

START_TEST(lines)
{
	static const char *const good[] = {
		"", "h unknown-key some%20value\n", "h prior \n",
		"d 0700 base\n", "t 1 -\n", "t 1 /x name\n",
		"f 0 0 600 " HEX " - - x\n",
		"f 9 0 600 " HEX " r:0:0:9 0,2-3 x\n",
		"f 9 0 600 " HEX " m:0:0:9:" HEX "@20251123-020000F - x\n",
	};
	static const char *const bad[] = {
		"x\n", "d\n", "d 0700\n", "d 0700 \n", "d 0900 x\n",
		"d 0700 /etc\n", "d 0700 ../x\n", "d 0700 a/../b\n",
		"d 0700 a//b\n", "d 0700 ./a\n", "d 0700 a/\n",
		"d 0700 a%2\n", "d 0700 a%00\n", "d 0700 a%2F%2e\n",
		"d 0700 %2E%2E/x\n", "d 77777 x\n", "d 0700 x y\n",
		"t 0 /x\n", "t 1 x\n", "t 1 /x a b\n", "q 1 2\n",
		"h start-lsn nonsense\n", "h block-size 99999999999\n",
		"h checksums maybe\n", "h block-size x\n",
		"f 9 0 600 " HEX " - - x\n",	/* bytes, but nowhere */
		"f 0 0 600 00 - - x\n",
		"f -1 0 600 " HEX " - - x\n",
		"f 0 0 600 " HEX " - - /x\n",
		"f 0 0 600 " HEX " - - %2E%2E/x\n",
		"f 9 0 600 " HEX " r:0:0 - x\n",
		"f 9 0 600 " HEX " r:0:0:9:1 - x\n",
		"f 9 0 600 " HEX " r:0:99999999999:9 - x\n",
		"f 9 0 600 " HEX " m:0:0:9 - x\n",
		"f 9 0 600 " HEX " m:0:0:9:zz - x\n",
		"f 9 0 600 " HEX " r:0:0:9@label - x\n",
		"f 9 0 600 " HEX " r:0:0:9 3-2 x\n",
		"f 9 0 600 " HEX " r:0:0:9 3,3 x\n",
		"f 9 0 600 " HEX " r:0:0:9 3, x\n",
		"f 9 0 600 " HEX " r:0:0:9 - \n",
		"f 9 0 600 " HEX " r:0:0:9 -\n",
	};
	struct err	e = { 0 };
	size_t		i;

	for (i = 0; i < ARRAY_LEN(good); i++) {
		ck_assert_msg(decode_lines(good[i], &e) == 0, "%s: %s",
		    good[i], e.msg);
	}
	for (i = 0; i < ARRAY_LEN(bad); i++) {
		ck_assert_msg(decode_lines(bad[i], &e) == ERR_FORMAT, "%s",
		    bad[i]);
		ck_assert_str_eq(e.msg, "manifest is malformed in line 9");
	}
	ck_assert_int_eq(decode_lines("h run XYZ\n", &e), ERR_FORMAT);
	ck_assert_str_eq(e.msg, "manifest lacks basic facts");
}
END_TEST

START_TEST(vanished_files_leave)
{
	struct manifest	m;

	sample(&m);
	free(m.files[0].path);
	m.files[0].path = NULL;
	manifest_drop_vanished(&m);
	ck_assert_uint_eq(m.file_count, 2);
	ck_assert_str_eq(m.files[1].path, "PG_VERSION");
	manifest_release(&m);
}
END_TEST

UNIT_MAIN("manifest", round_trip, damage, lines, vanished_files_leave)
