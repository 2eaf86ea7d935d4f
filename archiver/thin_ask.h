/* SPDX-License-Identifier: MIT */
/*
 * thin_ask - has the daemon run a verb.
 *
 * The daemon is asked only if it would do what this program does by itself:
 * the configuration file is the same, no option is in the environment, and
 * every option is written --name=value. Its socket is named by
 * --socket-path, HOMELAB_ARCHIVER_SOCKET_PATH, or a line "socket-path = ..."
 * in section [global] of the file: the one setting that is needed before
 * the engine is there, so the file is searched for it with a few lines
 * rather than parsed.
 */
#ifndef ARCHIVER_THIN_ASK_H
#define ARCHIVER_THIN_ASK_H

#include "common/base.h"

struct err;
struct engine_call;

/* How long a daemon may take to say that it has the request. */
#define ASK_ACCEPT_US	INT64_C(5000000)

enum ask_result {
	ASK_DONE,	/* *code and *e are the verdict */
	ASK_NOT,	/* nobody was asked, or was declined: do it yourself */
	ASK_SILENT	/* asked, and no answer: it may still be at it */
};

/*
 * Asks and waits. What the verb prints goes to stdout, warnings to stderr;
 * progress is not shown. ASK_SILENT comes for archive-push and archive-get
 * only (they may be done twice); for others it is ASK_DONE and an error.
 */
enum ask_result	ask_daemon(const struct engine_call *, unsigned flags,
	    int *code, struct err *e);

/*
 * The value of a key in section [global] of a file's text, in `out`. False
 * if it is not there or does not fit.
 */
bool	ask_find_key(const char *text, const char *key, char *out,
	    size_t size);

/*
 * Whether these words and this environment may be given to a daemon. The
 * file they name (--config) is put into config, the socket into socket ("":
 * not named).
 */
bool	ask_is_allowed(int n, const char *const *words,
	    const char *const *env, const char **config, const char **socket);

#endif /* ARCHIVER_THIN_ASK_H */
