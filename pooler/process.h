/* SPDX-License-Identifier: MIT */
/*
 * process - being a good Unix process: user, pidfile, background, limits.
 *
 * All of it happens at start and end, in the main thread. Texts are those
 * of the contract, section 16.6. Calling sequence: process_become(),
 * process_pidfile_check(), process_background(), process_pidfile_write(),
 * process_ready(); at the end process_pidfile_remove().
 */
#ifndef POOLER_PROCESS_H
#define POOLER_PROCESS_H

#include "common/base.h"

struct err;
struct options;

/*
 * Switches to the system user `name`, with his groups; NULL: stays. Refuses
 * to be root afterwards. To be the user already is no error.
 */
int	process_become(const char *name, struct err *e) MUST_CHECK;

/*
 * Refuses if the file names a process that lives, or cannot be understood;
 * removes it if that process is dead. An empty path is no file.
 */
int	process_pidfile_check(const char *path, struct err *e) MUST_CHECK;

/* Writes our process id; the file must not exist. */
int	process_pidfile_write(const char *path, struct err *e) MUST_CHECK;

/* Removes it, if it is still ours. */
void	process_pidfile_remove(const char *path);

/*
 * Goes on in a child that belongs to no terminal. The parent waits until
 * process_ready() and ends with status 0, or with 1 if the child ends
 * before: so whoever types the command sees its errors and its status.
 * Before any thread is started.
 */
int	process_background(struct err *e) MUST_CHECK;

/* Lets the parent go and closes the standard streams (to /dev/null). Does
 * nothing when not in the background. */
void	process_ready(void);

/* Raises the soft limit of open files to the hard one, and logs both. */
void	process_raise_limits(const struct options *);

#endif /* POOLER_PROCESS_H */
