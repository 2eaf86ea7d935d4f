/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "pooler/addr.h"

#include <arpa/inet.h>
#include <string.h>

#include "tests/unit/unit.h"

START_TEST(prints)
{
	struct sockaddr_in  in = { .sin_family = AF_INET,
	    .sin_port = htons(51234) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6,
	    .sin6_port = htons(5432), .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct sockaddr	    un = { .sa_family = AF_UNIX };
	struct addr a = { 0 };
	char	out[ADDR_TEXT_MAX];

	ck_assert_str_eq(addr_ip(&a, out, sizeof(out)), "?");
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	addr_from_sockaddr(&a, (struct sockaddr *)&in, 6432);
	ck_assert_str_eq(addr_ip(&a, out, sizeof(out)), "127.0.0.1");
	ck_assert_str_eq(addr_print(&a, out, sizeof(out)), "127.0.0.1:51234");
	addr_from_sockaddr(&a, (struct sockaddr *)&in6, 6432);
	ck_assert_str_eq(addr_ip(&a, out, sizeof(out)), "::1");
	ck_assert_str_eq(addr_print(&a, out, sizeof(out)), "[::1]:5432");
	addr_from_sockaddr(&a, &un, 6432);
	ck_assert_str_eq(addr_ip(&a, out, sizeof(out)), "unix");
	ck_assert_str_eq(addr_print(&a, out, sizeof(out)), "unix:6432");
	a.pid = 17;
	ck_assert_str_eq(addr_print(&a, out, sizeof(out)), "unix(17):6432");
}
END_TEST

UNIT_MAIN("addr", prints)
