/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "tests/unit/config_load.h"
#include "tests/unit/unit.h"

START_TEST(databases)
{
	struct config	*c = must_load(
	    "[databases]\n"
	    "  zeta = host=10.0.0.1,/run/pg,::1 port=5433\n"
	    "alpha=dbname = real password='it''s s' user=bob reserve_pool=3\n"
	    "'od''d name' = pool_size=0 pool_mode=TRANSACTION\n"
	    "\"tw\"\"o\" = host=x load_balance_hosts=disable\n"
	    "* = host=fallback\n"
	    "[pgbouncer]\n"
	    "[databases]\n"
	    "late = connect_query='select 1; select 2' query_wait_timeout=0");
	const struct config_db *db;

	ck_assert_uint_eq(c->n_dbs, 5);
	ck_assert_str_eq(c->dbs[0].name, "alpha");
	ck_assert_str_eq(c->dbs[1].name, "late");
	ck_assert_str_eq(c->dbs[2].name, "od'd name");
	ck_assert_str_eq(c->dbs[3].name, "tw\"o");
	ck_assert_str_eq(c->dbs[4].name, "zeta");
	db = config_find_db(c, "zeta");
	ck_assert_ptr_eq(db, &c->dbs[4]);
	ck_assert_uint_eq(db->n_hosts, 3);
	ck_assert_str_eq(db->hosts[0], "10.0.0.1");
	ck_assert_str_eq(db->hosts[2], "::1");
	ck_assert_int_eq(db->opt.port, 5433);
	ck_assert_ptr_null(db->opt.dbname);
	ck_assert_int_eq(db->opt.pool_size, OPT_UNSET);
	db = config_find_db(c, "alpha");
	ck_assert_str_eq(db->opt.dbname, "real");
	ck_assert_str_eq(db->opt.password, "it's s");
	ck_assert_int_eq(db->opt.reserve_pool_size, 3);
	ck_assert_uint_eq(db->n_hosts, 0);
	db = config_find_db(c, "od'd name");
	ck_assert_int_eq(db->opt.pool_size, 0);
	ck_assert_int_eq(db->opt.pool_mode, POOL_MODE_TRANSACTION);
	db = config_find_db(c, "tw\"o");
	ck_assert_int_eq(db->opt.load_balance_hosts, LOAD_BALANCE_DISABLE);
	db = config_find_db(c, "late");
	ck_assert_str_eq(db->opt.connect_query, "select 1; select 2");
	ck_assert_int_eq(db->opt.query_wait_timeout, 0);
	ck_assert_ptr_null(config_find_db(c, "*"));
	ck_assert_ptr_null(config_find_db(c, "nobody"));
	ck_assert_str_eq(c->fallback->opt.host, "fallback");
	config_free(c);
}
END_TEST

START_TEST(refused_entries)
{
	refuse("[pgbouncer]\n[databases]\npgbouncer = host=x\n",
	    "database name \"pgbouncer\" is reserved in configuration (INI:3)");
	refuse("[pgbouncer]\n[databases]\n"
	    "a123456789b123456789c123456789d123456789e123456789f123456789g123 "
	    "= host=64\n", "too long db name: a123456789b123456789c123456789"
	    "d123456789e123456789f123456789g123 in configuration (INI:3)");
	config_free(must_load("[pgbouncer]\n[databases]\n"
	    "a123456789b123456789c123456789d123456789e123456789f123456789g12 "
	    "= host=63\n"));
	refuse("[pgbouncer]\n[databases]\na = hst=x\n",
	    "unrecognized connection parameter: hst in configuration (INI:3)");
	refuse("[pgbouncer]\n[users]\na = hst=x\n",
	    "unrecognized user parameter: hst in configuration (INI:3)");
	refuse("[pgbouncer]\n[databases]\na = host\n",
	    "syntax error in connection string in configuration (INI:3)");
	refuse("[pgbouncer]\n[databases]\na = password='secret\n",
	    "syntax error in connection string in configuration (INI:3)");
	refuse("[pgbouncer]\n[users]\na = pool_mode=''\n",
	    "syntax error in user settings in configuration (INI:3)");
	refuse("[pgbouncer]\n[databases]\na = port=0\n",
	    "invalid port: 0 in configuration (INI:3)");
	refuse("[pgbouncer]\n[databases]\na = port=-1\n",
	    "invalid port: -1 in configuration (INI:3)");
	refuse("[pgbouncer]\n[databases]\na = port=65536\n",
	    "invalid port: 65536 in configuration (INI:3)");
	refuse("[pgbouncer]\n[databases]\na = pool_mode=x\n",
	    "invalid pool mode: x in configuration (INI:3)");
	refuse("[pgbouncer]\n[databases]\na = load_balance_hosts=x\n",
	    "invalid load_balance_hosts: x in configuration (INI:3)");
	refuse("[pgbouncer]\n[databases]\na = pool_size=many\n",
	    "invalid value \"many\" for parameter pool_size in configuration "
	    "(INI:3)");
	refuse("[pgbouncer]\n[databases]\na = pool_size=99999999999\n",
	    "invalid value \"99999999999\" for parameter pool_size in "
	    "configuration (INI:3)");
}
END_TEST

/* No secret gets into a message, whatever is wrong with its line. */
START_TEST(secrets_stay_out_of_messages)
{
	static const char *const lines[] = {
		"a = password=hush foo=1", "a = password='hush", "a = hush",
		"a = password=hush port=0", "a = password=hush pool_size=x",
		"a = host=x password='hush'x",
	};
	struct config	*c = NULL;
	char		 text[128];
	size_t		 i;

	for (i = 0; i < ARRAY_LEN(lines); i++) {
		snprintf(text, sizeof(text), "[pgbouncer]\n[databases]\n%s\n",
		    lines[i]);
		ck_assert_int_ne(load(text, &c), 0);
		ck_assert_ptr_null(strstr(err.msg, "hush"));
		ck_assert_ptr_null(strstr(err.hint, "hush"));
	}
}
END_TEST

START_TEST(long_user_names)
{
	char		name[129], text[400];
	struct config	*c;

	memset(name, 'u', 128);
	name[128] = '\0';
	snprintf(text, sizeof(text), "[pgbouncer]\n[databases]\na = user=%s\n",
	    name);
	refuse(text, "username too long in configuration (INI:3)");
	snprintf(text, sizeof(text), "[pgbouncer]\n[users]\n%s =\n", name);
	c = must_load(text);
	ck_assert_uint_eq(c->n_users, 0);
	ck_assert_ptr_nonnull(strstr(buf_cstr(&c->warnings),
	    "too long user name: uuu"));
	config_free(c);
	name[127] = '\0';
	snprintf(text, sizeof(text), "[pgbouncer]\n[databases]\na = user=%s\n"
	    "b = host=x,,y,\n[users]\n%s =\n", name, name);
	c = must_load(text);
	ck_assert_str_eq(config_find_db(c, "a")->opt.user, name);
	ck_assert_ptr_nonnull(config_find_user(c, name));
	ck_assert_uint_eq(config_find_db(c, "b")->n_hosts, 2);
	ck_assert_str_eq(config_find_db(c, "b")->hosts[1], "y");
	config_free(c);
}
END_TEST

START_TEST(lenient_numbers)
{
	struct config		*c = must_load("[pgbouncer]\n[databases]\n"
	    "a = pool_size=010 server_lifetime=1.5 min_pool_size=+3 "
	    "max_db_connections=08x query_wait_timeout=2m port=05433\n");
	const struct config_db	*a = config_find_db(c, "a");

	/* Decimal here, unlike in [pgbouncer]. */
	ck_assert_int_eq(a->opt.pool_size, 10);
	ck_assert_int_eq(a->opt.server_lifetime, 1500000);
	ck_assert_int_eq(a->opt.min_pool_size, 3);
	ck_assert_int_eq(a->opt.max_db_connections, 8);
	ck_assert_int_eq(a->opt.query_wait_timeout, SEC(120));
	ck_assert_int_eq(a->opt.port, 5433);
	temp_hide_number(&c->warnings);
	ck_assert_str_eq(buf_cstr(&c->warnings),
	    "max_db_connections of a is not a number, read as 08\n");
	config_free(c);
}
END_TEST

UNIT_MAIN("config_entry", databases, refused_entries,
    secrets_stay_out_of_messages, long_user_names, lenient_numbers)
