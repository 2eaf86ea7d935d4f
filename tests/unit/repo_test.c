/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/repo.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "archiver/segment.h"
#include "archiver/settings.h"
#include "common/digest.h"
#include "common/err.h"

static char	 root[64];
static struct err e;

static void
make_root(void)
{
	snprintf(root, sizeof(root), "/tmp/homelab-unit.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(root));
}

static void
remove_root(void)
{
	char cmd[128];

	snprintf(cmd, sizeof(cmd), "rm -rf %s", root);
	ck_assert_int_eq(system(cmd), 0);
}

START_TEST(keys)
{
	struct segment_name	name;
	struct digest		digest;
	char			key[STORE_KEY_MAX];

	digest_of(NULL, "", 0, &digest);
	ck_assert_int_eq(segment_parse("0000000100000A0B000000FE", &name), 0);
	ck_assert_str_eq(repo_key_wal(key, "main", 77, &name, &digest),
	    "main/wal/77/00000001/00000A0B/0000000100000A0B000000FE-"
	    "99aa06d3014798d86001c324468d497f");
	/* Without a digest: what all keys of this name begin with. */
	ck_assert_str_eq(repo_key_wal(key, "main", 77, &name, NULL),
	    "main/wal/77/00000001/00000A0B/0000000100000A0B000000FE-");
	/* What is no whole segment lies together, apart from segments. */
	ck_assert_int_eq(segment_parse("00000002.history", &name), 0);
	ck_assert_str_eq(repo_key_wal(key, "main", 77, &name, NULL),
	    "main/wal/77/history/00000002.history-");
	ck_assert_int_eq(segment_parse("0000000100000A0B000000FE.partial",
	    &name), 0);
	ck_assert_str_eq(repo_key_wal(key, "main", 77, &name, NULL),
	    "main/wal/77/history/0000000100000A0B000000FE.partial-");
}
END_TEST

START_TEST(opening)
{
	struct settings	s = { .o.config = (char *)(uintptr_t)"F" };
	struct repo	r[SETTINGS_REPO_MAX];
	size_t		n = 99;

	make_root();
	ck_assert_int_eq(repos_open(&s, r, &n, &e), ERR_CONFIG);
	ck_assert_str_eq(e.msg, "no repository is configured");
	ck_assert_ptr_nonnull(strstr(e.hint, "F is not there"));
	s.o.io_timeout = 5;
	s.has_repo[0] = s.has_repo[3] = true;
	s.repo[0].path = s.repo[3].path = root;
	s.repo[3].required = true;
	ck_assert_int_eq(repos_open(&s, r, &n, &e), 0);
	ck_assert_uint_eq(n, 2);
	ck_assert_int_eq(r[0].number, 1);
	ck_assert(!r[0].required);
	ck_assert_int_eq(r[1].number, 4);
	ck_assert(r[1].required);
	ck_assert_int_eq(r[1].io_timeout, 5);
	ck_assert_str_eq(store_name(r[1].store), root);
	repos_close(r, n);
	/* The first is closed again when the second cannot be opened. */
	s.repo[3].type = REPO_S3;
	ck_assert_int_eq(repos_open(&s, r, &n, &e), ERR_CONFIG);
	ck_assert_str_eq(e.msg, "repo4-s3-endpoint is not set");
	remove_root();
}
END_TEST

START_TEST(claims)
{
	struct repo	r = { .number = 2 };

	make_root();
	ck_assert_int_eq(store_dir_open(&r.store, root, &e), 0);
	ck_assert_int_eq(repo_check_claim(&r, "main", 77, 15, NULL, &e),
	    ERR_MISMATCH);
	ck_assert_ptr_nonnull(strstr(e.msg,
	    "stanza main does not exist in repo2"));
	ck_assert_ptr_nonnull(strstr(e.hint, "stanza-create"));
	ck_assert_int_eq(store_put(r.store, "main/id/77-15", "", 0, NULL, &e),
	    0);
	ck_assert_int_eq(repo_check_claim(&r, "main", 77, 15, NULL, &e), 0);
	ck_assert_int_eq(repo_check_claim(&r, "main", 77, 0, NULL, &e), 0);
	/* Another version, another cluster, and one that begins alike. */
	ck_assert_int_eq(repo_check_claim(&r, "main", 77, 16, NULL, &e),
	    ERR_MISMATCH);
	ck_assert_int_eq(repo_check_claim(&r, "main", 78, 15, NULL, &e),
	    ERR_MISMATCH);
	ck_assert_int_eq(repo_check_claim(&r, "main", 7, 0, NULL, &e),
	    ERR_MISMATCH);
	ck_assert_ptr_nonnull(strstr(e.msg, "belongs to another cluster"));
	/* A stanza whose name begins alike is another one. */
	ck_assert_int_eq(repo_check_claim(&r, "mai", 77, 15, NULL, &e),
	    ERR_MISMATCH);
	ck_assert_ptr_nonnull(strstr(e.msg, "does not exist"));
	store_close(r.store);
	remove_root();
}
END_TEST

UNIT_MAIN("repo", keys, opening, claims)
