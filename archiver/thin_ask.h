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

enum ask_result {
	ASK_DONE,	/* *code and *e are the verdict */
	ASK_NOT,	/* nobody was asked, or was declined: do it yourself */
	ASK_SILENT	/* asked in vain; it may be done here as well */
};

/*
 * Asks and waits. What the verb prints goes to stdout, warnings to stderr,
 * and if that is a terminal a bar. A daemon that did not even accept is
 * ASK_SILENT, for every verb; one that fell silent later is it for
 * archive-push and archive-get only, which may be done twice, and ASK_DONE
 * with an error for the others: it may still be at it.
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
