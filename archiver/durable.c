/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/durable.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archiver/owner.h"
#include "common/err.h"
#include "common/random.h"

/* The length of path's directory, without the slash unless it is "/". */
static size_t
dir_len(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (slash == NULL)
		return 0;
	return slash == path ? 1 : (size_t)(slash - path);
}

int
durable_sync_dir(const char *path, struct err *e)
{
	char	dir[DURABLE_PATH_MAX];
	size_t	len = dir_len(path);
	int	fd, errnum = 0;

	if (len == 0)
		snprintf(dir, sizeof(dir), ".");
	else
		snprintf(dir, sizeof(dir), "%.*s", (int)len, path);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return owner_error(e, errno, "open directory", dir);
	/* Some file systems have no fsync for directories: nothing to do. */
	if (fsync(fd) != 0 && errno != EINVAL && errno != ENOTSUP)
		errnum = errno;
	close(fd);
	if (errnum != 0)
		return owner_error(e, errnum, "sync directory", dir);
	return 0;
}

int
durable_mkdirs(const char *path, size_t keep, struct err *e)
{
	char	dir[DURABLE_PATH_MAX];
	size_t	len = dir_len(path), at;
	int	rc;

	if (len <= keep || strlen(path) >= sizeof(dir))
		return 0;
	snprintf(dir, sizeof(dir), "%.*s", (int)len, path);
	/* The common case: all there. */
	if (access(dir, F_OK) == 0)
		return 0;
	for (at = keep + 1; at <= len; at++) {
		if (at < len && dir[at] != '/')
			continue;
		dir[at] = '\0';
		if (mkdir(dir, 0750) == 0) {
			owner_inherit(dir);
			rc = durable_sync_dir(dir, e);
			if (rc != 0)
				return rc;
		} else if (errno != EEXIST) {
			return owner_error(e, errno, "make directory",
			    dir);
		}
		if (at < len)
			dir[at] = '/';
	}
	return 0;
}

int
durable_begin(struct durable *d, const char *path, struct err *e)
{
	uint64_t noise;
	int	 rc;

	d->fd = -1;
	if (strlen(path) >= sizeof(d->path))
		return err_set(e, ERR_LIMIT, "the path %.100s... is too long",
		    path);
	rc = random_fill(&noise, sizeof(noise));
	if (rc != 0)
		return err_sys(e, -rc, "no random numbers");
	snprintf(d->path, sizeof(d->path), "%s", path);
	snprintf(d->tmp, sizeof(d->tmp), "%.*s/" DURABLE_TMP "%016" PRIx64,
	    (int)dir_len(path), path, noise);
	d->fd = open(d->tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	if (d->fd < 0)
		return owner_error(e, errno, "create", d->tmp);
	owner_inherit(d->tmp);
	/* Where there is no flock(2) the file's age must do. */
	(void)!flock(d->fd, LOCK_EX | LOCK_NB);
	return 0;
}

bool
durable_has_writer(int fd)
{
	return flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

int
durable_write(struct durable *d, const void *bytes, size_t n, struct err *e)
{
	const char *p = bytes;
	ssize_t	    k;

	while (n > 0) {
		k = write(d->fd, p, n);
		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return owner_error(e, errno, "write", d->path);
		p += k;
		n -= (size_t)k;
	}
	return 0;
}

void
durable_abort(struct durable *d)
{
	if (d->fd < 0)
		return;
	close(d->fd);
	d->fd = -1;
	unlink(d->tmp);
}

/*
 * Gives the hidden file its name. Where there are no hard links (FAT, some
 * network file systems) the check and the rename are two steps; keys that
 * hold a digest or a random part make the gap harmless.
 */
static int
publish(const struct durable *d)
{
	if (link(d->tmp, d->path) == 0) {
		unlink(d->tmp);
		return 0;
	}
	if (errno != EPERM && errno != ENOTSUP && errno != ENOSYS &&
	    errno != EMLINK)
		return errno;
	if (access(d->path, F_OK) == 0)
		return EEXIST;
	return rename(d->tmp, d->path) == 0 ? 0 : errno;
}

int
durable_commit(struct durable *d, struct err *e)
{
	int errnum = 0, fd = d->fd;

	if (fsync(fd) != 0)
		errnum = errno;
	/* NFS and quotas report at close what they could not write. */
	if (close(fd) != 0 && errnum == 0)
		errnum = errno;
	d->fd = -1;
	if (errnum == 0)
		errnum = publish(d);
	if (errnum != 0) {
		unlink(d->tmp);
		return owner_error(e, errnum, "store", d->path);
	}
	return durable_sync_dir(d->path, e);
}
