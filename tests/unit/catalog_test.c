/* SPDX-License-Identifier: MIT */
/* Catalog, claims, info, verify and expire on a directory with backups. */
#include "common/base.h"
#include "archiver/catalog.h"
#include "archiver/expire.h"
#include "archiver/info.h"
#include "archiver/stanza.h"
#include "archiver/unfinished.h"
#include "archiver/verify.h"
#include "common/buf.h"
#include "common/err.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define FULL_1	"20260101-000000F"
#define FULL_2	"20260103-000000F"
#define RUN_1	"00000000000000aa"
#define RUN_2	"00000000000000bb"
#define ID	UINT64_C(7710469758564292716)
#define HOUR	INT64_C(3600000000)

static char		root[64];
static struct catalog	c = { .stanza = "main" };
static struct err	e;
static char		notes[4096];

static void
setup(void)
{
	strcpy(root, "/tmp/homelab-unit.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(root));
	memset(&e, 0, sizeof(e));
	ck_assert_int_eq(store_dir_open(&c.store, root, &e), 0);
	notes[0] = '\0';
}

static void
teardown(void)
{
	char	command[128];

	store_close(c.store);
	snprintf(command, sizeof(command), "rm -rf %s", root);
	ck_assert_int_eq(system(command), 0);
}

/* A backup without files, of which everything else is there. */
static void
commit(const char *label, const char *run, uint64_t start)
{
	struct manifest	m;
	char		key[CATALOG_KEY_MAX];

	manifest_init(&m);
	strcpy(m.label, label);
	strcpy(m.run, run);
	m.system_id = ID;
	m.pg_version = 15;
	m.wal_segment_size = 16u << 20;
	m.start_timeline = m.stop_timeline = 1;
	m.start_lsn = start;
	m.stop_lsn = start + 100;
	m.start_time = 1767225600000000;
	m.stop_time = 1767225660000000;
	m.size = 5u << 20;
	m.stored = 1u << 20;
	ck_assert_int_eq(manifest_set(&m.archiver_version, "0.1.0"), 0);
	catalog_key_pack(&c, key, label, run, 0);
	ck_assert_int_eq(catalog_put(&c, OBJECT_PACK, key, "pack", 4, &e), 0);
	ck_assert_int_eq(catalog_commit(&c, &m, &e), 0);
	manifest_release(&m);
}

static void
put_wal(const char *segment)
{
	struct digest	d;
	char		key[CATALOG_KEY_MAX], hex[DIGEST_HEX_LEN + 1];

	digest_of(NULL, segment, 24, &d);
	digest_hex(&d, hex);
	snprintf(key, sizeof(key), "main/wal/7710469758564292716/%.8s/%.8s/"
	    "%s-%s", segment, segment + 8, segment, hex);
	ck_assert_int_eq(catalog_put(&c, OBJECT_WAL, key, segment, 24, &e), 0);
}

static void
sample(void)
{
	setup();
	ck_assert_int_eq(stanza_create(&c, ID, 15, &e), 0);
	commit(FULL_1, RUN_1, 0x2000028);
	commit(FULL_2, RUN_2, 0x4000028);
	put_wal("000000010000000000000002");
	put_wal("000000010000000000000003");
	put_wal("000000010000000000000004");
}

START_TEST(listing)
{
	const struct catalog_backup *b;
	struct catalog_list l;
	struct manifest	m;
	char		key[CATALOG_KEY_MAX], out[4];

	sample();
	catalog_key_pack(&c, key, "20260104-000000F", RUN_1, 0);
	ck_assert_int_eq(catalog_put(&c, OBJECT_PACK, key, "x", 1, &e), 0);
	ck_assert_int_eq(catalog_list(&c, &l, &e), 0);
	ck_assert_uint_eq(l.count, 3);
	ck_assert(!l.backups[2].committed);
	b = catalog_find(&l, FULL_2);
	ck_assert_ptr_nonnull(b);
	ck_assert(b->committed && !b->tombstone);
	ck_assert_str_eq(b->run, RUN_2);
	ck_assert_int_eq(catalog_load(&c, b, &m, &e), 0);
	ck_assert_uint_eq(m.start_lsn, 0x4000028);
	manifest_release(&m);
	ck_assert_int_eq(catalog_load(&c, &l.backups[2], &m, &e),
	    ERR_NOT_FOUND);
	ck_assert_str_eq(e.msg,
	    "backup 20260104-000000F was never completed");
	ck_assert_ptr_null(catalog_find(&l, "20200101-000000F"));
	catalog_list_release(&l);
	ck_assert_int_eq(catalog_read_pack(&c, FULL_1, RUN_1, 0, 1, 3, out,
	    &e), 0);
	ck_assert_int_eq(memcmp(out, "ack", 3), 0);
	ck_assert_int_lt(catalog_read_pack(&c, FULL_1, RUN_1, 0, 2, 3, out,
	    &e), 0);
	ck_assert_int_eq(catalog_read_pack(&c, FULL_1, RUN_1, 7, 0, 3, out,
	    &e), ERR_NOT_FOUND);
	ck_assert_int_eq(catalog_has_wal(&c, ID, "000000010000000000000003",
	    &e), 1);
	ck_assert_int_eq(catalog_has_wal(&c, ID, "000000010000000000000005",
	    &e), 0);
	ck_assert_int_eq(catalog_has_wal(&c, 1, "000000010000000000000003",
	    &e), 0);
	teardown();
}
END_TEST

START_TEST(claims)
{
	struct stanza_claims all;

	sample();
	ck_assert_int_eq(stanza_create(&c, ID, 15, &e), 0);	/* again */
	ck_assert_int_eq(stanza_check(&c, ID, 15, &e), 0);
	ck_assert_int_eq(stanza_check(&c, ID, 16, &e), ERR_MISMATCH);
	ck_assert_int_eq(stanza_create(&c, 5, 16, &e), ERR_MISMATCH);
	ck_assert_ptr_nonnull(strstr(e.msg, "belongs to another cluster "
	    "(system identifier 7710469758564292716, PostgreSQL 15; this one "
	    "is 5)"));
	ck_assert_int_eq(stanza_upgrade(&c, 5, 16, &e), 0);
	ck_assert_int_eq(stanza_check(&c, 5, 16, &e), 0);
	ck_assert_int_eq(stanza_list(&c, &all, &e), 0);
	ck_assert_uint_eq(all.count, 2);
	ck_assert_int_eq(all.claim[1].version, 16);
	c.stanza = "other";
	ck_assert_int_eq(stanza_check(&c, 5, 16, &e), ERR_NOT_FOUND);
	ck_assert_int_eq(stanza_upgrade(&c, 5, 16, &e), ERR_NOT_FOUND);
	ck_assert_str_eq(e.hint, "run stanza-create");
	c.stanza = "main";
	teardown();
}
END_TEST

START_TEST(printing)
{
	const struct info_locks locks = { .archive = { .held = 0 } };
	struct info	i;
	struct buf	out = { 0 };

	sample();
	ck_assert_int_eq(info_gather(&c, 1, &i, &e), 0);
	ck_assert_int_eq(info_status(&i), INFO_OK);
	info_print_text(&i, 1, &locks, &out);
	ck_assert_ptr_nonnull(strstr(buf_cstr(&out), "stanza: main\n"
	    "    status: ok\n    cipher: none\n\n    db (current)\n"
	    "        wal archive min/max (15): 000000010000000000000002/"
	    "000000010000000000000004\n\n"
	    "        full backup: 20260101-000000F\n"
	    "            timestamp start/stop: 2026-01-01 00:00:00+00 / "
	    "2026-01-01 00:01:00+00\n"
	    "            wal start/stop: 000000010000000000000002 / "
	    "000000010000000000000002\n"
	    "            database size: 5.0 MiB, "
	    "database backup size: 5.0 MiB\n"
	    "            repo1: backup set size: 1.0 MiB, "
	    "backup size: 1.0 MiB\n"));
	buf_clear(&out);
	info_print_json(&i, 1, &locks, &out);
	ck_assert_ptr_nonnull(strstr(buf_cstr(&out), "\"label\":"
	    "\"20260103-000000F\",\"lsn\":{\"start\":\"0/4000028\","
	    "\"stop\":\"0/400008C\"}"));
	ck_assert_ptr_nonnull(strstr(buf_cstr(&out),
	    "\"status\":{\"code\":0,"));
	info_release(&i);
	c.stanza = "other";
	ck_assert_int_eq(info_gather(&c, 1, &i, &e), 0);
	ck_assert_int_eq(info_status(&i), INFO_MISSING_STANZA);
	buf_clear(&out);
	info_print_text(&i, 1, &locks, &out);
	ck_assert_ptr_nonnull(strstr(buf_cstr(&out),
	    "status: error (missing stanza path)"));
	info_release(&i);
	c.stanza = "main";
	buf_release(&out);
	teardown();
}
END_TEST

static void
take_note(void *arg, const char *text)
{
	(void)arg;
	strcat(notes, text);
	strcat(notes, "\n");
}

static int
expire(int64_t now, struct expire_result *result)
{
	struct expire_request req = { .retention_full = 1, .grace = 24 * HOUR,
	    .now = now, .note = take_note };

	notes[0] = '\0';
	return expire_run(&c, &req, result, &e);
}

START_TEST(expiring)
{
	const int64_t	now = INT64_C(1900000000000000);
	struct expire_result r;
	struct catalog_list l;

	sample();
	ck_assert_int_eq(expire(now, &r), 0);
	ck_assert_uint_eq(r.tombstones, 1);
	ck_assert_uint_eq(r.backups + r.orphans + r.wal, 0);
	ck_assert_str_eq(notes, "expire backup " FULL_1 "\n");
	ck_assert_int_eq(expire(now + 23 * HOUR, &r), 0);
	ck_assert_uint_eq(r.tombstones + r.backups + r.wal, 0);
	ck_assert_int_eq(expire(now + 24 * HOUR, &r), 0);
	ck_assert_uint_eq(r.backups, 1);
	ck_assert_uint_eq(r.wal, 2);
	ck_assert_int_eq(catalog_list(&c, &l, &e), 0);
	ck_assert_uint_eq(l.count, 1);
	ck_assert_str_eq(l.backups[0].label, FULL_2);
	ck_assert(l.backups[0].committed && !l.backups[0].tombstone);
	catalog_list_release(&l);
	ck_assert_int_eq(catalog_has_wal(&c, ID, "000000010000000000000004",
	    &e), 1);
	ck_assert_int_eq(catalog_has_wal(&c, ID, "000000010000000000000003",
	    &e), 0);
	ck_assert_int_eq(expire(now + 48 * HOUR, &r), 0);
	ck_assert_str_eq(notes, "");
	teardown();
}
END_TEST

START_TEST(verifying)
{
	struct verify_request req = { .process_max = 1 };
	struct verify_result r;
	char		command[256];

	sample();
	/* Without pg_control these are no backups, and that is told. */
	ck_assert_int_eq(verify_run(&c, &req, &r, &e), ERR_CHECKSUM);
	ck_assert_uint_eq(r.backups, 2);
	ck_assert_uint_eq(r.wal, 3);
	ck_assert_uint_eq(r.faults, 2);
	snprintf(command, sizeof(command),
	    "rm %s/main/wal/*/*/*/000000010000000000000003-*", root);
	ck_assert_int_eq(system(command), 0);
	ck_assert_int_eq(verify_run(&c, &req, &r, &e), ERR_CHECKSUM);
	ck_assert_uint_eq(r.faults, 3);		/* and a gap */
	teardown();
}
END_TEST

/* Makes the manifest's backup one that started later. */
static void
commit_at(const char *label, const char *run, int64_t start_time)
{
	struct manifest	m;

	manifest_init(&m);
	strcpy(m.label, label);
	strcpy(m.run, run);
	m.system_id = ID;
	m.pg_version = 15;
	m.wal_segment_size = 16u << 20;
	m.start_timeline = m.stop_timeline = 1;
	m.start_lsn = 0x4000028;
	m.stop_lsn = 0x4000100;
	m.start_time = start_time;
	ck_assert_int_eq(catalog_commit(&c, &m, &e), 0);
	manifest_release(&m);
}

START_TEST(two_manifests)
{
	struct catalog_list l;
	char		command[256];

	sample();
	/* FULL_1 has RUN_1, from 1767225600 on. */
	commit_at(FULL_1, "0000000000000001", 1767225600000001);
	ck_assert_int_eq(catalog_list(&c, &l, &e), 0);
	ck_assert(l.backups[0].doubled);
	ck_assert_str_eq(l.backups[0].run, RUN_1);
	catalog_list_release(&l);
	commit_at(FULL_1, "00000000000000ff", 1767225599999999);
	ck_assert_int_eq(catalog_list(&c, &l, &e), 0);
	ck_assert_str_eq(l.backups[0].run, "00000000000000ff");
	catalog_list_release(&l);
	/* The oldest is damaged: the older of those that can be read. */
	snprintf(command, sizeof(command),
	    "printf x >>%s/main/backup/" FULL_1 "/manifest-00000000000000ff",
	    root);
	ck_assert_int_eq(system(command), 0);
	ck_assert_int_eq(catalog_list(&c, &l, &e), 0);
	ck_assert_str_eq(l.backups[0].run, RUN_1);
	catalog_list_release(&l);
	/* At the same moment: the smaller run, whoever lists. */
	commit_at(FULL_1, "0000000000000003", 1767225600000000);
	ck_assert_int_eq(catalog_list(&c, &l, &e), 0);
	ck_assert_str_eq(l.backups[0].run, "0000000000000003");
	catalog_list_release(&l);
	teardown();
}
END_TEST

static void
put_intent(const char *label, const char *run, unsigned number,
    const char *text)
{
	char	key[CATALOG_KEY_MAX];

	catalog_key_intent(&c, key, label, run, number);
	ck_assert_int_eq(catalog_put(&c, OBJECT_INTENT, key, text,
	    strlen(text), &e), 0);
}

static int
remember(void *arg, const struct unfinished *u)
{
	struct unfinished *out = arg;

	ck_assert_str_eq(out->label, "");
	*out = *u;
	return 0;
}

START_TEST(without_a_manifest)
{
	/* After everything that the file system dates. */
	const int64_t	late = INT64_C(1900000000000000);
	struct unfinished u = { .packs = 0 };
	struct catalog_list l;
	struct expire_result x;
	struct verify_request req = { .process_max = 2, .now = late,
	    .grace = 24 * HOUR, .note = take_note };
	struct verify_result r;
	char		key[CATALOG_KEY_MAX];

	sample();
	ck_assert_int_eq(catalog_list(&c, &l, &e), 0);
	ck_assert_int_eq(unfinished_each(&c, &l, remember, &u, &e), 0);
	ck_assert_str_eq(u.label, "");		/* all have one */
	catalog_list_release(&l);

	catalog_key_pack(&c, key, FULL_2, RUN_1, 0);
	ck_assert_int_eq(catalog_put(&c, OBJECT_PACK, key, "x", 1, &e), 0);
	put_intent(FULL_2, RUN_1, 2, "homelab-intent 1\n"
	    "time 2030-03-01T00:00:00Z\nhost h\npid 1\n");
	put_intent(FULL_2, RUN_1, 10, "homelab-intent 1\n"
	    "time 2030-03-02T00:00:00Z\nhost h\npid 1\n");
	ck_assert_int_eq(catalog_list(&c, &l, &e), 0);
	ck_assert_int_eq(unfinished_each(&c, &l, remember, &u, &e), 0);
	ck_assert_str_eq(u.label, FULL_2);
	ck_assert_str_eq(u.run, RUN_1);
	ck_assert_uint_eq(u.packs, 1);
	ck_assert_int_eq(u.seen, INT64_C(1898640000000000));
	ck_assert(!u.complete);
	catalog_list_release(&l);

	/* Alive, to verify: ten minutes of silence are none. */
	notes[0] = '\0';
	req.now = u.seen + HOUR / 6 - 1;
	ck_assert_int_eq(verify_run(&c, &req, &r, &e), ERR_CHECKSUM);
	ck_assert_uint_eq(r.unfinished, 0);
	ck_assert_uint_eq(r.faults, 2);		/* no pg_control */
	req.now++;
	ck_assert_int_eq(verify_run(&c, &req, &r, &e), ERR_CHECKSUM);
	ck_assert_uint_eq(r.unfinished, 1);
	ck_assert_uint_eq(r.faults, 2);
	ck_assert_str_eq(notes, "backup " FULL_2 ", run " RUN_1 " never ended:"
	    " 1 pack without a manifest, the last sign of life at "
	    "2030-03-02T00:00:00Z; to be removed by expire after "
	    "2030-03-03T00:00:00Z\n");

	/* All of it was there: the manifest is lost, and that is a fault. */
	put_intent(FULL_2, RUN_1, 11, "homelab-intent 1\n"
	    "time 2030-03-02T00:01:00Z\nhost h\npid 1\nstate complete\n");
	ck_assert_int_eq(verify_run(&c, &req, &r, &e), ERR_CHECKSUM);
	ck_assert_uint_eq(r.faults, 2);		/* young: on its way */
	req.now = late;
	ck_assert_int_eq(verify_run(&c, &req, &r, &e), ERR_CHECKSUM);
	ck_assert_uint_eq(r.faults, 3);
	ck_assert_uint_eq(r.unfinished, 0);

	/* Expire keeps it while retention would. */
	ck_assert_int_eq(expire(late, &x), 0);
	ck_assert_uint_eq(x.orphans, 0);
	ck_assert_str_eq(notes, "expire backup " FULL_1 "\nkeep a backup whose "
	    "manifest is lost: main/backup/" FULL_2 "/" RUN_1 "/\n");
	commit("20260104-000000F", RUN_2, 0x4000028);
	ck_assert_int_eq(expire(late, &x), 0);
	ck_assert_uint_eq(x.tombstones, 1);	/* the label is given up */
	teardown();
}
END_TEST

UNIT_MAIN("catalog", listing, claims, printing, expiring, verifying,
    two_manifests, without_a_manifest)
