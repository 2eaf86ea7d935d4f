/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "tests/unit/unit.h"
#include "tests/unit/config_load.h"

START_TEST(unset_values)
{
	struct config	*c = must_load(
	    "[pgbouncer]\nmax_db_connections = 7\nquery_timeout = 3\n"
	    "client_idle_timeout = 0\nquery_wait_timeout = 9\n"
	    "[databases]\n"
	    "a = max_db_connections=0 server_lifetime=0 query_wait_timeout=-1\n"
	    "b = max_db_connections=-1 pool_size=-1 query_wait_timeout=4\n"
	    "[users]\n"
	    "u = query_timeout=0 max_user_connections=0 client_idle_timeout=5\n"
	    "v = query_wait_timeout=-1\n"
	    "w = query_wait_timeout=1.5\n"
	    "test2 =\n");
	const struct config_db	 *a = config_find_db(c, "a");
	const struct config_db	 *b = config_find_db(c, "b");
	const struct config_user *u = config_find_user(c, "u");
	const struct config_user *v = config_find_user(c, "v");
	const struct config_user *w = config_find_user(c, "w");

	ck_assert_int_eq(a->opt.max_db_connections, OPT_UNSET);
	ck_assert_int_eq(a->opt.server_lifetime, OPT_UNSET64);
	ck_assert_int_eq(a->opt.query_wait_timeout, OPT_UNSET64);
	ck_assert_int_eq(b->opt.pool_size, OPT_UNSET);
	ck_assert_int_eq(config_max_db_connections(c, a), 7);
	ck_assert_int_eq(config_max_db_connections(c, b), 7);
	ck_assert_int_eq(config_max_db_connections(c, NULL), 7);
	ck_assert_int_eq(config_server_lifetime(c, a), SEC(3600));
	ck_assert_int_eq(config_query_timeout(c, u), SEC(3));
	ck_assert_int_eq(config_max_user_connections(c, u), 0);
	ck_assert_int_eq(config_client_idle_timeout(c, u), SEC(5));
	ck_assert_int_eq(config_client_idle_timeout(c, v), 0);
	ck_assert_int_eq(config_query_wait_timeout(c, a, NULL), SEC(9));
	ck_assert_int_eq(config_query_wait_timeout(c, b, NULL), SEC(4));
	ck_assert_int_eq(config_query_wait_timeout(c, b, v), SEC(4));
	ck_assert_int_eq(config_query_wait_timeout(c, b, w), 1500000);
	ck_assert_ptr_nonnull(config_find_user(c, "test2"));
	config_free(c);
}
END_TEST

START_TEST(precedence)
{
	struct config	*c = must_load(
	    "[pgbouncer]\npool_mode=session\ndefault_pool_size=20\n"
	    "reserve_pool_size=1\nmin_pool_size=2\n"
	    "[databases]\nd = pool_mode=transaction pool_size=5 "
	    "min_pool_size=4 max_db_client_connections=6\n"
	    "[users]\nu = pool_mode=statement pool_size=9 "
	    "reserve_pool_size=8 max_user_client_connections=3 "
	    "transaction_timeout=2 idle_transaction_timeout=4\n");
	const struct config_db	 *d = config_find_db(c, "d");
	const struct config_user *u = config_find_user(c, "u");

	ck_assert_int_eq(config_pool_mode(c, NULL, NULL), POOL_MODE_SESSION);
	ck_assert_int_eq(config_pool_mode(c, d, NULL), POOL_MODE_TRANSACTION);
	ck_assert_int_eq(config_pool_mode(c, d, u), POOL_MODE_STATEMENT);
	ck_assert_int_eq(config_pool_size(c, NULL, NULL), 20);
	ck_assert_int_eq(config_pool_size(c, d, NULL), 5);
	ck_assert_int_eq(config_pool_size(c, d, u), 9);
	ck_assert_int_eq(config_reserve_pool_size(c, d, NULL), 1);
	ck_assert_int_eq(config_reserve_pool_size(c, d, u), 8);
	ck_assert_int_eq(config_min_pool_size(c, d), 4);
	ck_assert_int_eq(config_min_pool_size(c, NULL), 2);
	ck_assert_int_eq(config_max_db_client_connections(c, d), 6);
	ck_assert_int_eq(config_max_user_client_connections(c, u), 3);
	ck_assert_int_eq(config_transaction_timeout(c, u), SEC(2));
	ck_assert_int_eq(config_idle_transaction_timeout(c, u), SEC(4));
	config_free(c);
}
END_TEST

struct seen {
	char	text[512];
};

static void
note(void *arg, enum config_change change, const char *name,
    const struct config_db *before, const struct config_db *after)
{
	static const char	 letters[] = "+-!~";
	struct seen		*s = arg;
	size_t			 n = strlen(s->text);

	ck_assert((before == NULL) == (change == CONFIG_ADDED));
	ck_assert((after == NULL) == (change == CONFIG_REMOVED));
	snprintf(s->text + n, sizeof(s->text) - n, "%c%s ", letters[change],
	    name);
}

START_TEST(differences)
{
	struct config	*a = must_load("[pgbouncer]\n[databases]\n"
	    "gone = host=x\nhost = host=x\nmode = pool_mode=session\n"
	    "pass = password=a\nsame = host=x port=1\nuser = user=a\n"
	    "* = host=x\n");
	struct config	*b = must_load("[pgbouncer]\n[databases]\n"
	    "fresh = host=x\nhost = host=y\nmode = pool_mode=statement\n"
	    "pass = password=b\nsame = port=1 host=x\nuser = \nzz =\n"
	    "* = host=y\n");
	struct seen	 s = { "" };

	config_diff(a, a, note, &s);
	ck_assert_str_eq(s.text, "");
	config_diff(a, b, note, &s);
	ck_assert_str_eq(s.text,
	    "+fresh -gone !host ~mode ~pass !user +zz !* ");
	config_free(a);
	config_free(b);
}
END_TEST

START_TEST(lookups)
{
	struct config	*c = must_load("[pgbouncer]\n[databases]\n"
	    "b =\na =\nB =\n''' ''' = host=x\n* =\n[users]\nz =\ny =\n");

	ck_assert_uint_eq(c->n_dbs, 4);
	ck_assert_str_eq(c->dbs[0].name, "' '");
	ck_assert_str_eq(c->dbs[1].name, "B");
	ck_assert_str_eq(c->dbs[2].name, "a");
	ck_assert_ptr_eq(config_find_db(c, "a"), &c->dbs[2]);
	ck_assert_ptr_null(config_find_db(c, "A"));
	ck_assert_ptr_null(config_find_db(c, ""));
	ck_assert_ptr_eq(config_find_user(c, "z"), &c->users[1]);
	ck_assert_ptr_null(config_find_user(c, "a"));
	ck_assert_ptr_null(config_find_secret(c, "z"));
	config_free(c);
}
END_TEST

UNIT_MAIN("config_query", lookups, unset_values, precedence, differences)
