/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/thin_ask.h"
#include "tests/unit/unit.h"

START_TEST(find_key)
{
	static const char text[] = "socket-path = /early\n[global]\n"
	    "socket-path-x = /no\n# socket-path = /comment\n"
	    "\t socket-path\t=  /run/a b.sock \r\n[main]\n"
	    "socket-path = /other\n";
	char out[64];

	ck_assert(ask_find_key(text, "socket-path", out, sizeof(out)));
	ck_assert_str_eq(out, "/run/a b.sock");
	ck_assert(!ask_find_key(text, "socket-pat", out, sizeof(out)));
	ck_assert(!ask_find_key("[global]\nsocket-path = /long", "socket-path",
	    out, 4));
	ck_assert(ask_find_key("[global]\nk=1\n[x]\n[global]\nk=2", "k", out,
	    sizeof(out)));
	ck_assert_str_eq(out, "2");
	ck_assert(!ask_find_key("", "k", out, sizeof(out)));
}
END_TEST

START_TEST(allowed)
{
	static const char *const words[] = { "--config=/c", "--stanza=main",
	    "--socket-path=/s", "pg_wal/x", "--no-delta" };
	static const char *const env[] = { "PATH=/bin",
	    "HOMELAB_ARCHIVER_SOCKET_PATH=/e", "HOMELAB_ARCHIVER_CONFIG=/ce",
	    NULL };
	static const char *const other[] = { "PGBACKREST_REPO1_PATH=/x", NULL };
	const char *config, *sock;

	ck_assert(ask_is_allowed(4, words, NULL, &config, &sock));
	ck_assert_str_eq(config, "/c");
	ck_assert_str_eq(sock, "/s");
	ck_assert(ask_is_allowed(0, words, env, &config, &sock));
	ck_assert_str_eq(config, "/ce");
	ck_assert_str_eq(sock, "/e");
	/* What a daemon cannot see, or would misread. */
	ck_assert(!ask_is_allowed(4, words, other, &config, &sock));
	ck_assert(!ask_is_allowed(5, words, NULL, &config, &sock));
}
END_TEST

UNIT_MAIN("thin_ask", find_key, allowed)
