/* SPDX-License-Identifier: MIT */
/*
 * homelab-archiver: asks the daemon, or opens the engine and does the work.
 */
#include "common/base.h"

#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "archiver/engine.h"
#include "archiver/thin.h"
#include "archiver/thin_ask.h"
#include "common/err.h"

#define ENGINE	"homelab-archiver-engine.so"

extern char **environ;

/* What a signal must clean up; set before the handler is. */
static struct thin_file	file = { -1, "", "" };
static bool		is_get;

/*
 * archive-push must not die by a signal: PostgreSQL's archiver would end.
 * archive-get must: PostgreSQL knows then that it was itself that stopped
 * it, and does not take it for the end of the WAL.
 */
static void
on_signal(int sig)
{
	if (!is_get)
		_exit(63);
	if (file.tmp[0] != '\0')
		unlink(file.tmp);
	signal(sig, SIG_DFL);
	raise(sig);
}

static void
catch_signals(void)
{
	static const int	sigs[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT };
	struct sigaction	sa = { .sa_handler = on_signal };
	size_t			i;

	sigemptyset(&sa.sa_mask);
	sa.sa_flags = SA_NODEFER;
	for (i = 0; i < ARRAY_LEN(sigs); i++)
		sigaction(sigs[i], &sa, NULL);
}

/* Beside the program, else in the directory of the installation. */
static void *
open_engine(struct err *e)
{
	const char	*dir = getenv("HOMELAB_LIBDIR");
	char		 exe[2048], path[4200];
	ssize_t		 n;
	char		*slash;
	void		*engine;

	n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	exe[MAX(n, 0)] = '\0';
	slash = strrchr(exe, '/');
	if (slash != NULL)
		*slash = '\0';
	if (dir != NULL)
		snprintf(path, sizeof(path), "%s/" ENGINE, dir);
	else
		snprintf(path, sizeof(path), "%s/" ENGINE, exe);
	if (dir == NULL && access(path, F_OK) != 0)
		snprintf(path, sizeof(path), "%s/../lib/homelab/" ENGINE, exe);
	engine = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (engine == NULL) {
		err_set(e, ERR_SYS, "cannot open the engine: %s", dlerror());
		err_hint(e, "install the package's libraries, or set "
		    "HOMELAB_LIBDIR");
	}
	return engine;
}

static int
run_engine(const struct engine_call *call, struct err *e)
{
	void		*engine = open_engine(e);
	engine_main_fn	*fn;
	void		*symbol;

	if (engine == NULL)
		return e->code;
	symbol = dlsym(engine, ENGINE_SYMBOL);
	if (symbol == NULL)
		return err_set(e, ERR_SYS, "the engine is damaged: %s",
		    dlerror());
	memcpy(&fn, &symbol, sizeof(fn));
	return fn(call, e);
}

static void
complain(const struct err *e, int rc)
{
	fprintf(stderr, "homelab-archiver: %s\n",
	    e->msg[0] != '\0' ? e->msg : err_text(rc));
	if (e->hint[0] != '\0')
		fprintf(stderr, "HINT: %s\n", e->hint);
}

/* By the daemon if it can, else here. */
static int
do_verb(const struct thin_verb *verb, struct engine_call *call, struct err *e)
{
	enum ask_result	asked = ASK_NOT;
	int		code = 0, rc;

	if ((verb->flags & VERB_LOCAL) == 0)
		asked = ask_daemon(call, verb->flags, &code, e);
	if (asked == ASK_DONE)
		return code;
	if (asked == ASK_SILENT)
		fputs("homelab-archiver: WARNING: the daemon does not answer, "
		    "working without it\n", stderr);
	/* It may still write into the file that it was given. */
	if (asked == ASK_SILENT && file.tmp[0] != '\0') {
		rc = thin_reopen(&file, e);
		if (rc != 0)
			return rc;
		call->fd = file.fd;
	}
	memset(e, 0, sizeof(*e));
	return run_engine(call, e);
}

/* Runs a verb and returns the exit status. */
static int
run(const struct thin_verb *verb, int argc, const char *const *argv)
{
	struct engine_call call = { .abi = ENGINE_ABI, .verb = verb->name,
	    .argc = argc, .argv = argv,
	    .env = (const char *const *)environ, .fd = -1 };
	struct err	e = { 0 };
	bool		standby;
	int		rc;

	is_get = (verb->flags & VERB_GET) != 0;
	if ((verb->flags & (VERB_PUSH | VERB_GET)) != 0)
		catch_signals();
	rc = thin_open(verb, argc, argv, &file, &e);
	if (rc == 0) {
		call.fd = file.fd;
		call.path = file.fd >= 0 ? file.path : NULL;
		rc = do_verb(verb, &call, &e);
		rc = thin_close(&file, rc, &e);
	}
	if (rc == 0)
		return 0;
	standby = is_get && access("standby.signal", F_OK) == 0;
	/* Asked for in vain at each end of a timeline: no news. */
	if (rc != ERR_ABSENT)
		complain(&e, rc);
	if (standby && rc != ERR_ABSENT)
		fputs("homelab-archiver: WARNING: this is a standby: leaving "
		    "it to its stream\n", stderr);
	return thin_exit_status(verb, rc, standby);
}

static bool
is_help(const char *word)
{
	return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

/* What a verb does, by the engine, which knows the options. */
static int
help(const struct thin_verb *verb)
{
	const char *const argv[] = { ENGINE_HELP };
	struct engine_call call = { .abi = ENGINE_ABI, .verb = verb->name,
	    .argc = 1, .argv = argv, .env = (const char *const *)environ,
	    .fd = -1 };
	struct err	e = { 0 };
	int		rc = run_engine(&call, &e);

	if (rc != 0)
		complain(&e, rc);
	return err_exit_status(rc);
}

/* No verb: names the first word that could be meant for one. */
static int
no_verb(int n, const char *const *words)
{
	int	i;

	for (i = 0; i < n && words[i][0] == '-'; i++)
		;
	if (i < n)
		fprintf(stderr, "homelab-archiver: there is no verb \"%.100s\"\n",
		    words[i]);
	else
		fputs("homelab-archiver: a verb is missing\n", stderr);
	fputs("HINT: \"homelab-archiver help\" lists the verbs\n", stderr);
	return err_exit_status(ERR_USAGE);
}

int
main(int argc, char **argv)
{
	const char	*words[256];
	int		 at, i, n = 0;
	bool		 wants_help = false;

	signal(SIGPIPE, SIG_IGN);
	if (argc < 2 || (argc == 2 && (strcmp(argv[1], "help") == 0 ||
	    is_help(argv[1])))) {
		thin_usage();
		return argc < 2 ? err_exit_status(ERR_USAGE) : 0;
	}
	if (strcmp(argv[1], "version") == 0 ||
	    strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
		puts("homelab-archiver " HOMELAB_VERSION);
		return 0;
	}
	at = thin_find(argc - 1, (const char *const *)argv + 1);
	wants_help = strcmp(argv[1], "help") == 0;
	for (i = 1; i < argc; i++)
		wants_help |= is_help(argv[i]);
	if (wants_help && at >= 0)
		return help(thin_verb(argv[at + 1]));
	i = strcmp(argv[1], "help") == 0 ? 2 : 1;
	if (at < 0)
		return no_verb(argc - i, (const char *const *)argv + i);
	if (argc > (int)ARRAY_LEN(words)) {
		fputs("homelab-archiver: too many words\n", stderr);
		return err_exit_status(ERR_USAGE);
	}
	for (i = 1; i < argc; i++) {
		if (i != at + 1)
			words[n++] = argv[i];
	}
	return run(thin_verb(argv[at + 1]), n, words);
}
