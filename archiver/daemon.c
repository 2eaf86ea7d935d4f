/* SPDX-License-Identifier: MIT */
/*
 * serve: the daemon. The loop's thread only accepts requests; each runs in
 * a thread of its own, so that a store that hangs holds up nobody else.
 */
#include "common/base.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "archiver/engine.h"
#include "archiver/roster.h"
#include "archiver/served.h"
#include "archiver/settings.h"
#include "common/buf.h"
#include "common/ctlserver.h"
#include "common/frame.h"
#include "common/log.h"

#define ARGS_MAX	64

struct daemon {
	const struct settings *s;	/* of the file's global part */
	struct roster	*roster;
	atomic_uint	 reloads;	/* asked for */
	struct ctlserver *server;
	atomic_uint	 threads;
};

/* A request in its thread. */
struct job {
	struct daemon	*d;
	struct ctlrequest *request;
};

/* --- Callbacks of verbs. --- */

static void
job_print(void *arg, const char *text)
{
	ctlrequest_send(arg, FRAME_OUTPUT, "text", text, (char *)NULL);
}

static void
job_warn(void *arg, const char *text)
{
	ctlrequest_send(arg, FRAME_WARNING, "text", text, (char *)NULL);
}

static void
job_progress(void *arg, const char *what, uint64_t done, uint64_t total)
{
	char a[24], b[24];

	snprintf(a, sizeof(a), "%" PRIu64, done);
	snprintf(b, sizeof(b), "%" PRIu64, total);
	ctlrequest_send(arg, FRAME_PROGRESS, "what", what, "done", a, "total",
	    b, (char *)NULL);
}

static bool
job_cancelled(void *arg)
{
	return ctlrequest_cancelled(arg);
}

/* --- Requests. --- */

static void
accept_request(struct ctlrequest *r, int64_t timeout_us)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRId64, timeout_us);
	ctlrequest_send(r, FRAME_ACCEPTED, "timeout_us", text, (char *)NULL);
}

/*
 * The stanza that the words name, if they change nothing about how WAL is
 * stored or fetched; the other words go to call->argv. NULL if the file has
 * to be read.
 */
static struct served *
find_plain(struct daemon *d, int argc, const char *const *argv,
    const char **args, int *n)
{
	const char *name = NULL;
	int	    i;

	for (i = *n = 0; i < argc; i++) {
		if (strncmp(argv[i], "--stanza=", 9) == 0)
			name = argv[i] + 9;
		else if (strncmp(argv[i], "--", 2) != 0)
			args[(*n)++] = argv[i];
		else if (strncmp(argv[i], "--config=", 9) != 0 &&
		    strncmp(argv[i], "--socket-path=", 14) != 0)
			return NULL;
	}
	return roster_find(d->roster, name);
}

/*
 * archive-push or archive-get with what is open. It does not read the file:
 * one that is just being edited must not stop the archiver.
 */
static int
run_served(struct served *st, const struct verb *verb,
    const struct verb_call *call, struct err *e)
{
	int rc;

	if ((verb->flags & VERB_PUSH) != 0) {
		accept_request(call->arg, served_push_timeout(st));
		rc = served_push(st, call, e);
	} else {
		accept_request(call->arg, served_get_timeout(st));
		rc = served_get(st, call, e);
	}
	/* What it got over on its way is no part of the answer. */
	if (rc == 0)
		memset(e, 0, sizeof(*e));
	return rc;
}

/* Any verb, as the program would do it by itself. */
static int
run_loaded(struct daemon *d, const struct verb *verb, struct verb_call *call,
    int argc, const char *const *argv, struct err *e)
{
	struct settings_source src = { .command = verb->name };
	struct settings	 s;
	struct buf	 warnings = { 0 };
	const char	*args[ARGS_MAX], *words[ARGS_MAX + 1];
	char		 config[4200];
	int64_t		 timeout = 0;
	int		 rc;

	/* The file that the daemon was started with. */
	snprintf(config, sizeof(config), "--config=%s", d->s->o.config);
	memcpy(words, argv, (size_t)argc * sizeof(*words));
	words[argc] = config;
	src.argv = words;
	src.argc = argc + 1;
	rc = settings_load(&s, &src, args, &call->argc, &warnings, e);
	buf_release(&warnings);
	if (rc != 0)
		return rc;
	call->s = &s;
	call->argv = args;
	if ((verb->flags & VERB_PUSH) != 0)
		timeout = s.o.archive_timeout;
	else if ((verb->flags & VERB_GET) != 0)
		timeout = s.o.archive_get_timeout;
	accept_request(call->arg, timeout);
	rc = verb_run(verb, call, e);
	settings_release(&s);
	return rc;
}

static int
run_verb(struct daemon *d, struct ctlrequest *r, const struct verb *verb,
    int argc, const char *const *argv, struct err *e)
{
	const char	*args[ARGS_MAX];
	struct verb_call call = { .print = job_print, .warn = job_warn,
	    .progress = job_progress, .cancelled = job_cancelled, .arg = r,
	    .argv = args, .fd = ctlrequest_fd(r),
	    .path = frame_get(ctlrequest_frame(r), "path") };
	struct served	*st = NULL;
	int		 rc;

	if ((verb->flags & (VERB_PUSH | VERB_GET)) != 0 && call.path != NULL)
		st = find_plain(d, argc, argv, args, &call.argc);
	if (st == NULL)
		return run_loaded(d, verb, &call, argc, argv, e);
	rc = run_served(st, verb, &call, e);
	served_release(st);
	return rc;
}

/* Reads the arguments out of the frame; false if there are too many. */
static bool
read_args(const struct frame *f, const char **argv, int *argc)
{
	const char *key, *value;
	size_t	    at = 0;

	*argc = 0;
	while (frame_next(f, &at, &key, &value)) {
		if (strcmp(key, "arg") != 0)
			continue;
		if (*argc == ARGS_MAX)
			return false;
		argv[(*argc)++] = value;
	}
	return true;
}

static void *
run_job(void *arg)
{
	struct job	*job = arg;
	struct daemon	*d = job->d;
	struct ctlrequest *r = job->request;
	const struct frame *f = ctlrequest_frame(r);
	const char	*name = frame_get(f, "verb");
	const char	*version = frame_get(f, "version");
	const char	*config = frame_get(f, "config");
	const struct verb *verb = name == NULL ? NULL : verb_find(name);
	const char	*argv[ARGS_MAX];
	struct err	 e = { 0 };
	int		 argc, rc;

	free(job);
	/* Another build, or another configuration: not ours to answer. */
	if (verb == NULL || version == NULL || verb->fn == verb_serve ||
	    strcmp(version, HOMELAB_VERSION) != 0 || config == NULL ||
	    strcmp(config, d->s->o.config) != 0 ||
	    !read_args(f, argv, &argc) ||
	    ((verb->flags & (VERB_PUSH | VERB_GET)) != 0 &&
	    ctlrequest_fd(r) < 0)) {
		ctlrequest_decline(r);
	} else {
		rc = run_verb(d, r, verb, argc, argv, &e);
		if (rc != 0 && rc != ERR_ABSENT)
			log_warning("%s: %s", name, e.msg);
		ctlrequest_finish(r, &e);
	}
	atomic_fetch_sub(&d->threads, 1);
	return NULL;
}

/* --- Reload. --- */

static void
log_lines(const char *text)
{
	size_t n;

	for (; *text != '\0'; text += n + (text[n] == '\n')) {
		n = strcspn(text, "\n");
		log_info("reload: %.*s", (int)n, text);
	}
}

static void
reload_once(struct daemon *d)
{
	struct buf	changes = { 0 };
	struct err	e = { 0 };

	if (roster_reload(d->roster, &changes, &e) != 0)
		log_error("reload: %s; nothing was changed%s%s", e.msg,
		    e.hint[0] != '\0' ? "; " : "", e.hint);
	else if (buf_len(&changes) == 0)
		log_info("reload: nothing has changed in %s", d->s->o.config);
	else
		log_lines(buf_cstr(&changes));
	buf_release(&changes);
}

/* In a thread: it waits for transfers that the old settings began. */
static void *
reload(void *arg)
{
	struct daemon	*d = arg;
	unsigned	 asked;

	do {
		asked = atomic_load(&d->reloads);
		reload_once(d);
	} while (!atomic_compare_exchange_strong(&d->reloads, &asked, 0));
	atomic_fetch_sub(&d->threads, 1);
	return NULL;
}

static int
start_thread(struct daemon *d, void *(*fn)(void *), void *arg)
{
	pthread_attr_t	 attr;
	pthread_t	 thread;
	int		 rc;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	atomic_fetch_add(&d->threads, 1);
	rc = pthread_create(&thread, &attr, fn, arg);
	pthread_attr_destroy(&attr);
	if (rc != 0)
		atomic_fetch_sub(&d->threads, 1);
	return rc;
}

static void
on_hangup(void *arg)
{
	struct daemon *d = arg;

	/* One that is under way sees that it was asked for again. */
	if (atomic_fetch_add(&d->reloads, 1) > 0)
		return;
	if (start_thread(d, reload, d) != 0) {
		log_error("reload: cannot start a thread");
		atomic_store(&d->reloads, 0);
	}
}

static void
on_request(void *arg, struct ctlrequest *r)
{
	struct job	*job = calloc(1, sizeof(*job));
	struct daemon	*d = arg;

	if (job != NULL) {
		job->d = d;
		job->request = r;
		if (start_thread(d, run_job, job) == 0)
			return;
	}
	free(job);
	ctlrequest_decline(r);
}

int
verb_serve(const struct verb_call *call, struct err *e)
{
	struct daemon	*d = calloc(1, sizeof(*d));
	int		 rc;

	if (d == NULL)
		return err_set(e, ERR_NOMEM, "no memory");
	d->s = call->s;
	rc = roster_open(&d->roster, call->s->o.config, e);
	if (rc == 0)
		rc = ctlserver_open(&d->server, call->s->o.socket_path,
		    call->s->o.socket_group, on_request, d, e);
	if (rc == 0)
		rc = ctlserver_on_hangup(d->server, on_hangup, e);
	if (rc == 0) {
		log_info("homelab-archiver %s listens on %s", HOMELAB_VERSION,
		    call->s->o.socket_path);
		ctlserver_run(d->server);
	}
	if (d->server != NULL)
		ctlserver_close(d->server);
	while (atomic_load(&d->threads) > 0)
		usleep(1000);
	roster_close(d->roster);
	free(d);
	return rc;
}
