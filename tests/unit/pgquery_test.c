/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "common/err.h"
#include "common/pgquery.h"
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
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

static const struct pgquery_limits soon = { .timeout_us = 250000 };
static const struct pgquery_limits late = { .timeout_us = 200000000 };

/* Asked a second time, somebody gives up. */
static bool
asked_again(void *arg)
{
	return (*(int *)arg)++ > 0;
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
	ck_assert_int_eq(pgquery_connect(&q, &t, &late, &e), ERR_DB_CONNECT);
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
	ck_assert_int_eq(pgquery_connect(&q, &t, &soon, &e), ERR_TIMEOUT);
	ck_assert_str_eq(e.msg,
	    "PostgreSQL did not answer the connection within 250ms");
	close(fd);
}
END_TEST

START_TEST(silent_server_not_waited_for)
{
	struct pgquery_target t = { .host = "127.0.0.1", .user = "u",
	    .database = "d" };
	int		asked = 0;
	struct pgquery_limits l = { PGQUERY_NO_TIMEOUT, asked_again, &asked };
	struct pgquery	*q = NULL;
	struct err	e = { 0 };
	int		fd;

	fd = listen_loopback(&t.port);
	ck_assert_int_eq(pgquery_connect(&q, &t, &l, &e), ERR_CANCELLED);
	ck_assert_ptr_null(q);
	ck_assert_str_eq(e.msg, "connection to PostgreSQL cancelled");
	close(fd);
}
END_TEST

/* Lets one in, and from then on answers nobody: not even a cancel request. */
static void *
let_one_in(void *arg)
{
	static const char welcome[] = "R\0\0\0\10\0\0\0\0"
	    "K\0\0\0\14\0\0\0\1\0\0\0\2" "Z\0\0\0\5I";
	const int	*fd = arg;
	char		 startup[1024];
	int		 s = accept(*fd, NULL, NULL);

	if (s < 0 || read(s, startup, sizeof(startup)) <= 0 ||
	    write(s, welcome, sizeof(welcome) - 1) !=
	    (ssize_t)sizeof(welcome) - 1)
		return NULL;
	return arg;
}

START_TEST(server_hangs)
{
	struct pgquery_target t = { .host = "127.0.0.1", .user = "u",
	    .conninfo = "sslmode=disable gssencmode=disable",
	    .database = "d" };
	int		asked = 0;
	struct pgquery_limits l = { PGQUERY_NO_TIMEOUT, asked_again, &asked };
	struct pgquery	*q = NULL;
	struct err	e = { 0 };
	pthread_t	thread;
	void		*in;
	int		fd;

	fd = listen_loopback(&t.port);
	ck_assert_int_eq(pthread_create(&thread, NULL, let_one_in, &fd), 0);
	ck_assert_int_eq(pgquery_connect(&q, &t, &late, &e), 0);
	ck_assert_int_eq(pthread_join(thread, &in), 0);
	ck_assert_ptr_nonnull(in);
	pgquery_set_limits(q, &l);
	ck_assert_int_eq(pgquery_run(q, "SELECT 1", NULL, 0, NULL, &e),
	    ERR_CANCELLED);
	ck_assert_str_eq(e.msg, "query cancelled");
	pgquery_close(q);
	close(fd);
}
END_TEST

START_TEST(bad_conninfo)
{
	struct pgquery_target t = { .conninfo = "nonsense=1" };
	struct pgquery	*q = NULL;
	struct err	e = { 0 };

	ck_assert_int_eq(pgquery_connect(&q, &t, &soon, &e), ERR_DB_CONNECT);
	ck_assert_ptr_nonnull(strstr(e.msg, "nonsense"));
}
END_TEST

UNIT_MAIN("pgquery", nobody_listens, silent_server,
    silent_server_not_waited_for, server_hangs, bad_conninfo)
