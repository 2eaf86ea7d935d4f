/* SPDX-License-Identifier: MIT */
/* What a client makes of each way in which a daemon answers, or does not. */
#include "common/base.h"
#include "common/ctlask.h"
#include "tests/unit/unit.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/frame.h"

static char		dir[48], path[64];
static int		listener;
static struct buf	asked, answer, heard;
static pthread_t	daemon_thread;
static int		delay_ms;	/* before the daemon answers */
static int		patience;	/* so often cancelled() says no */

/* Takes one connection, reads a frame, sends the answer, hangs up. */
static void *
serve(void *arg)
{
	struct frame	f;
	size_t		used;
	ssize_t		n;
	char		*p;
	int		sock = accept(listener, NULL, NULL);

	(void)arg;
	do {
		p = buf_reserve(&asked, 4096);
		n = recv(sock, p, 4096, 0);
		if (n > 0)
			buf_commit(&asked, (size_t)n);
	} while (n > 0 && frame_parse(buf_bytes(&asked), buf_len(&asked), &f,
	    &used) == 0);
	poll(NULL, 0, delay_ms);
	if (buf_len(&answer) > 0)
		(void)!send(sock, buf_bytes(&answer), buf_len(&answer),
		    MSG_NOSIGNAL);
	close(sock);
	return NULL;
}

static void
add(enum frame_type type, const char *key, const char *value, const char *key2,
    const char *value2)
{
	size_t start = frame_begin(&answer, type);

	frame_add(&answer, key, value);
	if (key2 != NULL)
		frame_add(&answer, key2, value2);
	frame_end(&answer, start);
}

static void
output(void *arg, const char *text)
{
	ck_assert_ptr_eq(arg, &heard);
	buf_printf(&heard, "out:%s;", text);
}

static void
warn(void *arg, const char *text)
{
	ck_assert_ptr_eq(arg, &heard);
	buf_printf(&heard, "warn:%s;", text);
}

static void
progress(void *arg, const char *what, int64_t done, int64_t total)
{
	ck_assert_ptr_eq(arg, &heard);
	buf_printf(&heard, "%s:%d/%d;", what, (int)done, (int)total);
}

static bool
cancelled(void *arg)
{
	ck_assert_ptr_eq(arg, &heard);
	return --patience < 0;
}

/* Asks for "info" with two arguments. */
static enum ctlask_result
ask(int *code, struct err *e)
{
	static const char *const argv[] = { "--stanza=main", "x" };
	struct ctlask q = { .socket = path, .verb = "info", .config = "/c",
	    .argv = argv, .argc = 2, .fd = -1, .grace_us = 1000000,
	    .output = output, .warn = warn, .progress = progress,
	    .cancelled = cancelled, .arg = &heard };

	memset(e, 0, sizeof(*e));
	buf_clear(&heard);
	return ctlask(&q, code, e);
}

static enum ctlask_result
ask_daemon(int *code, struct err *e)
{
	enum ctlask_result r;

	buf_clear(&asked);
	ck_assert_int_eq(pthread_create(&daemon_thread, NULL, serve, NULL), 0);
	r = ask(code, e);
	pthread_join(daemon_thread, NULL);
	buf_clear(&answer);
	return r;
}

START_TEST(answers)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct frame	f;
	struct err	e;
	size_t		used;
	int		code;

	snprintf(dir, sizeof(dir), "/tmp/homelab-unit.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s", dir);
	ck_assert_int_eq(ask(&code, &e), CTLASK_NOT);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	listener = socket(AF_UNIX, SOCK_STREAM, 0);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&addr,
	    sizeof(addr)), 0);
	ck_assert_int_eq(listen(listener, 5), 0);

	patience = 1000;
	add(FRAME_ACCEPTED, "timeout_us", "0", NULL, NULL);
	add(FRAME_PROGRESS, "what", "copying", "done", "5");
	add(FRAME_OUTPUT, "text", "a\n", NULL, NULL);
	add(FRAME_WARNING, "text", "w", NULL, NULL);
	add(FRAME_VERDICT, "code", "0", NULL, NULL);
	ck_assert_int_eq(ask_daemon(&code, &e), CTLASK_DONE);
	ck_assert_int_eq(code, 0);
	ck_assert_str_eq(buf_cstr(&heard), "copying:5/0;out:a\n;warn:w;");
	ck_assert_int_eq(frame_parse(buf_bytes(&asked), buf_len(&asked), &f,
	    &used), 1);
	ck_assert_str_eq(frame_get(&f, "verb"), "info");
	ck_assert_str_eq(frame_get(&f, "config"), "/c");
	ck_assert_str_eq(frame_get(&f, "arg"), "--stanza=main");
	ck_assert_ptr_null(frame_get(&f, "path"));

	/* A wait of several slices leaves nothing behind in e. */
	delay_ms = 500;
	add(FRAME_VERDICT, "code", "0", NULL, NULL);
	ck_assert_int_eq(ask_daemon(&code, &e), CTLASK_DONE);
	ck_assert_int_eq(e.code, 0);
	patience = 1;
	delay_ms = 2000;
	ck_assert_int_eq(ask_daemon(&code, &e), CTLASK_LOST);
	ck_assert_int_eq(code, ERR_CANCELLED);
	ck_assert_int_eq(e.code, ERR_CANCELLED);
	delay_ms = 0;
	patience = 1000;

	add(FRAME_VERDICT, "code", "-10006", "msg", "no such thing");
	ck_assert_int_eq(ask_daemon(&code, &e), CTLASK_DONE);
	ck_assert_int_eq(code, -10006);
	ck_assert_int_eq(e.code, -10006);
	ck_assert_str_eq(e.msg, "no such thing");

	add(FRAME_VERDICT, "code", "0", "declined", "1");
	ck_assert_int_eq(ask_daemon(&code, &e), CTLASK_NOT);

	/* It died before it took the request; then: while it was at it. */
	ck_assert_int_eq(ask_daemon(&code, &e), CTLASK_SILENT);
	ck_assert_int_eq(e.code, ERR_CLOSED);
	add(FRAME_ACCEPTED, "timeout_us", "0", NULL, NULL);
	add(FRAME_OUTPUT, "text", "half", NULL, NULL);
	ck_assert_int_eq(ask_daemon(&code, &e), CTLASK_LOST);
	ck_assert_int_eq(code, ERR_CLOSED);
	ck_assert_str_eq(buf_cstr(&heard), "out:half;");
	buf_append_str(&answer, "HTTP/1.0 400 What?\r\n\r\n");
	ck_assert_int_eq(ask_daemon(&code, &e), CTLASK_SILENT);
	ck_assert_int_eq(e.code, ERR_PROTOCOL);
	buf_release(&asked);
	buf_release(&answer);
	buf_release(&heard);
	close(listener);
	unlink(path);
	rmdir(dir);
}
END_TEST

UNIT_MAIN("ctlask", answers)
