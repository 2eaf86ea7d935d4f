/* SPDX-License-Identifier: MIT */
/*
 * engine - the shared object that does the work, and the verbs in it.
 *
 * The program itself (main.c, thin.c) links libc only, so that PostgreSQL
 * can start it for each WAL segment in a millisecond. It asks the daemon;
 * where there is none it opens this object and calls homelab_engine_main().
 * The daemon runs the same verbs from its threads: a verb is a function that
 * gets everything by its argument, prints by callbacks, and never exits.
 */
#ifndef ARCHIVER_ENGINE_H
#define ARCHIVER_ENGINE_H

#include "common/base.h"

#include "common/err.h"
#include "archiver/repo.h"

struct settings;

#define ENGINE_ABI	1

/* --- Between program and engine. --- */

/*
 * argv is without the program's name and the verb. For archive-push `fd` is
 * the open WAL file, for archive-get an open, empty file to fill, and path
 * its absolute path; else -1 and NULL.
 */
struct engine_call {
	unsigned	 abi;
	const char	*verb;
	int		 argc;
	const char	*const *argv;
	const char	*const *env;
	int		 fd;
	const char	*path;
};

/*
 * Runs a verb to its end. Returns 0 or an error code, and then *e says what
 * and the hint what next. Results go to stdout, warnings to stderr.
 */
typedef int engine_main_fn(const struct engine_call *, struct err *e);
EXPORT engine_main_fn homelab_engine_main;

/* Alone in argv: print the verb's help and do nothing. */
#define ENGINE_HELP	"--help"

#define ENGINE_SYMBOL	"homelab_engine_main"

/* --- Between engine and verbs. --- */

#define VERB_STANZA	0x1	/* needs --stanza */
#define VERB_REPOS	0x2	/* wants the repositories opened */
#define VERB_PUSH	0x4	/* the program opens a file to read */
#define VERB_GET	0x8	/* the program opens a file to fill */
#define VERB_LOCAL	0x10	/* never asked of the daemon */

/* Everything is borrowed for the call. */
struct verb_call {
	const struct settings *s;
	const char	*stanza;	/* NULL without VERB_STANZA */
	const struct repo *repos;	/* in order of their numbers */
	size_t		 repo_n;
	int		 argc;		/* positional arguments */
	const char	*const *argv;
	int		 fd;		/* see engine_call */
	const char	*path;
	/* A result for stdout; as it is, without a newline. */
	void		(*print)(void *arg, const char *text);
	/* A message for a person, one line. */
	void		(*warn)(void *arg, const char *text);
	/* How far it is; may be called as often as it likes. total 0:
	   unknown. */
	void		(*progress)(void *arg, const char *what,
			    uint64_t done, uint64_t total);
	/* Whether to stop: ERR_CANCELLED. Any thread. */
	bool		(*cancelled)(void *arg);
	void		*arg;
};

/*
 * Returns 0 or an error code with *e set; err_exit_status() of it is what
 * the program ends with (archive-push and archive-get: thin.h).
 */
typedef int verb_fn(const struct verb_call *, struct err *e);

verb_fn	verb_archive_push;
verb_fn	verb_archive_get;
verb_fn	verb_serve;
/* commands.h */
verb_fn	verb_backup;		/* type=full; then expire-auto */
verb_fn	verb_restore;
verb_fn	verb_info;		/* text or JSON, by `output` */
verb_fn	verb_check;
verb_fn	verb_stanza_create;
verb_fn	verb_stanza_upgrade;
verb_fn	verb_expire;
verb_fn	verb_verify;

struct verb {
	const char	*name;
	verb_fn		*fn;
	unsigned	 flags;
};

/*
 * Opens the repositories if the verb wants them, and runs it; call->s and
 * the callbacks are set, the rest of it is filled in here.
 */
int	verb_run(const struct verb *, struct verb_call *, struct err *e)
	    MUST_CHECK;

/* NULL if there is none of that name. */
const struct verb *verb_find(const char *name);

#endif /* ARCHIVER_ENGINE_H */
