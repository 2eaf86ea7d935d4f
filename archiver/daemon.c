/* SPDX-License-Identifier: MIT */
/*
 * serve: the daemon. The loop's thread only accepts requests; each runs in
 * a thread of its own, so that a store that hangs holds up nobody else.
 */
#include "common/base.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "archiver/ahead.h"
#include "archiver/engine.h"
#include "archiver/lock.h"
#include "archiver/push.h"
#include "archiver/settings.h"
#include "common/buf.h"
#include "common/ctlserver.h"
#include "common/frame.h"
#include "common/log.h"

#define STANZAS_MAX	32
#define ARGS_MAX	64

/* A stanza of the file, with everything kept open for it. */
struct stanza {
	char		 name[128];
	struct settings	 s;		/* for archive-push */
	struct repo	 repos[SETTINGS_REPO_MAX];
	size_t		 repo_n;
	struct lock	 lock;
	struct ahead	*ahead;		/* NULL: pg1-path is not set */
};

struct daemon {
	const struct settings *s;	/* of the file's global part */
	struct stanza	 stanzas[STANZAS_MAX];
	size_t		 count;
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

/* --- Pushing ahead. --- */

static void
log_lines(const char *text)
{
	size_t n;

	for (; *text != '\0'; text += n + (text[n] == '\n')) {
		n = strcspn(text, "\n");
		log_warning("%.*s", (int)n, text);
	}
}

static int
push(struct stanza *st, int fd, const char *path, bool (*cancelled)(void *),
    void *arg, struct err *e)
{
	const struct settings_general *o = &st->s.o;
	struct push_request req = {
		.repos = st->repos, .repo_n = st->repo_n, .stanza = st->name,
		.fd = fd, .path = path,
		.header_check = o->archive_header_check,
		.filter = o->compress_type == COMPRESS_NONE ? FILTER_NONE :
		    FILTER_LZ4,
		.level = o->compress_level, .tmp_dir = "/tmp",
		.limits = { o->archive_timeout, cancelled, arg }
	};
	struct push_result result;
	struct buf	warnings = { 0 };
	int		rc;

	rc = push_file(&req, &result, &warnings, e);
	log_lines(buf_cstr(&warnings));
	buf_release(&warnings);
	return rc;
}

static int
push_ahead(void *arg, const char *path, bool (*cancelled)(void *),
    void *cancelled_arg, struct err *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), rc;

	if (fd < 0)
		return err_sys(e, errno, "cannot open %s", path);
	rc = push(arg, fd, path, cancelled, cancelled_arg, e);
	close(fd);
	return rc;
}

/* archive-push with the stanza's open repositories. */
static int
push_asked(struct stanza *st, const struct verb_call *call, struct err *e)
{
	const char	*slash = strrchr(call->path, '/');
	const char	*name = slash == NULL ? call->path : slash + 1;
	int		 rc;

	if (st->ahead != NULL && ahead_claim(st->ahead, name, call->fd,
	    st->s.o.archive_timeout, call->cancelled, call->arg))
		return 0;
	rc = push(st, call->fd, call->path, call->cancelled, call->arg, e);
	if (st->ahead != NULL)
		ahead_release(st->ahead, name);
	return rc;
}

/* --- Requests. --- */

static struct stanza *
find_stanza(struct daemon *d, const char *name)
{
	size_t i;

	for (i = 0; i < d->count; i++) {
		if (strcmp(d->stanzas[i].name, name) == 0)
			return &d->stanzas[i];
	}
	return NULL;
}

/* True if the words change nothing about how WAL is stored. */
static bool
is_plain(int argc, const char *const *argv)
{
	int i;

	for (i = 0; i < argc; i++) {
		if (strncmp(argv[i], "--", 2) == 0 &&
		    strncmp(argv[i], "--stanza=", 9) != 0 &&
		    strncmp(argv[i], "--config=", 9) != 0 &&
		    strncmp(argv[i], "--socket-path=", 14) != 0)
			return false;
	}
	return true;
}

static int64_t
give_up_after(const struct verb *verb, const struct settings *s)
{
	if ((verb->flags & VERB_PUSH) != 0)
		return s->o.archive_timeout;
	if ((verb->flags & VERB_GET) != 0)
		return s->o.archive_get_timeout;
	return 0;
}

static int
run_verb(struct daemon *d, struct ctlrequest *r, const struct verb *verb,
    int argc, const char *const *argv, struct err *e)
{
	struct settings_source src = { verb->name, NULL, argc, argv, NULL };
	struct verb_call call = { .print = job_print, .warn = job_warn,
	    .progress = job_progress, .cancelled = job_cancelled, .arg = r,
	    .fd = ctlrequest_fd(r),
	    .path = frame_get(ctlrequest_frame(r), "path") };
	struct stanza	*st;
	struct settings	 s;
	struct buf	 warnings = { 0 };
	const char	*args[ARGS_MAX];
	char		 timeout[24], config[512];
	const char	*words[ARGS_MAX + 1];
	int		 rc;

	/* The file that the daemon was started with. */
	snprintf(config, sizeof(config), "--config=%s", d->s->o.config);
	memcpy(words, argv, (size_t)argc * sizeof(*words));
	words[argc] = config;
	src.argv = words;
	src.argc = argc + 1;
	rc = settings_load(&s, &src, args, &call.argc, &warnings, e);
	buf_release(&warnings);
	if (rc != 0)
		return rc;
	call.s = &s;
	call.argv = args;
	snprintf(timeout, sizeof(timeout), "%" PRId64, give_up_after(verb, &s));
	ctlrequest_send(r, FRAME_ACCEPTED, "timeout_us", timeout,
	    (char *)NULL);
	st = s.o.stanza == NULL ? NULL : find_stanza(d, s.o.stanza);
	if ((verb->flags & VERB_PUSH) != 0 && call.path != NULL &&
	    st != NULL && is_plain(argc, argv))
		rc = push_asked(st, &call, e);
	else
		rc = verb_run(verb, &call, e);
	settings_release(&s);
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

static void
on_request(void *arg, struct ctlrequest *r)
{
	struct job	*job = calloc(1, sizeof(*job));
	struct daemon	*d = arg;
	pthread_attr_t	 attr;
	pthread_t	 thread;
	int		 rc;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	if (job != NULL) {
		job->d = d;
		job->request = r;
		atomic_fetch_add(&d->threads, 1);
	}
	rc = job == NULL ? ENOMEM : pthread_create(&thread, &attr, run_job,
	    job);
	pthread_attr_destroy(&attr);
	if (rc == 0)
		return;
	if (job != NULL)
		atomic_fetch_sub(&d->threads, 1);
	free(job);
	ctlrequest_decline(r);
}

/* --- Start and end. --- */

static void
close_stanza(struct stanza *st)
{
	ahead_stop(st->ahead);
	repos_close(st->repos, st->repo_n);
	settings_release(&st->s);
	lock_release(&st->lock);
}

static int
open_stanza(struct daemon *d, const char *name, struct err *e)
{
	struct stanza	*st = &d->stanzas[d->count];
	char		 config[512];
	const char	*argv[1] = { config }, *args[1];
	struct settings_source src = { "archive-push", NULL, 1, argv, name };
	struct buf	 warnings = { 0 };
	int		 n, rc;

	if (d->count == STANZAS_MAX)
		return err_set(e, ERR_LIMIT, "more than %d stanzas",
		    STANZAS_MAX);
	memset(st, 0, sizeof(*st));
	st->lock.fd = -1;
	snprintf(st->name, sizeof(st->name), "%s", name);
	snprintf(config, sizeof(config), "--config=%s", d->s->o.config);
	rc = settings_load(&st->s, &src, args, &n, &warnings, e);
	log_lines(buf_cstr(&warnings));
	buf_release(&warnings);
	if (rc != 0)
		return rc;
	rc = lock_take(&st->lock, st->s.o.lock_path, name, "archive", "serve",
	    e);
	if (rc == 0)
		rc = repos_open(&st->s, st->repos, &st->repo_n, e);
	if (rc == 0 && st->s.pg.path != NULL)
		rc = ahead_start(&st->ahead, st->s.pg.path,
		    st->s.o.process_max, push_ahead, st, e);
	if (rc != 0) {
		close_stanza(st);
		return rc;
	}
	d->count++;
	log_info("stanza %s: %zu repositories, cluster %s", name, st->repo_n,
	    st->s.pg.path == NULL ? "not here" : st->s.pg.path);
	return 0;
}

static int
open_stanzas(struct daemon *d, struct err *e)
{
	struct buf	names = { 0 };
	char		*name, *rest = NULL, *text;
	int		 rc = settings_stanzas(d->s->o.config, &names, e);

	text = rc == 0 ? strdup(buf_cstr(&names)) : NULL;
	for (name = text == NULL ? NULL : strtok_r(text, "\n", &rest);
	    rc == 0 && name != NULL; name = strtok_r(NULL, "\n", &rest))
		rc = open_stanza(d, name, e);
	free(text);
	buf_release(&names);
	if (rc == 0 && d->count == 0) {
		err_set(e, ERR_CONFIG, "%s has no stanza", d->s->o.config);
		err_hint(e, "add a section [name] with pg1-path");
		rc = ERR_CONFIG;
	}
	return rc;
}

int
verb_serve(const struct verb_call *call, struct err *e)
{
	struct daemon	*d = calloc(1, sizeof(*d));
	int		 rc;

	if (d == NULL)
		return err_set(e, ERR_NOMEM, "no memory");
	d->s = call->s;
	rc = open_stanzas(d, e);
	if (rc == 0)
		rc = ctlserver_open(&d->server, call->s->o.socket_path,
		    call->s->o.socket_group, on_request, d, e);
	if (rc == 0) {
		log_info("homelab-archiver %s listens on %s", HOMELAB_VERSION,
		    call->s->o.socket_path);
		ctlserver_run(d->server);
		ctlserver_close(d->server);
	}
	while (atomic_load(&d->threads) > 0)
		usleep(1000);
	while (d->count > 0)
		close_stanza(&d->stanzas[--d->count]);
	free(d);
	return rc;
}
