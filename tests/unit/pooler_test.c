/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "pooler/pooler.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "common/log.h"
#include "common/wire.h"
#include "tests/unit/pooler_run.h"
#include "tests/unit/unit.h"

/* A pooler in a child; it listens when this returns. */
static pid_t
run_pooler(struct test_dir *t)
{
	struct config_source source;
	struct config	    *c = test_config(t, &source, "");
	struct pooler	    *p;
	struct err	     e = { 0 };
	pid_t		     pid;
	int		     status = 1, fds[2];
	char		     byte = 1;

	ck_assert_int_eq(pipe(fds), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		/* A signalfd in an epoll set belongs to who put it there:
		 * so everything is made after the fork. */
		if (pooler_new(c, &source, &p, &e) == 0 &&
		    write(fds[1], &byte, 1) == 1) {
			status = pooler_run(p);
			pooler_free(p);
		}
		_exit(status);
	}
	close(fds[1]);
	ck_assert_int_eq(read(fds[0], &byte, 1), 1);
	close(fds[0]);
	config_free(c);
	return pid;
}

static int
dial(const struct test_dir *t)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(un.sun_path, sizeof(un.sun_path), "%s", t->sock);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	return fd;
}

static void
put(int fd, struct buf *b)
{
	ck_assert(!buf_failed(b));
	ck_assert_int_eq(write(fd, buf_bytes(b), buf_len(b)),
	    (ssize_t)buf_len(b));
	buf_clear(b);
}

/* Reads until a message of this type; its body, NUL-terminated. */
static const char *
wait_for(int fd, uint8_t type)
{
	static char body[65536];
	unsigned char head[WIRE_HEADER_LEN];
	struct wire_header h;

	do {
		ck_assert_int_eq(recv(fd, head, sizeof(head), MSG_WAITALL),
		    WIRE_HEADER_LEN);
		ck_assert_int_eq(wire_header_get((char *)head, sizeof(head),
		    sizeof(body) - 1, &h), 0);
		ck_assert_int_eq(recv(fd, body, h.body, MSG_WAITALL),
		    (ssize_t)h.body);
		body[h.body] = '\0';
	} while (h.type != type);
	return body;
}

static int
console(const struct test_dir *t)
{
	struct buf b = { 0 };
	int	   fd = dial(t);
	size_t	   at = wire_startup_begin(&b, WIRE_VERSION(3, 0));

	wire_startup_param(&b, "user", "pgbouncer");
	wire_startup_param(&b, "database", "pgbouncer");
	wire_startup_end(&b, at);
	put(fd, &b);
	(void)wait_for(fd, WIRE_BE_READY);
	buf_release(&b);
	return fd;
}

static void
say(int fd, const char *sql)
{
	struct buf b = { 0 };

	wire_put_string(&b, WIRE_FE_QUERY, sql);
	put(fd, &b);
	buf_release(&b);
}

static void
expect_end(pid_t pid, const struct test_dir *t)
{
	int status;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 0);
	ck_assert_int_eq(access(t->sock, F_OK), -1);
}

static void
ends_by(int signo)
{
	struct test_dir t;
	pid_t		pid;

	test_dir_make(&t);
	pid = run_pooler(&t);
	ck_assert_int_eq(kill(pid, signo), 0);
	expect_end(pid, &t);
	test_dir_remove(&t);
}

START_TEST(signals_end_it)
{
	ends_by(SIGTERM);
	ends_by(SIGINT);
	ends_by(SIGQUIT);
}
END_TEST

START_TEST(the_console_answers)
{
	struct test_dir	t;
	pid_t		pid;
	int		fd;

	test_dir_make(&t);
	pid = run_pooler(&t);
	fd = console(&t);
	say(fd, "PAUSE");
	ck_assert_str_eq(wait_for(fd, WIRE_BE_COMMAND_COMPLETE), "PAUSE");
	say(fd, "RESUME;");
	ck_assert_str_eq(wait_for(fd, WIRE_BE_COMMAND_COMPLETE), "RESUME");
	say(fd, "set stats_period = 5");
	ck_assert_str_eq(wait_for(fd, WIRE_BE_COMMAND_COMPLETE),
	    "SET stats_period=5");
	say(fd, "RELOAD");
	ck_assert_str_eq(wait_for(fd, WIRE_BE_COMMAND_COMPLETE), "RELOAD");
	say(fd, "HOLD");
	ck_assert_str_eq(wait_for(fd, WIRE_BE_COMMAND_COMPLETE), "HOLD");
	say(fd, "RELEASE");
	ck_assert_str_eq(wait_for(fd, WIRE_BE_COMMAND_COMPLETE), "RELEASE");
	/* Two commands in one packet are answered one after the other. */
	say(fd, "SHOW VERSION");
	say(fd, "nonsense");
	ck_assert_str_eq(wait_for(fd, WIRE_BE_COMMAND_COMPLETE), "SHOW");
	ck_assert_ptr_nonnull(wait_for(fd, WIRE_BE_ERROR));
	(void)wait_for(fd, WIRE_BE_READY);
	/* An open console keeps a patient shutdown waiting. */
	say(fd, "SHUTDOWN WAIT_FOR_CLIENTS");
	ck_assert_str_eq(wait_for(fd, WIRE_BE_COMMAND_COMPLETE), "SHUTDOWN");
	ck_assert_int_eq(waitpid(pid, NULL, WNOHANG), 0);
	close(fd);
	expect_end(pid, &t);
	test_dir_remove(&t);
}
END_TEST

/* A console that goes away in the middle of a command harms nobody. */
START_TEST(a_console_vanishes)
{
	struct test_dir	t;
	pid_t		pid;
	int		fd, i;

	test_dir_make(&t);
	pid = run_pooler(&t);
	for (i = 0; i < 200; i++) {
		fd = console(&t);
		say(fd, i % 2 == 0 ? "SHOW CONFIG" : "SHOW CLIENTS");
		close(fd);
	}
	fd = console(&t);
	say(fd, "SHUTDOWN");
	close(fd);
	expect_end(pid, &t);
	test_dir_remove(&t);
}
END_TEST

UNIT_MAIN("pooler", signals_end_it, the_console_answers, a_console_vanishes)
