/* SPDX-License-Identifier: MIT */
/* Which backup is taken, from two directories as repositories. */
#include "common/base.h"
#include "archiver/choose.h"
#include "archiver/catalog.h"
#include "archiver/restore.h"
#include "archiver/stanza.h"
#include "common/err.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#define OLD	"20260101-000000F"
#define NEW	"20260103-000000F"
#define RUN_A	"00000000000000aa"
#define RUN_B	"00000000000000bb"
#define ID	UINT64_C(7710469758564292716)

static char		root[64];
static struct catalog	c[2];
static struct err	e;
static char		warnings[4096];

static void
take_warning(void *arg, const char *text)
{
	(void)arg;
	strcat(warnings, text);
	strcat(warnings, "\n");
}

static void
shell(const char *fmt, const char *a, const char *b)
{
	char	command[512];

	snprintf(command, sizeof(command), fmt, root, a, b);
	ck_assert_int_eq(system(command), 0);
}

static void
setup(void)
{
	char	path[128];
	int	i;

	strcpy(root, "/tmp/homelab-unit.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(root));
	memset(&e, 0, sizeof(e));
	memset(c, 0, sizeof(c));
	warnings[0] = '\0';
	for (i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/repo%d", root, i + 1);
		shell("mkdir %s/%s%s", path + strlen(root) + 1, "");
		ck_assert_int_eq(store_dir_open(&c[i].store, path, &e), 0);
		c[i].stanza = "main";
		c[i].repo = i + 1;
		ck_assert_int_eq(stanza_create(&c[i], ID, 15, &e), 0);
	}
}

static void
teardown(void)
{
	store_close(c[0].store);
	store_close(c[1].store);
	shell("rm -rf %s%s%s", "", "");
}

static void
commit(int repo, const char *label, const char *run, int64_t stop)
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
	m.start_lsn = 0x2000028;
	m.stop_lsn = 0x2000100;
	m.stop_time = stop;
	catalog_key_pack(&c[repo], key, label, run, 0);
	ck_assert_int_eq(catalog_put(&c[repo], OBJECT_PACK, key, "pack", 4,
	    &e), 0);
	ck_assert_int_eq(catalog_commit(&c[repo], &m, &e), 0);
	manifest_release(&m);
}

/* Chooses; on success `out` is to be released. */
static int
choose(const char *set, struct choice *out)
{
	struct restore_request req = { .set = set, .warn = take_warning };

	warnings[0] = '\0';
	return choose_backup(c, 2, &req, out, &e);
}

START_TEST(the_newest_wherever_it_is)
{
	struct restore_request req = { .recovery = { .type = RECOVERY_TIME,
	    .target = "2026-01-02 00:00:00+00" } };
	struct choice	ch;

	setup();
	ck_assert_int_eq(choose(NULL, &ch), ERR_NOT_FOUND);
	ck_assert_str_eq(e.msg, "the repository has no backup of stanza main");
	commit(0, OLD, RUN_A, 1767225600000000);
	commit(1, OLD, RUN_A, 1767225600000000);
	commit(1, NEW, RUN_B, 1767398400000000);
	ck_assert_int_eq(choose(NULL, &ch), 0);
	ck_assert_str_eq(ch.m.label, NEW);
	ck_assert_uint_eq(ch.count, 1);
	ck_assert_int_eq(ch.copies[0]->repo, 2);
	choice_release(&ch);
	ck_assert_int_eq(choose_backup(c, 2, &req, &ch, &e), 0);
	ck_assert_str_eq(ch.m.label, OLD);
	ck_assert_uint_eq(ch.count, 2);
	ck_assert_int_eq(ch.copies[0]->repo, 1);
	choice_release(&ch);
	req.recovery.target = "2020-01-01 00:00:00+00";
	ck_assert_int_eq(choose_backup(c, 2, &req, &ch, &e), ERR_NOT_FOUND);
	ck_assert_ptr_nonnull(strstr(e.hint, "the oldest is " OLD));
	ck_assert_str_eq(warnings, "");
	teardown();
}
END_TEST

START_TEST(another_copy_of_the_manifest)
{
	struct choice	ch;

	setup();
	commit(0, OLD, RUN_A, 1);
	commit(1, OLD, RUN_A, 1);
	shell("printf x >>%s/repo1/main/backup/%s/manifest-%s", OLD, RUN_A);
	ck_assert_int_eq(choose(OLD, &ch), 0);
	ck_assert_ptr_nonnull(strstr(warnings, "repo1: cannot read main/"));
	ck_assert_uint_eq(ch.count, 2);
	choice_release(&ch);
	/* Without a manifest, its packs are still good for something. */
	shell("rm %s/repo1/main/backup/%s/manifest-%s", OLD, RUN_A);
	ck_assert_int_eq(choose("latest", &ch), 0);
	ck_assert_str_eq(warnings, "repo1: the manifest of backup " OLD
	    " is missing\n");
	ck_assert_uint_eq(ch.count, 2);
	ck_assert_int_eq(ch.copies[0]->repo, 1);
	choice_release(&ch);
	shell("rm -r %s/repo1/main/backup/%s%s", OLD, "");
	ck_assert_int_eq(choose(NULL, &ch), 0);
	ck_assert_uint_eq(ch.count, 1);
	ck_assert_str_eq(warnings, "");
	choice_release(&ch);
	teardown();
}
END_TEST

START_TEST(damage_names_another)
{
	struct restore_request req = { .set = NULL };
	struct choice	ch;

	setup();
	commit(0, OLD, RUN_A, 1);
	commit(1, NEW, RUN_B, 2);
	shell("printf x >>%s/repo2/main/backup/%s/manifest-%s", NEW, RUN_B);
	ck_assert_int_lt(choose(NULL, &ch), 0);
	ck_assert_ptr_nonnull(strstr(e.msg, "cannot read main/backup/" NEW));
	ck_assert_ptr_nonnull(strstr(e.hint, "another backup is in repo1: "
	    "--repo=1 --set=" OLD));
	/* The same for damage that shows later. */
	ck_assert_int_eq(choose(OLD, &ch), 0);
	err_set(&e, ERR_CHECKSUM, "a pack");
	choose_hint_other(c, 2, &req, &ch, &e);
	ck_assert_str_eq(e.hint, "");		/* the other is damaged, too */
	choice_release(&ch);
	commit(1, NEW, RUN_A, 2);
	ck_assert_int_eq(choose(OLD, &ch), 0);
	choose_hint_other(c, 2, &req, &ch, &e);
	ck_assert_ptr_nonnull(strstr(e.hint, "--repo=2 --set=" NEW));
	choice_release(&ch);
	teardown();
}
END_TEST

START_TEST(labels)
{
	struct choice	ch;
	char		key[CATALOG_KEY_MAX];

	setup();
	commit(0, OLD, RUN_B, 1);
	commit(1, OLD, RUN_A, 1);
	ck_assert_int_eq(choose(OLD, &ch), 0);
	ck_assert_str_eq(ch.m.run, RUN_B);
	ck_assert_uint_eq(ch.count, 1);
	ck_assert_str_eq(warnings, "two different backups have the label "
	    OLD "; --repo chooses\n");
	choice_release(&ch);
	ck_assert_int_eq(choose("20200101-000000F", &ch), ERR_NOT_FOUND);
	ck_assert_str_eq(e.msg, "there is no backup 20200101-000000F");
	catalog_key_pack(&c[1], key, NEW, RUN_A, 0);
	ck_assert_int_eq(catalog_put(&c[1], OBJECT_PACK, key, "x", 1, &e), 0);
	ck_assert_int_eq(choose(NEW, &ch), ERR_NOT_FOUND);
	ck_assert_str_eq(e.msg, "backup " NEW " was never completed, or its "
	    "manifest is lost");
	catalog_key_tombstone(&c[0], key, NEW);
	ck_assert_int_eq(catalog_put(&c[0], OBJECT_TOMBSTONE, key, "x", 1,
	    &e), 0);
	shell("rm -r %s/repo2/main/backup/%s%s", NEW, "");
	ck_assert_int_eq(choose(NEW, &ch), ERR_NOT_FOUND);
	ck_assert_str_eq(e.msg, "backup " NEW " is expired");
	teardown();
}
END_TEST

START_TEST(repositories_that_do_not_answer)
{
	struct choice	ch;

	setup();
	commit(1, OLD, RUN_A, 1);
	shell("rm -r %s/repo1 && touch %s/repo1 #%s", root, "");
	ck_assert_int_eq(choose(NULL, &ch), 0);
	ck_assert_int_eq(ch.copies[0]->repo, 2);
	ck_assert_ptr_nonnull(strstr(warnings, "repo1 is left out: "));
	choice_release(&ch);
	/* Not "there is none": that is not known. */
	ck_assert_int_ne(choose(NEW, &ch), ERR_NOT_FOUND);
	ck_assert_ptr_nonnull(strstr(e.msg, "repo1 cannot be listed, and no "
	    "other repository has the backup: "));
	teardown();
}
END_TEST

START_TEST(two_clusters)
{
	struct choice	ch;

	setup();
	commit(0, OLD, RUN_A, 1);
	shell("rm -r %s/repo2/main/id%s%s", "", "");
	ck_assert_int_eq(stanza_create(&c[1], 4711, 15, &e), 0);
	ck_assert_int_eq(choose(NULL, &ch), ERR_MISMATCH);
	ck_assert_str_eq(e.msg, "stanza main belongs to cluster "
	    "7710469758564292716 in repo1 and to cluster 4711 in repo2");
	ck_assert_str_eq(e.hint, "say which one with --repo=1 or --repo=2");
	ck_assert_int_eq(stanza_upgrade(&c[1], ID, 15, &e), 0);
	ck_assert_int_eq(choose(NULL, &ch), 0);
	choice_release(&ch);
	teardown();
}
END_TEST

UNIT_MAIN("choose", the_newest_wherever_it_is, another_copy_of_the_manifest,
    damage_names_another, labels, repositories_that_do_not_answer,
    two_clusters)
