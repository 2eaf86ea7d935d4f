/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/digest.h"
#include "common/err.h"

#define CHUNK	((size_t)1 << 20)
#define PREFIX	"ring-"

static void
remove_leftovers(const char *dir)
{
	struct dirent	*de;
	DIR		*d = opendir(dir);

	while (d != NULL && (de = readdir(d)) != NULL) {
		if (strncmp(de->d_name, PREFIX, strlen(PREFIX)) == 0)
			(void)!unlinkat(dirfd(d), de->d_name, 0);
	}
	if (d != NULL)
		closedir(d);
}

/* The directory above it may be new as well. */
static int
make_dir(const char *dir, struct err *e)
{
	char	above[2048], *slash;

	if ((size_t)snprintf(above, sizeof(above), "%s", dir) >=
	    sizeof(above))
		return err_set(e, ERR_CONFIG, "the path %.100s... is too long",
		    dir);
	slash = strrchr(above, '/');
	if (slash != NULL && slash != above) {
		*slash = '\0';
		(void)!mkdir(above, 0700);
	}
	if (mkdir(dir, 0700) != 0 && errno != EEXIST)
		return err_sys(e, errno, "cannot make the directory %s", dir);
	return 0;
}

int
spool_open(const char *dir, struct err *e)
{
	char	path[2100];
	int	fd, rc;

	rc = make_dir(dir, e);
	if (rc != 0)
		return rc;
	remove_leftovers(dir);
	snprintf(path, sizeof(path), "%s/" PREFIX "XXXXXX", dir);
	fd = mkstemp(path);
	if (fd < 0)
		return err_sys(e, errno, "cannot make a file in %s", dir);
	unlink(path);
	(void)!fcntl(fd, F_SETFD, FD_CLOEXEC);
	return fd;
}

static int
read_all(int fd, char *p, size_t n, uint64_t at, struct err *e)
{
	ssize_t	k;

	for (; n > 0; p += k, n -= (size_t)k, at += (uint64_t)k) {
		k = pread(fd, p, n, (off_t)at);
		if (k == 0)
			return err_set(e, ERR_CHECKSUM,
			    "the spool file is cut");
		if (k < 0 && errno == EINTR)
			k = 0;
		else if (k < 0)
			return err_sys(e, errno, "cannot read the spool file");
	}
	return 0;
}

static int
write_all(int fd, const char *p, size_t n, uint64_t at, struct err *e)
{
	ssize_t	k;

	for (; n > 0; p += k, n -= (size_t)k, at += (uint64_t)k) {
		k = pwrite(fd, p, n, (off_t)at);
		if (k < 0 && errno == EINTR)
			k = 0;
		else if (k < 0)
			return err_sys(e, errno, "cannot write the WAL file");
	}
	return 0;
}

int
spool_copy(int spool, uint64_t offset, uint64_t size,
    const struct digest *digest, int to, struct err *e)
{
	struct digest_stream *d = digest_stream_new(NULL);
	struct digest	got;
	char		*chunk = malloc(CHUNK);
	uint64_t	at;
	size_t		n;
	int		rc = 0;

	if (d == NULL || chunk == NULL)
		rc = err_set(e, ERR_NOMEM, "no memory");
	else if (ftruncate(to, 0) != 0)
		rc = err_sys(e, errno, "cannot empty the WAL file");
	for (at = 0; rc == 0 && at < size; at += n) {
		n = (size_t)MIN(CHUNK, size - at);
		rc = read_all(spool, chunk, n, offset + at, e);
		if (rc == 0)
			rc = write_all(to, chunk, n, at, e);
		if (rc == 0)
			digest_stream_add(d, chunk, n);
	}
	if (rc == 0) {
		digest_stream_get(d, &got);
		if (!digest_equal(&got, digest))
			rc = err_set(e, ERR_CHECKSUM, "the spool file is "
			    "damaged");
	}
	digest_stream_free(d);
	free(chunk);
	return rc;
}
