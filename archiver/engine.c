/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/engine.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "archiver/help.h"
#include "archiver/owner.h"
#include "archiver/say.h"
#include "archiver/settings.h"
#include "common/buf.h"
#include "common/progress.h"

static const struct verb verbs[] = {
#define VERB(name, fn, flags, args, options, help) { name, fn, flags },
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
progress(void *arg, const char *what, uint64_t done, uint64_t total)
{
	say_progress(arg, what, (int64_t)done, (int64_t)total);
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

/* Verbs of people take options only. */
static int
refuse_word(const struct verb *verb, const char *word, struct err *e)
{
	err_set(e, ERR_USAGE, "%s takes no \"%s\"", verb->name, word);
	if (verb->fn == verb_backup)
		return err_hint(e, "the type of a backup is an option: "
		    "--type=full");
	if (verb->fn == verb_restore)
		return err_hint(e, "the label of a backup is an option: "
		    "--set=<label>");
	return err_hint(e, "options begin with two dashes: "
	    "homelab-archiver %s --help", verb->name);
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
	if ((verb->flags & (VERB_PUSH | VERB_GET)) == 0 && call->argc > 0)
		return refuse_word(verb, call->argv[0], e);
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

/* What root made the cluster's own user could not read. */
static int
leave_root(const struct verb *verb, const struct settings *s, struct err *e)
{
	char	name[OWNER_NAME_MAX];
	int	rc;

	if ((verb->flags & VERB_LOCAL) != 0 || s->pg.path == NULL)
		return 0;
	rc = owner_become(s->pg.path, name, e);
	if (rc == 0 && name[0] != '\0')
		fprintf(stderr, "homelab-archiver: working as user %s, the "
		    "owner of %s\n", name, s->pg.path);
	return rc;
}

static int
print_help(const struct verb *verb, struct err *e)
{
	struct buf	out = { 0 };
	int		rc = 0;

	if (!help_verb(verb->name, &out) || buf_failed(&out))
		rc = err_set(e, ERR_NOMEM, "no memory");
	else if (fputs(buf_cstr(&out), stdout) < 0 || fflush(stdout) != 0)
		rc = err_set(e, ERR_SYS, "cannot write the help");
	buf_release(&out);
	return rc;
}

int
homelab_engine_main(const struct engine_call *in, struct err *e)
{
	const struct verb *verb = verb_find(in->verb);
	struct settings_source src = { in->verb, in->env, in->argc, in->argv,
	    NULL };
	struct progress	 bar;
	struct verb_call call = { .print = say_result,
	    .warn = say_warning,
	    .progress = progress, .cancelled = cancelled, .arg = &bar,
	    .fd = in->fd, .path = in->path };
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
	if (in->argc == 1 && strcmp(in->argv[0], ENGINE_HELP) == 0)
		return print_help(verb, e);
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
		progress_init(&bar, isatty(STDERR_FILENO) != 0);
		rc = leave_root(verb, &s, e);
		if (rc == 0)
			rc = verb_run(verb, &call, e);
		progress_clear(&bar);
		settings_release(&s);
	}
	if (rc == 0 && fflush(stdout) != 0)
		rc = err_set(e, ERR_SYS, "cannot write the result");
	buf_release(&warnings);
	free(args);
	return rc;
}
