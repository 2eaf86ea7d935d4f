/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "homelabctl/run.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/err.h"

extern char **environ;

/* Its stdout becomes `out`; -1: as ours. */
static int
start(const char *const *argv, int out, pid_t *pid, struct err *e)
{
	posix_spawn_file_actions_t a;
	int	r = posix_spawn_file_actions_init(&a);

	if (r == 0 && out >= 0)
		r = posix_spawn_file_actions_adddup2(&a, out, STDOUT_FILENO);
	if (r == 0)
		r = posix_spawnp(pid, argv[0], &a, NULL,
		    (char *const *)(uintptr_t)argv, environ);
	posix_spawn_file_actions_destroy(&a);
	return r == 0 ? 0 : err_sys(e, r, "cannot run %s", argv[0]);
}

static int
finish(pid_t pid, int *status, struct err *e)
{
	int	how;

	while (waitpid(pid, &how, 0) < 0) {
		if (errno != EINTR)
			return err_sys(e, errno, "cannot wait for a program");
	}
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
