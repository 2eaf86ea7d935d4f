/* SPDX-License-Identifier: MIT */
/* The server and its client, over a real socket. */
#include "common/base.h"
#include "common/ctlserver.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/ctlclient.h"
#include "common/err.h"
#include "common/frame.h"

static char	path[64], dir[48];
static struct ctlserver *server;
static pthread_t loop_thread;
static atomic_int requests, hangups, stays;

/* Answers from a thread of its own, as the daemon does. */
static void *
answer(void *arg)
{
	struct ctlrequest *r = arg;
	const char	*verb = frame_get(ctlrequest_frame(r), "verb");
	struct err	 e = { 0 };
	char		 text[32] = "no file";
	ssize_t		 n;

	if (strcmp(verb, "decline") == 0) {
		ctlrequest_decline(r);
		return NULL;
	}
	if (strcmp(verb, "wait") == 0 || strcmp(verb, "stay") == 0) {
		if (verb[0] == 's')
			atomic_store(&stays, 1);
		while (!ctlrequest_cancelled(r))
			usleep(1000);
		err_set(&e, ERR_CANCELLED, "nobody waits");
		ctlrequest_finish(r, &e);
		return NULL;
	}
	if (ctlrequest_fd(r) >= 0) {
		n = pread(ctlrequest_fd(r), text, sizeof(text) - 1, 0);
		text[MAX(n, 0)] = '\0';
	}
	ctlrequest_send(r, FRAME_OUTPUT, "text", text, (char *)NULL);
	if (strcmp(verb, "fail") == 0) {
		err_set(&e, ERR_LOCKED, "it is held");
		err_hint(&e, "wait");
	}
	ctlrequest_finish(r, &e);
	return NULL;
}

static void
on_request(void *arg, struct ctlrequest *r)
{
	pthread_t t;

	(void)arg;
	atomic_fetch_add(&requests, 1);
	ck_assert_int_eq(pthread_create(&t, NULL, answer, r), 0);
	pthread_detach(t);
}

static void *
run_loop(void *arg)
{
	ctlserver_run(arg);
	return NULL;
}

static void
open_server(void)
{
	struct err e = { 0 };

	snprintf(dir, sizeof(dir), "/tmp/homelab-unit.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s", dir);
	ck_assert_int_eq(ctlserver_open(&server, path, NULL, on_request, NULL,
	    &e), 0);
}

static void
start_loop(void)
{
	ck_assert_int_eq(pthread_create(&loop_thread, NULL, run_loop, server),
	    0);
}

static void
start(void)
{
	open_server();
	start_loop();
}

static void
stop(void)
{
	ctlserver_stop(server);
	pthread_join(loop_thread, NULL);
	ctlserver_close(server);
	ck_assert_int_ne(access(path, F_OK), 0);
	ck_assert_int_eq(rmdir(dir), 0);
}

static int64_t
soon(void)
{
	return clock_us() + 200000000;
}

static void
ask(struct ctlclient *c, const char *verb, int fd)
{
	struct buf	b = { 0 };
	struct err	e = { 0 };
	size_t		at;

	ck_assert_int_eq(ctlclient_connect(c, path, soon(), &e), 0);
	at = frame_begin(&b, FRAME_REQUEST);
	frame_add(&b, "verb", verb);
	frame_end(&b, at);
	ck_assert_int_eq(ctlclient_send(c, &b, fd, soon(), &e), 0);
	buf_release(&b);
}

START_TEST(calls)
{
	struct ctlclient c;
	struct frame	 f;
	struct err	 e = { 0 };
	char		 file[80];
	int		 fd;

	start();
	snprintf(file, sizeof(file), "%s/f", dir);
	fd = open(file, O_RDWR | O_CREAT, 0600);
	ck_assert_int_eq(write(fd, "content", 7), 7);
	ask(&c, "read", fd);
	ck_assert_int_eq(ctlclient_receive(&c, &f, soon(), &e), 0);
	ck_assert_int_eq(f.type, FRAME_OUTPUT);
	ck_assert_str_eq(frame_get(&f, "text"), "content");
	ck_assert_int_eq(ctlclient_receive(&c, &f, soon(), &e), 0);
	ck_assert_int_eq(f.type, FRAME_VERDICT);
	ck_assert_int_eq(frame_get_int(&f, "code"), 0);
	ck_assert_int_eq(ctlclient_receive(&c, &f, soon(), &e), ERR_CLOSED);
	ctlclient_close(&c);
	close(fd);
	unlink(file);

	ask(&c, "fail", -1);
	ck_assert_int_eq(ctlclient_receive(&c, &f, soon(), &e), 0);
	ck_assert_str_eq(frame_get(&f, "text"), "no file");
	ck_assert_int_eq(ctlclient_receive(&c, &f, soon(), &e), 0);
	ck_assert_int_eq(frame_get_int(&f, "code"), ERR_LOCKED);
	ck_assert_str_eq(frame_get(&f, "msg"), "it is held");
	ck_assert_str_eq(frame_get(&f, "hint"), "wait");
	ctlclient_close(&c);

	ask(&c, "decline", -1);
	ck_assert_int_eq(ctlclient_receive(&c, &f, soon(), &e), 0);
	ck_assert_int_eq(frame_get_int(&f, "declined"), 1);
	ctlclient_close(&c);
	stop();
}
END_TEST

START_TEST(rubbish_and_silence)
{
	struct ctlclient c;
	struct buf	 b = { 0 };
	struct frame	 f;
	struct err	 e = { 0 };

	start();
	buf_append_str(&b, "GET / HTTP/1.0\r\n\r\n");
	ck_assert_int_eq(ctlclient_connect(&c, path, soon(), &e), 0);
	ck_assert_int_eq(ctlclient_send(&c, &b, -1, soon(), &e), 0);
	ck_assert_int_eq(ctlclient_receive(&c, &f, soon(), &e), 0);
	ck_assert_int_eq(frame_get_int(&f, "code"), ERR_PROTOCOL);
	ctlclient_close(&c);
	/* One that says nothing does not keep the others waiting. */
	ck_assert_int_eq(ctlclient_connect(&c, path, soon(), &e), 0);
	ck_assert_int_eq(ctlclient_receive(&c, &f, clock_us() + 50000,
	    &e), ERR_TIMEOUT);
	/* One that hangs up cancels what it asked for: stop() waits for it. */
	ctlclient_close(&c);
	ask(&c, "wait", -1);
	ctlclient_close(&c);
	/* One that waits is cancelled by the end, and told so. */
	ask(&c, "stay", -1);
	while (atomic_load(&stays) == 0)
		usleep(1000);
	stop();
	ck_assert_int_eq(ctlclient_receive(&c, &f, soon(), &e), 0);
	ck_assert_int_eq(frame_get_int(&f, "code"), ERR_CANCELLED);
	ctlclient_close(&c);
	buf_release(&b);
}
END_TEST

START_TEST(socket_of_its_own)
{
	struct ctlserver *other;
	struct ctlclient c;
	struct err	 e = { 0 };
	struct stat	 st;

	start();
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
	ck_assert_int_eq(ctlserver_open(&other, path, NULL, on_request, NULL,
	    &e), ERR_LOCKED);
	ck_assert_int_eq(ctlserver_open(&other, path, "no-such-group",
	    on_request, NULL, &e), ERR_CONFIG);
	ck_assert_str_eq(e.msg, "there is no group \"no-such-group\"");
	stop();
	ck_assert_int_eq(ctlclient_connect(&c, path, soon(), &e), ERR_CONNECT);
	ctlclient_close(&c);
}
END_TEST

/* What fails behind bind() leaves no socket that nobody answers. */
START_TEST(failed_start)
{
	struct ctlserver *none = NULL;
	struct err	 e = { 0 };
	struct rlimit	 saved, few;
	int		 next;

	snprintf(dir, sizeof(dir), "/tmp/homelab-unit.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s", dir);
	/* One descriptor more: for the socket, not for the loop. */
	next = dup(0);
	ck_assert_int_ge(next, 0);
	close(next);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &saved), 0);
	few = saved;
	few.rlim_cur = (rlim_t)next + 1;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	ck_assert_int_ne(ctlserver_open(&none, path, NULL, on_request, NULL,
	    &e), 0);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &saved), 0);
	ck_assert_ptr_nonnull(strstr(e.msg, "cannot start a loop"));
	ck_assert_int_ne(access(path, F_OK), 0);
	/* A file in the way stays. */
	close(open(path, O_WRONLY | O_CREAT, 0600));
	ck_assert_int_eq(ctlserver_open(&none, path, NULL, on_request, NULL,
	    &e), ERR_EXISTS);
	ck_assert_ptr_nonnull(strstr(e.msg, "is no socket"));
	ck_assert_int_eq(unlink(path), 0);
	snprintf(path, sizeof(path), "%s/no/s", dir);
	ck_assert_int_eq(ctlserver_open(&none, path, NULL, on_request, NULL,
	    &e), ERR_NOT_FOUND);
	ck_assert_ptr_nonnull(strstr(e.hint, "RuntimeDirectory"));
	ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

/* Who gave up does the work alone: a late daemon must not begin it, too. */
START_TEST(too_late)
{
	struct ctlclient c;
	struct frame	 f;
	struct err	 e = { 0 };

	open_server();
	ask(&c, "read", -1);
	ctlclient_close(&c);
	ask(&c, "read", -1);
	start_loop();
	while (ctlclient_receive(&c, &f, soon(), &e) == 0)
		continue;
	ck_assert_int_eq(e.code, ERR_CLOSED);
	ck_assert_int_eq(atomic_load(&requests), 1);
	ctlclient_close(&c);
	stop();
}
END_TEST

static void
on_hangup(void *arg)
{
	ck_assert_ptr_null(arg);
	atomic_fetch_add(&hangups, 1);
}

START_TEST(hangup)
{
	struct err e = { 0 };

	open_server();
	ck_assert_int_eq(ctlserver_on_hangup(server, on_hangup, &e), 0);
	start_loop();
	ck_assert_int_eq(kill(getpid(), SIGHUP), 0);
	while (atomic_load(&hangups) == 0)
		usleep(1000);
	stop();
	ck_assert_int_eq(atomic_load(&hangups), 1);
}
END_TEST

UNIT_MAIN("ctlserver", calls, rubbish_and_silence, socket_of_its_own,
    failed_start, too_late, hangup)
