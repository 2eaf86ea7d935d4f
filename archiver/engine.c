/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/engine.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "archiver/settings.h"
#include "common/buf.h"

static const struct verb verbs[] = {
#define VERB(name, fn, flags, args, help) { name, fn, flags },
#include "archiver/verbs.def"
#undef VERB
};

const struct verb *
verb_find(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(verbs); i++) {
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	}
	return NULL;
}

static void
print(void *arg, const char *text)
{
	(void)arg;
	fputs(text, stdout);
}

static void
warn(void *arg, const char *text)
{
	(void)arg;
	fprintf(stderr, "homelab-archiver: %s\n", text);
}

/* Nobody watches: PostgreSQL, cron. homelabctl draws bars. */
static void
progress(void *arg, const char *what, uint64_t done, uint64_t total)
{
	(void)arg;
	(void)what;
	(void)done;
	(void)total;
}

static bool
cancelled(void *arg)
{
	(void)arg;
	return false;
}

/*
 * libs3 waits with fd_sets, which have no room for descriptors from 1024 on:
 * better an error when they run out than a write behind an array.
 */
static void
limit_descriptors(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) == 0 && l.rlim_cur > 1024) {
		l.rlim_cur = 1024;
		(void)setrlimit(RLIMIT_NOFILE, &l);
	}
}

int
verb_run(const struct verb *verb, struct verb_call *call, struct err *e)
{
	struct repo	repos[SETTINGS_REPO_MAX];
	size_t		n = 0;
	int		rc = 0;

	if ((verb->flags & VERB_STANZA) != 0 && call->s->o.stanza == NULL) {
		err_set(e, ERR_USAGE, "%s needs --stanza", verb->name);
		err_hint(e, "add --stanza=<name of the cluster>");
		return ERR_USAGE;
	}
	call->stanza = call->s->o.stanza;
	if ((verb->flags & VERB_REPOS) != 0)
		rc = repos_open(call->s, repos, &n, e);
	if (rc != 0)
		return rc;
	call->repos = repos;
	call->repo_n = n;
	rc = verb->fn(call, e);
	/* What a verb got over on its way is no part of the answer. */
	if (rc == 0)
		memset(e, 0, sizeof(*e));
	repos_close(repos, n);
	return rc;
}

int
homelab_engine_main(const struct engine_call *in, struct err *e)
{
	const struct verb *verb = verb_find(in->verb);
	struct settings_source src = { in->verb, in->env, in->argc, in->argv,
	    NULL };
	struct verb_call call = { .print = print, .warn = warn,
	    .progress = progress, .cancelled = cancelled, .fd = in->fd,
	    .path = in->path };
	struct settings	 s;
	struct buf	 warnings = { 0 };
	const char	**args;
	int		 rc;

	if (in->abi != ENGINE_ABI || verb == NULL) {
		err_set(e, ERR_USAGE, "homelab-archiver and its engine are of "
		    "different versions");
		err_hint(e, "install both from one package");
		return ERR_USAGE;
	}
	limit_descriptors();
	args = calloc((size_t)in->argc + 1, sizeof(*args));
	if (args == NULL)
		return err_set(e, ERR_NOMEM, "no memory");
	rc = settings_load(&s, &src, args, &call.argc, &warnings, e);
	/* Not once for each WAL segment: PostgreSQL's log would fill with them.
	 * A person hears them from every other verb. */
	if (buf_len(&warnings) > 0 &&
	    (verb->flags & (VERB_PUSH | VERB_GET)) == 0)
		fputs(buf_cstr(&warnings), stderr);
	if (rc == 0) {
		call.s = &s;
		call.argv = args;
		rc = verb_run(verb, &call, e);
		settings_release(&s);
	}
	if (rc == 0 && fflush(stdout) != 0)
		rc = err_set(e, ERR_SYS, "cannot write the result");
	buf_release(&warnings);
	free(args);
	return rc;
}
