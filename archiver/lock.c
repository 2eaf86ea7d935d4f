/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "archiver/owner.h"
#include "common/err.h"
#include "common/text.h"

/* How often and how long lock_take() waits for a lock_look(). */
#define LOOK_TRIES	5
#define LOOK_WAIT_NS	5000000

/* Lock-path may lie in a directory that everybody can write. */
static int
check_dir(const char *dir, struct err *e)
{
	struct stat st;

	if (mkdir(dir, 0770) != 0 && errno != EEXIST)
		return owner_error(e, errno, "make lock-path", dir);
	if (lstat(dir, &st) != 0)
		return owner_error(e, errno, "look at lock-path", dir);
	if (!S_ISDIR(st.st_mode) || (st.st_mode & S_IWOTH) != 0) {
		err_set(e, ERR_ACCESS, "lock-path %s is no directory, or one "
		    "that everybody may write", dir);
		err_hint(e, "set lock-path to a directory of the database's "
		    "user");
		return ERR_ACCESS;
	}
	return 0;
}

/* The line that the holder wrote. */
static void
read_holder(int fd, char *who, size_t size)
{
	ssize_t	n;

	snprintf(who, size, "an unknown process");
	n = pread(fd, who, size - 1, 0);
	if (n > 0) {
		who[n] = '\0';
		who[strcspn(who, "\n")] = '\0';
	}
}

static int
held(int fd, const char *stanza, const char *kind, struct err *e)
{
	char	who[256];

	read_holder(fd, who, sizeof(who));
	err_set(e, ERR_LOCKED, "the %s lock of stanza %s is held by %s", kind,
	    stanza, who);
	err_hint(e, "wait until it ends, or end it");
	return ERR_LOCKED;
}

/* Takes the file's lock; 0 or errno. */
static int
try_lock(int fd)
{
	const struct timespec wait = { 0, LOOK_WAIT_NS };
	int	i;

	for (i = 0; flock(fd, LOCK_EX | LOCK_NB) != 0; i++) {
		/* It may be somebody who only looks. */
		if (errno != EWOULDBLOCK || i == LOOK_TRIES)
			return errno;
		nanosleep(&wait, NULL);
	}
	return 0;
}

int
lock_take(struct lock *l, const char *dir, const char *stanza,
    const char *kind, const char *who, struct err *e)
{
	char	path[1024], line[256], stamp[TEXT_STAMP_MAX];
	int	rc, errnum;

	l->fd = -1;
	rc = check_dir(dir, e);
	if (rc != 0)
		return rc;
	snprintf(path, sizeof(path), "%s/%s-%s.lock", dir, stanza, kind);
	l->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0660);
	if (l->fd < 0)
		return owner_error(e, errno, "open lock file", path);
	errnum = try_lock(l->fd);
	if (errnum != 0) {
		rc = errnum == EWOULDBLOCK ? held(l->fd, stanza, kind, e) :
		    err_sys(e, errnum, "cannot lock %s", path);
		lock_release(l);
		return rc;
	}
	snprintf(line, sizeof(line), "%.64s, process %ld, since %s\n", who,
	    (long)getpid(), text_print_rfc3339((int64_t)time(NULL) * 1000000,
	    stamp));
	if (ftruncate(l->fd, 0) != 0 ||
	    pwrite(l->fd, line, strlen(line), 0) < 0) {
		rc = err_sys(e, errno, "cannot write lock file %s", path);
		lock_release(l);
		return rc;
	}
	return 0;
}

int
lock_look(const char *dir, const char *stanza, const char *kind, char *who,
    size_t size, struct err *e)
{
	char	path[1024];
	int	fd, rc = 0;

	snprintf(path, sizeof(path), "%s/%s-%s.lock", dir, stanza, kind);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return err_sys(e, errno, "cannot open lock file %s", path);
	if (flock(fd, LOCK_SH | LOCK_NB) != 0) {
		rc = errno == EWOULDBLOCK ? 1 :
		    err_sys(e, errno, "cannot look at lock %s", path);
		if (rc > 0)
			read_holder(fd, who, size);
	}
	close(fd);
	return rc;
}

void
lock_release(struct lock *l)
{
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
}
