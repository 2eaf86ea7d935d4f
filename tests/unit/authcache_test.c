/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "pooler/authcache.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "pooler/auth.h"

static void
work_for(struct scram_work *w, const char *password, const char *salt,
    uint32_t iterations)
{
	ck_assert_int_eq(scram_work_init(w, password,
	    (const unsigned char *)salt, strlen(salt), iterations), 0);
}

START_TEST(keys_are_found_again)
{
	struct authcache *a = authcache_new(10);
	struct auth_credentials c = { 0 };
	struct scram_work w, again;

	ck_assert_ptr_nonnull(a);
	ck_assert_int_eq(auth_credentials_set(&c, "secret"), 0);
	work_for(&w, "secret", "salt", 4096);
	ck_assert(!authcache_find_keys(a, "ann", &c, &w));
	ck_assert_int_eq(scram_work_run(&w), 0);
	authcache_keep_keys(a, "ann", &c, &w);
	work_for(&again, "secret", "salt", 4096);
	ck_assert(authcache_find_keys(a, "ann", &c, &again));
	ck_assert_int_eq(memcmp(&again.keys, &w.keys, sizeof(w.keys)), 0);
	auth_credentials_release(&c);
	authcache_free(a);
}
END_TEST

/* Whatever the keys depend on must be the same. */
START_TEST(keys_of_something_else_are_not)
{
	struct authcache *a = authcache_new(10);
	struct auth_credentials c = { 0 }, other = { 0 };
	struct scram_work w;

	ck_assert_int_eq(auth_credentials_set(&c, "secret"), 0);
	ck_assert_int_eq(auth_credentials_set(&other, "secret2"), 0);
	work_for(&w, "secret", "salt", 4096);
	ck_assert_int_eq(scram_work_run(&w), 0);
	authcache_keep_keys(a, "ann", &c, &w);
	ck_assert(!authcache_find_keys(a, "bob", &c, &w));
	ck_assert(!authcache_find_keys(a, "ann", &other, &w));
	work_for(&w, "secret", "salT", 4096);
	ck_assert(!authcache_find_keys(a, "ann", &c, &w));
	work_for(&w, "secret", "salt", 4097);
	ck_assert(!authcache_find_keys(a, "ann", &c, &w));
	auth_credentials_release(&c);
	auth_credentials_release(&other);
	authcache_free(a);
}
END_TEST

START_TEST(the_oldest_goes)
{
	struct authcache *a = authcache_new(3);
	struct auth_credentials c = { 0 };
	struct scram_work w;
	char	user[16];
	int	i;

	ck_assert_int_eq(auth_credentials_set(&c, "secret"), 0);
	work_for(&w, "secret", "salt", 4096);
	for (i = 0; i < 5; i++) {
		snprintf(user, sizeof(user), "user%d", i);
		authcache_keep_keys(a, user, &c, &w);
		authcache_keep_keys(a, user, &c, &w);
	}
	for (i = 0; i < 5; i++) {
		snprintf(user, sizeof(user), "user%d", i);
		ck_assert_int_eq(authcache_find_keys(a, user, &c, &w), i >= 2);
	}
	auth_credentials_release(&c);
	authcache_free(a);
	authcache_free(NULL);
}
END_TEST

/* Only plain passwords are worth a cache; other secrets are never looked up. */
START_TEST(only_plain_secrets)
{
	struct authcache *a = authcache_new(3);
	struct scram_secret s;

	ck_assert(!authcache_find(a, "ann", "secret", 4096, &s));
	ck_assert(!authcache_find(a, "ann",
	    "md50123456789abcdef0123456789abcdef", 4096, &s));
	ck_assert(!authcache_find(a, "ann", "", 4096, &s));
	authcache_free(a);
}
END_TEST

UNIT_MAIN("authcache", keys_are_found_again, keys_of_something_else_are_not,
    the_oldest_goes, only_plain_secrets)
