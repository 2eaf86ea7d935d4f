/* SPDX-License-Identifier: MIT */
/*
 * reload - putting another configuration into force, or changing nothing.
 *
 * Everything that can fail is done first, beside what runs: the files are
 * read, TLS contexts made, the log opened. Then the workers stand still for
 * the time of a few assignments. Control thread only; contract, sections
 * 2.3 and 13.2.
 */
#ifndef POOLER_RELOAD_H
#define POOLER_RELOAD_H

#include "common/base.h"
#include "common/log.h"

struct buf;
struct err;
struct options;
struct control;
struct tls_context;

/* TLS contexts as the options say; NULL where TLS is off. */
int	reload_tls(const struct options *, struct tls_context **client,
	    struct tls_context **server, struct err *e) MUST_CHECK;

/* Opens the log as the options say; `to_stderr` as the command line. */
int	reload_log(const struct options *, bool to_stderr, struct err *e)
	    MUST_CHECK;

/* Logs each line of the text, such as a configuration's warnings. */
void	reload_log_lines(struct buf *, enum log_level);

/*
 * Reads the files again. On failure (the log has said why, and so does *e)
 * nothing has changed. Databases that are gone lose their connections.
 */
int	reload_files(struct control *, struct err *e) MUST_CHECK;

/*
 * Console SET: changes one option until the next reload, with what hangs on
 * it (the users of auth_file, TLS), in one standstill. One that cannot be
 * changed at run time is left alone, without an error. Returns 0; ERR_TLS
 * when it was changed and does not fit the other TLS options (yet): the old
 * contexts stay in use; or, with nothing changed, ERR_NOT_FOUND for an
 * unknown key, else the code of opt_set() or config_load_secrets().
 */
int	reload_set(struct control *, const char *key, const char *value,
	    struct err *e) MUST_CHECK;

#endif /* POOLER_RELOAD_H */
