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

#include "common/err.h"
#include "common/text.h"

/* Lock-path may lie in a directory that everybody can write. */
static int
check_dir(const char *dir, struct err *e)
{
	struct stat st;

	if (mkdir(dir, 0770) != 0 && errno != EEXIST)
		return err_sys(e, errno, "cannot make lock-path %s", dir);
	if (lstat(dir, &st) != 0)
		return err_sys(e, errno, "cannot look at lock-path %s", dir);
	if (!S_ISDIR(st.st_mode) || (st.st_mode & S_IWOTH) != 0) {
		err_set(e, ERR_ACCESS, "lock-path %s is no directory, or one "
		    "that everybody may write", dir);
		err_hint(e, "set lock-path to a directory of the database's "
		    "user");
		return ERR_ACCESS;
	}
	return 0;
}

static int
held(int fd, const char *stanza, const char *kind, struct err *e)
{
	char	who[256] = "an unknown process";
	ssize_t	n = pread(fd, who, sizeof(who) - 1, 0);

	if (n > 0) {
		who[n] = '\0';
		who[strcspn(who, "\n")] = '\0';
	}
	err_set(e, ERR_LOCKED, "the %s lock of stanza %s is held by %s", kind,
	    stanza, who);
	err_hint(e, "wait until it ends, or end it");
	return ERR_LOCKED;
}

int
lock_take(struct lock *l, const char *dir, const char *stanza,
    const char *kind, const char *who, struct err *e)
{
	char	path[1024], line[256], stamp[TEXT_STAMP_MAX];
	int	rc;

	l->fd = -1;
	rc = check_dir(dir, e);
	if (rc != 0)
		return rc;
	snprintf(path, sizeof(path), "%s/%s-%s.lock", dir, stanza, kind);
	l->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0660);
	if (l->fd < 0)
		return err_sys(e, errno, "cannot open lock file %s", path);
	if (flock(l->fd, LOCK_EX | LOCK_NB) != 0) {
		rc = errno == EWOULDBLOCK ? held(l->fd, stanza, kind, e) :
		    err_sys(e, errno, "cannot lock %s", path);
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

void
lock_release(struct lock *l)
{
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
}
