/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "pooler/listen.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "common/log.h"
#include "pooler/pooler.h"
#include "tests/unit/pooler_run.h"
#include "tests/unit/unit.h"

/* Makes a pooler with these lines, which must fail; its words. */
static const char *
complaint(struct test_dir *t, const char *lines)
{
	static struct err    e;
	struct config_source source;
	struct config	    *c = test_config(t, &source, lines);
	struct pooler	    *p;

	e = (struct err){ 0 };
	ck_assert_int_lt(pooler_new(c, &source, &p, &e), 0);
	return e.msg;
}

START_TEST(unix_socket)
{
	struct test_dir	     t;
	struct config_source source;
	struct config	    *c;
	struct pooler	    *p;
	struct err	     e = { 0 };
	struct stat	     st;

	test_dir_make(&t);
	c = test_config(&t, &source, "unix_socket_mode = 0700");
	ck_assert(!listen_unix_in_use(&c->opt));
	ck_assert_msg(pooler_new(c, &source, &p, &e) == 0, "%s", e.msg);
	ck_assert(listen_unix_in_use(&p->control.shared.config->opt));
	ck_assert_int_eq(stat(t.sock, &st), 0);
	ck_assert(S_ISSOCK(st.st_mode));
	ck_assert_int_eq(st.st_mode & 07777, 0700);
	pooler_free(p);
	ck_assert_int_eq(access(t.sock, F_OK), -1);
	test_dir_remove(&t);
}
END_TEST

START_TEST(a_leftover_makes_way)
{
	struct test_dir	     t;
	struct config_source source;
	struct config	    *c;
	struct pooler	    *p;
	struct err	     e = { 0 };

	test_dir_make(&t);
	temp_rewrite(t.sock, "", 0);
	c = test_config(&t, &source, "");
	ck_assert(!listen_unix_in_use(&c->opt));
	ck_assert_int_eq(pooler_new(c, &source, &p, &e), 0);
	pooler_free(p);
	test_dir_remove(&t);
}
END_TEST

START_TEST(refused)
{
	struct test_dir t;
	char		lock[160];

	test_dir_make(&t);
	ck_assert_str_eq(complaint(&t, "unix_socket_dir ="),
	    "nowhere to listen on");
	ck_assert_str_eq(complaint(&t, "unix_socket_group = no-such-group"),
	    "could not find group 'no-such-group': no such group");
	ck_assert_ptr_nonnull(strstr(complaint(&t,
	    "unix_socket_dir = /no/such/dir"), "failed to create unix socket"));
	ck_assert_ptr_nonnull(strstr(complaint(&t, "unix_socket_dir = /"
	    "0123456789/0123456789/0123456789/0123456789/0123456789/0123456789"
	    "0123456789/0123456789/0123456789/0123456789/0123456789/01234567"),
	    "unix_socket_dir is too long"));
	ck_assert_ptr_nonnull(strstr(complaint(&t,
	    "listen_addr = no.such.host.invalid"), "getaddrinfo('no.such."));
	snprintf(lock, sizeof(lock), "%s.lock", t.sock);
	temp_rewrite(lock, "1\n", 2);
	ck_assert_str_eq(complaint(&t, ""), "unix port 7777 is in use");
	unlink(lock);
	/* Nothing was left behind by any of these. */
	ck_assert_int_eq(access(t.sock, F_OK), -1);
	test_dir_remove(&t);
}
END_TEST

/* A port that somebody has: one bad address is a warning, all an error. */
START_TEST(a_port_in_use)
{
	struct sockaddr_in   in = { .sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t	     len = sizeof(in);
	struct test_dir	     t;
	struct config_source source;
	struct config	    *c;
	struct pooler	    *p;
	struct err	     e = { 0 };
	char		     lines[128];
	int		     fd = socket(AF_INET, SOCK_STREAM, 0);

	test_dir_make(&t);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&in, len), 0);
	ck_assert_int_eq(listen(fd, 1), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&in, &len), 0);
	snprintf(lines, sizeof(lines), "listen_addr = 127.0.0.1\n"
	    "listen_port = %u", ntohs(in.sin_port));
	ck_assert_str_eq(complaint(&t, lines), "failed to listen on any "
	    "address in listen_addr list: 127.0.0.1");
	snprintf(lines, sizeof(lines), "listen_addr = 127.0.0.1, 127.0.0.2\n"
	    "listen_port = %u", ntohs(in.sin_port));
	c = test_config(&t, &source, lines);
	ck_assert_msg(pooler_new(c, &source, &p, &e) == 0, "%s", e.msg);
	pooler_free(p);
	close(fd);
	test_dir_remove(&t);
}
END_TEST

UNIT_MAIN("listen", unix_socket, a_leftover_makes_way, refused,
    a_port_in_use)
