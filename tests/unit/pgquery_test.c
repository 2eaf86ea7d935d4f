/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "common/err.h"
#include "common/pgquery.h"
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * Without a server: what a server that is not there, is silent or talks
 * rubbish leads to. Queries are tested end to end, where PostgreSQL runs.
 */
static int
listen_loopback(int *port)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t	len = sizeof(a);
	int		fd = socket(AF_INET, SOCK_STREAM, 0);

	ck_assert_int_ge(fd, 0);
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	ck_assert_int_eq(listen(fd, 4), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	*port = ntohs(a.sin_port);
	return fd;
}

START_TEST(nobody_listens)
{
	struct pgquery_target t = { .host = "127.0.0.1", .user = "u",
	    .database = "d" };
	struct pgquery	*q = NULL;
	struct err	e = { 0 };
	int		fd;

	fd = listen_loopback(&t.port);
	close(fd);
	ck_assert_int_eq(pgquery_connect(&q, &t, 200000000, &e), ERR_DB_CONNECT);
	ck_assert_ptr_null(q);
	ck_assert_msg(strstr(e.msg, "cannot connect to PostgreSQL: ") == e.msg,
	    "%s", e.msg);
	ck_assert_ptr_nonnull(strstr(e.msg, "Connection refused"));
	ck_assert_ptr_null(strchr(e.msg, '\n'));
	pgquery_close(NULL);
}
END_TEST

START_TEST(silent_server)
{
	struct pgquery_target t = { .host = "127.0.0.1", .user = "u",
	    .database = "d" };
	struct pgquery	*q = NULL;
	struct err	e = { 0 };
	int		fd;

	fd = listen_loopback(&t.port);
	ck_assert_int_eq(pgquery_connect(&q, &t, 250000, &e), ERR_TIMEOUT);
	ck_assert_str_eq(e.msg,
	    "PostgreSQL did not answer the connection within 250ms");
	close(fd);
}
END_TEST

START_TEST(bad_conninfo)
{
	struct pgquery_target t = { .conninfo = "nonsense=1" };
	struct pgquery	*q = NULL;
	struct err	e = { 0 };

	ck_assert_int_eq(pgquery_connect(&q, &t, 250000, &e), ERR_DB_CONNECT);
	ck_assert_ptr_nonnull(strstr(e.msg, "nonsense"));
}
END_TEST

UNIT_MAIN("pgquery", nobody_listens, silent_server, bad_conninfo)
