/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "pooler/process.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/err.h"
#include "common/log.h"
#include "pooler/options.h"

/* The child's end of the pipe that the parent waits on; -1: none. There is
 * one process, so this may be a variable of the file. */
static int ready_fd = -1;

/* ---- user ---- */

int
process_become(const char *name, struct err *e)
{
	struct passwd *pw;

	if (name != NULL && name[0] != '\0') {
		pw = getpwnam(name);
		if (pw == NULL) {
			err_set(e, ERR_NOT_FOUND,
			    "could not find user '%s' to switch to", name);
			return err_hint(e, "create the user, or name another "
			    "one with -u or the key user");
		}
		if (pw->pw_uid != geteuid() &&
		    (initgroups(name, pw->pw_gid) != 0 ||
		    setgid(pw->pw_gid) != 0 || setuid(pw->pw_uid) != 0))
			return err_sys(e, errno,
			    "failed to assume identity of user '%s'", name);
	}
	if (geteuid() == 0) {
		err_set(e, ERR_ACCESS, "PgBouncer should not run as root");
		return err_hint(e, "start it as another user, or name one "
		    "with -u or the key user");
	}
	return 0;
}

/* ---- pidfile ---- */

static bool
no_file(const char *path)
{
	return path == NULL || path[0] == '\0';
}

/* The process id in the file; 0 if it holds none, or a negated errno. */
static long
read_pid(const char *path)
{
	char	text[32];
	char   *end;
	ssize_t n;
	long	pid;
	int	fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	errno = 0;
	pid = strtol(text, &end, 10);
	if (errno != 0 || end == text || pid <= 0 ||
	    (*end != '\0' && *end != '\n'))
		return 0;
	return pid;
}

int
process_pidfile_check(const char *path, struct err *e)
{
	long	pid;

	if (no_file(path))
		return 0;
	pid = read_pid(path);
	if (pid == -ENOENT)
		return 0;
	if (pid < 0)
		return err_sys(e, (int)-pid, "could not read pidfile '%s'",
		    path);
	if (pid == 0 || kill((pid_t)pid, 0) == 0 || errno != ESRCH) {
		err_set(e, ERR_EXISTS,
		    "pidfile '%s' exists, another instance running?", path);
		return err_hint(e, pid == 0 ? "it holds no process id; remove "
		    "it if no pooler runs" : "process %ld is alive; remove the "
		    "file if that is not a pooler", pid);
	}
	log_info("stale pidfile, removing");
	if (unlink(path) != 0)
		return err_sys(e, errno, "could not remove stale pidfile");
	return 0;
}

int
process_pidfile_write(const char *path, struct err *e)
{
	char	text[32];
	int	fd, n, saved;

	if (no_file(path))
		return 0;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		return err_sys(e, errno, "could not open pidfile '%s'", path);
	n = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
	if (write(fd, text, (size_t)n) != n || close(fd) != 0) {
		saved = errno;
		unlink(path);
		return err_sys(e, saved, "could not write pidfile '%s'", path);
	}
	return 0;
}

void
process_pidfile_remove(const char *path)
{
	if (!no_file(path) && read_pid(path) == (long)getpid())
		unlink(path);
}

/* ---- background ---- */

/* The parent: ends as the child tells, or with 1 if it dies silently. */
static NORETURN void
wait_for_child(int fd)
{
	char	byte;
	ssize_t n;

	do
		n = read(fd, &byte, 1);
	while (n < 0 && errno == EINTR);
	_exit(n == 1 ? 0 : 1);
}

int
process_background(struct err *e)
{
	int	fds[2];
	pid_t	pid;

	if (pipe(fds) != 0)
		return err_sys(e, errno, "fork failed");
	pid = fork();
	if (pid < 0) {
		int saved = errno;

		close(fds[0]);
		close(fds[1]);
		return err_sys(e, saved, "fork failed");
	}
	if (pid > 0) {
		close(fds[1]);
		wait_for_child(fds[0]);
	}
	close(fds[0]);
	if (setsid() < 0)
		return err_sys(e, errno, "setsid failed");
	/* Not the leader of its session, it can never get a terminal. */
	pid = fork();
	if (pid < 0)
		return err_sys(e, errno, "fork failed");
	if (pid > 0)
		_exit(0);
	(void)fcntl(fds[1], F_SETFD, FD_CLOEXEC);
	ready_fd = fds[1];
	return 0;
}

void
process_ready(void)
{
	char	byte = 1;
	int	null;

	if (ready_fd < 0)
		return;
	null = open("/dev/null", O_RDWR);
	if (null >= 0) {
		(void)dup2(null, STDIN_FILENO);
		(void)dup2(null, STDOUT_FILENO);
		(void)dup2(null, STDERR_FILENO);
		if (null > STDERR_FILENO)
			close(null);
	}
	/* A parent that was killed meanwhile does not matter. */
	if (write(ready_fd, &byte, 1) != 1)
		log_debug("nobody waited for the start");
	close(ready_fd);
	ready_fd = -1;
}

/* ---- limits ---- */

void
process_raise_limits(const struct options *o)
{
	struct rlimit lim;
	rlim_t	soft;

	if (getrlimit(RLIMIT_NOFILE, &lim) != 0)
		return;
	soft = lim.rlim_cur;
	if (soft < lim.rlim_max) {
		lim.rlim_cur = lim.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &lim) == 0)
			soft = lim.rlim_max;
	}
	log_info("kernel file descriptor limit: %lld (hard: %lld); "
	    "max_client_conn: %d, max expected fd use: %lld",
	    (long long)soft, (long long)lim.rlim_max, o->max_client_conn,
	    /* A client and at worst a server each, and a few of our own. */
	    2LL * o->max_client_conn + 30);
}
