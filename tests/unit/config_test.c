/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "pooler/config.h"
#include "tests/unit/config_load.h"
#include "tests/unit/unit.h"

START_TEST(defaults)
{
	struct config	*c = must_load("[pgbouncer]\n");

	ck_assert_int_eq(c->opt.listen_port, 6432);
	ck_assert_int_eq(c->opt.default_pool_size, 20);
	ck_assert_int_eq(c->opt.auth_type, AUTH_TYPE_MD5);
	ck_assert_int_eq(c->opt.pool_mode, POOL_MODE_SESSION);
	ck_assert_int_eq(c->opt.unix_socket_mode, 0777);
	ck_assert_int_eq(c->opt.query_wait_timeout, SEC(120));
	ck_assert_int_eq(c->opt.handover_skew, 2000);
	ck_assert_uint_eq(c->opt.max_packet_size, 2147483647);
	ck_assert_ptr_null(c->opt.auth_file);
	ck_assert_str_eq(c->opt.server_check_query, "<empty>");
	ck_assert_uint_eq(c->n_dbs + c->n_users + c->n_secrets, 0);
	ck_assert_ptr_null(c->fallback);
	ck_assert_uint_eq(buf_len(&c->warnings), 0);
	config_free(c);
	config_free(NULL);
}
END_TEST

START_TEST(refused)
{
	refuse("", "load_init_file: main section missing from config file");
	refuse("[databases]\na=\n",
	    "load_init_file: main section missing from config file");
	refuse("x = 1\n[pgbouncer]\n", "load_init_file: value without "
	    "section: x in configuration (INI:1)");
	refuse("[pgbouncer]\n\n[other]\n",
	    "invalid section \"other\" in configuration (INI:3)");
	ck_assert_ptr_nonnull(strstr(err.hint, "unknown section: other"));
	refuse("[pgbouncer]\npool_mod = session\n",
	    "unknown parameter: pgbouncer/pool_mod in configuration (INI:2)");
	ck_assert_str_eq(err.hint, "did you mean pool_mode?");
	refuse("[pgbouncer]\ncolour = red\n",
	    "unknown parameter: pgbouncer/colour in configuration (INI:2)");
	ck_assert_str_eq(err.hint, "");
	refuse("[pgbouncer]\npool_mode = sesion\n", "invalid value \"sesion\" "
	    "for parameter pool_mode in configuration (INI:2)");
	ck_assert_str_eq(err.hint,
	    "pool_mode takes one of session, transaction, statement");
	refuse("[pgbouncer]\nlisten_port = 6432x\n", "invalid value \"6432x\" "
	    "for parameter listen_port in configuration (INI:2)");
	refuse("[pgbouncer]\nlog_stats = yes\n", "invalid value \"yes\" for "
	    "parameter log_stats in configuration (INI:2)");
	refuse("[pgbouncer]\nauth_dbname = pgbouncer\n", "cannot use the "
	    "reserved \"pgbouncer\" database as an auth_dbname in "
	    "configuration (INI:2)");
	refuse("[pgbouncer]\nfoo\n", "syntax error in configuration (INI:2), "
	    "stopping loading");
}
END_TEST

START_TEST(not_yet)
{
	struct config	*c = NULL;
	size_t		 i;
	static const char *const types[] = { "hba", "cert", "pam", "ldap" };

	for (i = 0; i < ARRAY_LEN(types); i++) {
		char	text[64], msg[128];

		snprintf(text, sizeof(text), "[pgbouncer]\nauth_type=%s\n",
		    types[i]);
		snprintf(msg, sizeof(msg), "auth_type \"%s\" is not supported "
		    "yet in configuration (INI:2)", types[i]);
		ck_assert_int_eq(load(text, &c), ERR_NOT_YET);
		ck_assert_str_eq(err.msg, msg);
		ck_assert_str_eq(err.hint, "auth_type takes one of any, "
		    "trust, plain, md5, scram-sha-256");
	}
	c = must_load("[pgbouncer]\nauth_hba_file=/x\ndns_max_ttl=15\n"
	    "dns_nxdomain_ttl=16\npeer_id=0\nauth_ldap_options=secret\n"
	    "[peers]\n1 = host=x\n[peers]\n2 = host=y\n");
	temp_hide_number(&c->warnings);
	ck_assert_str_eq(buf_cstr(&c->warnings),
	    "section [peers] is not supported yet and has no effect\n"
	    "auth_hba_file is not supported yet and has no effect\n"
	    "auth_ldap_options is not supported yet and has no effect\n"
	    "dns_nxdomain_ttl is not supported yet and has no effect\n");
	config_free(c);
}
END_TEST

START_TEST(doubts_are_told)
{
	struct config	*c = must_load(
	    "[pgbouncer]\npool_mode=transaction\nauth_user=me\n[pgbouncer]\n"
	    "[databases]\n"
	    "a = host=one\n"
	    "a = host=two pool_size=20x server_lifetime=5q\n"
	    "* = host=a\n* = host=b\n"
	    "[users]\n"
	    "u = pool_size=1\nu = pool_size=2\n");

	temp_hide_number(&c->warnings);
	ck_assert_str_eq(buf_cstr(&c->warnings),
	    "another section [pgbouncer] sets all keys back to their "
	    "defaults\n"
	    "pool_size of a is not a number, read as 20\n"
	    "server_lifetime of a is not a number, read as 5\n"
	    "database \"a\" is listed again, this line counts\n"
	    "database \"*\" is listed again, this line counts\n"
	    "user \"u\" is listed again, this line counts\n");
	/* Keys without a default survive the second header. */
	ck_assert_int_eq(c->opt.pool_mode, POOL_MODE_SESSION);
	ck_assert_str_eq(c->opt.auth_user, "me");
	ck_assert_uint_eq(c->n_dbs, 1);
	ck_assert_str_eq(config_find_db(c, "a")->opt.host, "two");
	ck_assert_int_eq(config_find_db(c, "a")->opt.pool_size, 20);
	ck_assert_int_eq(config_find_db(c, "a")->opt.server_lifetime, SEC(5));
	ck_assert_str_eq(c->fallback->opt.host, "b");
	ck_assert_int_eq(config_find_user(c, "u")->opt.pool_size, 2);
	config_free(c);
}
END_TEST

START_TEST(tls_needs_files)
{
	refuse("[pgbouncer]\nclient_tls_sslmode=allow\n", "To allow TLS "
	    "connections from clients, client_tls_key_file and "
	    "client_tls_cert_file must be set.");
	refuse("[pgbouncer]\nclient_tls_sslmode=verify-ca\n"
	    "client_tls_key_file=k\nclient_tls_cert_file=c\n",
	    "client_tls_sslmode requires client_tls_ca_file");
	config_free(must_load("[pgbouncer]\nclient_tls_sslmode=require\n"
	    "client_tls_key_file=k\nclient_tls_cert_file=c\n"));
}
END_TEST

START_TEST(auth_file)
{
	static const char	 list[] =
	    "; users\n\"bob\" \"first\"\n\"al\"\"x\" \"\" junk\n"
	    "\"bob\" \"md5aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"\n";
	char			 path[TEMP_PATH_MAX], text[256];
	struct config		*c, *other;

	temp_write(path, list, strlen(list));
	snprintf(text, sizeof(text), "[pgbouncer]\nauth_file = %s\n", path);
	c = must_load(text);
	ck_assert_uint_eq(c->n_secrets, 2);
	ck_assert_str_eq(c->secrets[0].user, "al\"x");
	ck_assert_str_eq(config_find_secret(c, "al\"x")->secret, "");
	ck_assert_int_eq(config_find_secret(c, "bob")->kind,
	    AUTHFILE_MD5);
	ck_assert_ptr_null(config_find_secret(c, "eve"));
	ck_assert_ptr_nonnull(strstr(buf_cstr(&c->warnings),
	    "user \"bob\" is listed again in "));
	/* Other users for the same snapshot, and back. */
	temp_rewrite(path, "\"eve\" \"x\"\n", 10);
	ck_assert_int_eq(config_load_secrets(path, &other, &err), 0);
	config_swap_secrets(c, other);
	ck_assert_uint_eq(c->n_secrets, 1);
	ck_assert_str_eq(config_find_secret(c, "eve")->secret, "x");
	ck_assert_ptr_null(config_find_secret(c, "bob"));
	ck_assert_ptr_nonnull(config_find_secret(other, "bob"));
	config_free(other);
	ck_assert_int_eq(config_load_secrets("", &other, &err), 0);
	ck_assert_uint_eq(other->n_secrets, 0);
	config_free(other);
	config_free(c);
	temp_rewrite(path, "\"bob\" secret\n", 13);
	ck_assert_int_eq(config_load_secrets(path, &other, &err), ERR_CONFIG);
	ck_assert_int_eq(load(text, &c), ERR_CONFIG);
	temp_hide(err.msg, path, "LIST");
	ck_assert_str_eq(err.msg, "broken auth file (LIST:1)");
	unlink(path);
	ck_assert_int_eq(load(text, &c), ERR_NOT_FOUND);
	temp_hide(err.msg, path, "LIST");
	ck_assert_str_eq(err.msg,
	    "could not open auth_file LIST: No such file or directory");
}
END_TEST

START_TEST(command_line)
{
	static const char	 ini[] = "[pgbouncer]\nuser=fromfile\nverbose=1\n";
	char			 path[TEMP_PATH_MAX];
	struct config_source	 source = { path, "fromargv", 1, NULL };
	struct config		*c;

	temp_write(path, ini, strlen(ini));
	ck_assert_int_eq(config_load(&source, &c, NULL), 0);
	ck_assert_str_eq(c->opt.user, "fromargv");
	ck_assert_int_eq(c->opt.verbose, 2);
	ck_assert_str_eq(c->opt.conffile, path);
	config_free(c);
	unlink(path);
	memset(&err, 0, sizeof(err));
	ck_assert_int_eq(config_load(&source, &c, &err), ERR_NOT_FOUND);
	temp_hide(err.msg, path, "INI");
	ck_assert_str_eq(err.msg,
	    "could not load file \"INI\": No such file or directory");
}
END_TEST

START_TEST(reload_keeps_what_is_fixed)
{
	static const char	 one[] = "[pgbouncer]\nlisten_port=1\n"
	    "pool_mode=session\n";
	static const char	 two[] = "[pgbouncer]\nlisten_port=2\n"
	    "pool_mode=statement\nlisten_addr=*\n";
	char			 path[TEMP_PATH_MAX];
	struct config_source	 source = { .path = path };
	struct config		*a, *b;

	temp_write(path, one, strlen(one));
	ck_assert_int_eq(config_load(&source, &a, NULL), 0);
	temp_rewrite(path, two, strlen(two));
	source.running = a;
	ck_assert_int_eq(config_load(&source, &b, NULL), 0);
	ck_assert_int_eq(b->opt.listen_port, 1);
	ck_assert_uint_eq(b->opt.listen_addr.n, 0);
	ck_assert_int_eq(b->opt.pool_mode, POOL_MODE_STATEMENT);
	ck_assert_str_eq(buf_cstr(&b->warnings),
	    "listen_addr:  -> * has to wait for a restart\n"
	    "listen_port: 1 -> 2 has to wait for a restart\n");
	ck_assert_str_eq(buf_cstr(&b->changes),
	    "pool_mode: session -> statement\n");
	config_free(a);
	config_free(b);
	unlink(path);
}
END_TEST

static void
count_changes(void *arg, enum config_change change, const char *name UNUSED,
    const struct config_db *before UNUSED, const struct config_db *after UNUSED)
{
	int	*counts = arg;

	counts[change]++;
}

/* 139 databases with forced users, added and removed 40 times. */
START_TEST(many_reloads)
{
	struct buf	text = { 0 };
	struct config	*empty = must_load("[pgbouncer]\n"), *full;
	int		i, counts[4] = { 0 };

	buf_append_str(&text, "[pgbouncer]\n[databases]\n");
	for (i = 0; i < 139; i++)
		buf_printf(&text, "db%d = host=127.0.0.1 user=user%d\n", i, i);
	for (i = 0; i < 40; i++) {
		full = must_load(buf_cstr(&text));
		ck_assert_uint_eq(full->n_dbs, 139);
		ck_assert_str_eq(config_find_db(full, "db138")->opt.user,
		    "user138");
		config_diff(empty, full, count_changes, counts);
		config_diff(full, empty, count_changes, counts);
		config_free(full);
	}
	ck_assert_int_eq(counts[CONFIG_ADDED], 40 * 139);
	ck_assert_int_eq(counts[CONFIG_REMOVED], 40 * 139);
	ck_assert_int_eq(counts[CONFIG_RECONNECT] + counts[CONFIG_SETTINGS], 0);
	config_free(empty);
	buf_release(&text);
}
END_TEST

static uint32_t
next_random(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

/* Changes a few bytes or spans of text, which has room for 2000. */
static void
damage(char *text, uint32_t *seed)
{
	static const char *const pieces[] = { "'", "\"", "=", "\n", " ", "-1",
	    "[users]\n", "\r", "x", "99999999999999999999", "[", "]" };
	size_t	rounds = next_random(seed) % 4, n, at, span;
	const char *piece;

	for (; rounds > 0; rounds--) {
		n = strlen(text);
		at = next_random(seed) % n;
		span = next_random(seed) % 12;
		span = MIN(span, n - at - 1);
		if (next_random(seed) % 2 == 0) {
			memmove(text + at, text + at + span, n - at - span + 1);
			continue;
		}
		piece = pieces[next_random(seed) % ARRAY_LEN(pieces)];
		memmove(text + at + strlen(piece), text + at, n - at + 1);
		memcpy(text + at, piece, strlen(piece));
	}
}

/*
 * Damaged files: refused with a message, or accepted, and then the dump is
 * a file that says the same.
 */
START_TEST(damaged_files)
{
	static const char	 good[] = "[pgbouncer]\nlisten_addr = a, b\n"
	    "query_timeout = 1.5\nadmin_users=x\n[databases]\n"
	    "a = host=x,y port=5433 user=u connect_query='it''s'\n"
	    "'b c' = pool_size=3 pool_mode=statement\n* =\n[users]\n"
	    "u = query_timeout=3\nv =\n";
	char			 text[2000];
	struct config		*c, *again;
	struct buf		 one = { 0 }, two = { 0 };
	uint32_t		 seed = 4711;
	int			 i, accepted = 0;

	for (i = 0; i < 3000; i++) {
		memcpy(text, good, sizeof(good));
		damage(text, &seed);
		c = NULL;
		if (load(text, &c) != 0) {
			ck_assert_ptr_null(c);
			ck_assert_str_ne(err.msg, "");
			continue;
		}
		accepted++;
		buf_clear(&one);
		buf_clear(&two);
		config_dump(c, &one);
		again = must_load(buf_cstr(&one));
		config_dump(again, &two);
		ck_assert_str_eq(buf_cstr(&one), buf_cstr(&two));
		config_free(c);
		config_free(again);
	}
	ck_assert_int_gt(accepted, 300);
	ck_assert_int_lt(accepted, 2700);
	buf_release(&one);
	buf_release(&two);
}
END_TEST

UNIT_MAIN("config", damaged_files, defaults, refused, not_yet, doubts_are_told,
    tls_needs_files, auth_file, command_line, reload_keeps_what_is_fixed,
    many_reloads)
