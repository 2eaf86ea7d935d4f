/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "tests/unit/unit.h"
#include "tests/unit/config_load.h"

START_TEST(dump_hides_secrets_and_reads_back)
{
	struct config	*c = must_load("[pgbouncer]\n"
	    "query_wait_timeout=1.25\nunix_socket_mode=0700\n[databases]\n"
	    "'a b' = host=x password=hush application_name='it''s a'\n"
	    "* = host=y\n[users]\nu = pool_size=3\n");
	struct config	*again;
	struct buf	 one = { 0 }, two = { 0 };

	config_dump(c, &one);
	ck_assert_ptr_null(strstr(buf_cstr(&one), "hush"));
	ck_assert_ptr_nonnull(strstr(buf_cstr(&one), "unix_socket_mode = 0700\n"));
	ck_assert_ptr_nonnull(strstr(buf_cstr(&one),
	    "'a b' = host=x password=**** application_name='it''s a'\n"));
	ck_assert_ptr_nonnull(strstr(buf_cstr(&one), ";auth_file = \n"));
	again = must_load(buf_cstr(&one));
	/* conffile was set, to the name of the first temporary file. */
	ck_assert_str_eq(again->opt.conffile, c->opt.conffile);
	config_dump(again, &two);
	ck_assert_str_eq(buf_cstr(&one), buf_cstr(&two));
	buf_release(&one);
	buf_release(&two);
	config_free(c);
	config_free(again);
}
END_TEST

START_TEST(test_run)
{
	static const char	 ini[] = "[pgbouncer]\nauth_hba_file=x\n"
	    "[databases]\na=\n*=\n[users]\nu=\n";
	char			 path[TEMP_PATH_MAX];
	struct buf		 out = { 0 };

	temp_write(path, ini, strlen(ini));
	ck_assert_int_eq(config_test(path, &out, &err), 0);
	ck_assert_ptr_nonnull(strstr(buf_cstr(&out), "warning: auth_hba_file "
	    "is not supported yet and has no effect\n"));
	ck_assert_ptr_nonnull(strstr(buf_cstr(&out), ": ok, 2 databases, "
	    "1 users with settings, 0 users in the auth file\n"));
	temp_rewrite(path, "[x]\n", 4);
	ck_assert_int_eq(config_test(path, &out, &err), ERR_CONFIG);
	buf_release(&out);
	unlink(path);
}
END_TEST

UNIT_MAIN("config_dump", dump_hides_secrets_and_reads_back, test_run)
