/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "pooler/resolver.h"
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#include "common/err.h"
#include "pooler/registry.h"

static struct loop	loop;
static struct options	opts;
static struct config_db conf;
static struct database	db;
static struct resolver	r;
static int		answers;

static void
on_done(struct resolver *res)
{
	ck_assert_ptr_eq(res, &r);
	answers++;
}

static void
begin(char **hosts, size_t n)
{
	struct err e = { 0 };

	memset(&conf, 0, sizeof(conf));
	memset(&db, 0, sizeof(db));
	opts.unix_socket_dir = (char *)(uintptr_t)"/run/x";
	conf.opt.port = OPT_UNSET;
	conf.opt.load_balance_hosts = OPT_UNSET;
	conf.hosts = hosts;
	conf.n_hosts = n;
	db.conf = &conf;
	answers = 0;
	ck_assert_int_eq(loop_init(&loop, POLLER_EPOLL, &e), 0);
}

static void
ask(void)
{
	int before = answers;

	ck_assert_int_eq(resolver_start(&r, &loop, &db, &opts, on_done), 0);
	/* Never inside the call. */
	ck_assert_int_eq(answers, before);
	while (answers == before)
		loop_turn(&loop, 1000);
}

static const char *
unix_path(void)
{
	return ((struct sockaddr_un *)(void *)&r.addresses[0].sa)->sun_path;
}

START_TEST(no_host_is_the_socket_directory)
{
	begin(NULL, 0);
	ask();
	ck_assert_int_eq(r.result, 0);
	ck_assert_uint_eq(r.n, 1);
	ck_assert_str_eq(unix_path(), "/run/x/.s.PGSQL.5432");
	loop_release(&loop);
}
END_TEST

START_TEST(a_directory_and_an_abstract_socket)
{
	char *hosts[] = { (char *)(uintptr_t)"/tmp", (char *)(uintptr_t)"@pg" };

	begin(hosts, 2);
	conf.opt.port = 99;
	ask();
	ck_assert_str_eq(unix_path(), "/tmp/.s.PGSQL.99");
	ask();
	ck_assert_int_eq(unix_path()[0], '\0');
	ck_assert_int_eq(memcmp(unix_path() + 1, "pg/.s.PGSQL.99", 14), 0);
	ck_assert_uint_eq(r.addresses[0].len,
	    offsetof(struct sockaddr_un, sun_path) + 15);
	loop_release(&loop);
}
END_TEST

START_TEST(a_path_that_is_too_long)
{
	char  dir[200];
	char *hosts[] = { dir };

	memset(dir, 'd', sizeof(dir));
	dir[0] = '/';
	dir[199] = '\0';
	begin(hosts, 1);
	ask();
	ck_assert_int_ne(r.result, 0);
	ck_assert_ptr_nonnull(strstr(r.error, "socket path too long"));
	loop_release(&loop);
}
END_TEST

START_TEST(literal_addresses_take_turns)
{
	char *hosts[] = { (char *)(uintptr_t)"127.0.0.1",
	    (char *)(uintptr_t)"::1" };
	struct sockaddr_in  *in = (void *)&r.addresses[0].sa;
	struct sockaddr_in6 *in6 = (void *)&r.addresses[0].sa;
	int	i;

	begin(hosts, 2);
	conf.opt.port = 5433;
	for (i = 0; i < 2; i++) {
		ask();
		ck_assert_int_eq(in->sin_family, AF_INET);
		ck_assert_uint_eq(ntohs(in->sin_port), 5433);
		ck_assert_str_eq(r.addresses[0].host, "127.0.0.1");
		ask();
		ck_assert_int_eq(in6->sin6_family, AF_INET6);
		ck_assert_uint_eq(ntohs(in6->sin6_port), 5433);
	}
	loop_release(&loop);
}
END_TEST

START_TEST(without_balancing_only_a_failure_moves_on)
{
	char *hosts[] = { (char *)(uintptr_t)"/a", (char *)(uintptr_t)"/b" };

	begin(hosts, 2);
	conf.opt.load_balance_hosts = LOAD_BALANCE_DISABLE;
	ask();
	ask();
	ck_assert_str_eq(unix_path(), "/a/.s.PGSQL.5432");
	resolver_failed(&db);
	ask();
	ask();
	ck_assert_str_eq(unix_path(), "/b/.s.PGSQL.5432");
	loop_release(&loop);
}
END_TEST

START_TEST(names_through_the_thread_pool)
{
	char *hosts[] = { (char *)(uintptr_t)"localhost",
	    (char *)(uintptr_t)"no.such.host.invalid" };

	begin(hosts, 2);
	ask();
	ck_assert_int_eq(r.result, 0);
	ck_assert_uint_ge(r.n, 1);
	ck_assert_str_eq(r.addresses[0].host, "localhost");
	ask();
	ck_assert_int_ne(r.result, 0);
	ck_assert_ptr_nonnull(strstr(r.error, "no.such.host.invalid"));
	loop_release(&loop);
}
END_TEST

UNIT_MAIN("resolver", no_host_is_the_socket_directory,
    a_directory_and_an_abstract_socket, a_path_that_is_too_long,
    literal_addresses_take_turns, without_balancing_only_a_failure_moves_on,
    names_through_the_thread_pool)
