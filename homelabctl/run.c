/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "homelabctl/run.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/err.h"
#include "homelabctl/interrupt.h"

extern char **environ;

/*
 * Signals are as a shell would have them, whatever we made of ours; but
 * SIGPIPE stays ignored: what stops a server must not die of its words when
 * nobody reads our stderr any more.
 */
static int
set_signals(posix_spawnattr_t *attr)
{
	static const int sigs[] = { SIGINT, SIGTERM, SIGHUP };
	sigset_t set;
	size_t	i;
	int	r;

	sigemptyset(&set);
	r = posix_spawnattr_setsigmask(attr, &set);
	for (i = 0; i < ARRAY_LEN(sigs); i++)
		sigaddset(&set, sigs[i]);
	if (r == 0)
		r = posix_spawnattr_setsigdefault(attr, &set);
	if (r == 0)
		r = posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSIGMASK |
		    POSIX_SPAWN_SETSIGDEF);
	return r;
}

/* Its stdout becomes `out`; -1: as ours. */
static int
start(const char *const *argv, int out, pid_t *pid, struct err *e)
{
	posix_spawn_file_actions_t a;
	posix_spawnattr_t attr;
	int	r = posix_spawn_file_actions_init(&a);

	if (r != 0)
		return err_sys(e, r, "cannot run %s", argv[0]);
	r = posix_spawnattr_init(&attr);
	if (r == 0) {
		r = set_signals(&attr);
		if (r == 0 && out >= 0)
			r = posix_spawn_file_actions_adddup2(&a, out,
			    STDOUT_FILENO);
		if (r == 0)
			r = posix_spawnp(pid, argv[0], &a, &attr,
			    (char *const *)(uintptr_t)argv, environ);
		posix_spawnattr_destroy(&attr);
	}
	posix_spawn_file_actions_destroy(&a);
	return r == 0 ? 0 : err_sys(e, r, "cannot run %s", argv[0]);
}

static int
finish(pid_t pid, int *status, struct err *e)
{
	int	how, errnum = 0;

	interrupt_child(pid);
	while (errnum == 0 && waitpid(pid, &how, 0) < 0) {
		if (errno != EINTR)
			errnum = errno;
	}
	interrupt_child(0);
	if (errnum != 0)
		return err_sys(e, errnum, "cannot wait for a program");
	*status = WIFEXITED(how) ? WEXITSTATUS(how) : 128 + WTERMSIG(how);
	return 0;
}

/* Up to the end of the stream. */
static int
take(int fd, struct buf *out, struct err *e)
{
	char	bytes[4096];
	ssize_t	n;

	while ((n = read(fd, bytes, sizeof(bytes))) != 0) {
		if (n > 0)
			buf_append(out, bytes, (size_t)n);
		else if (errno != EINTR)
			return err_sys(e, errno, "cannot read from a program");
	}
	return buf_failed(out) ? err_set(e, ERR_NOMEM, "out of memory") : 0;
}

int
run_program(const char *const *argv, struct buf *out, int *status,
    struct err *e)
{
	int	ends[2], rc;
	pid_t	pid;

	if (out == NULL) {
		rc = start(argv, -1, &pid, e);
		return rc != 0 ? rc : finish(pid, status, e);
	}
	/* The child must not hold the reading end: close-on-exec. */
	if (pipe(ends) != 0)
		return err_sys(e, errno, "cannot make a pipe");
	(void)fcntl(ends[0], F_SETFD, FD_CLOEXEC);
	(void)fcntl(ends[1], F_SETFD, FD_CLOEXEC);
	rc = start(argv, ends[1], &pid, e);
	close(ends[1]);
	if (rc == 0) {
		struct err later = { 0 };

		interrupt_child(pid);
		rc = take(ends[0], out, e);
		if (finish(pid, status, &later) != 0 && rc == 0) {
			*e = later;
			rc = e->code;
		}
	}
	close(ends[0]);
	return rc;
}

int
run_shell(const char *command, struct err *e)
{
	const char *const argv[] = { "/bin/sh", "-c", command, NULL };
	pid_t	pid;
	int	status, rc;

	rc = start(argv, STDERR_FILENO, &pid, e);
	if (rc == 0)
		rc = finish(pid, &status, e);
	if (rc == 0 && status != 0)
		rc = err_set(e, ERR_SYS, "it ended with status %d: %s", status,
		    command);
	return rc;
}
