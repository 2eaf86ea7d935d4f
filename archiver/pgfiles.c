/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/pgfiles.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/err.h"

/* pg_control is rewritten in one go; a torn read does not last. */
#define CONTROL_TRIES	100
#define CONTROL_WAIT_NS	20000000

int
pgfiles_read(const char *path, size_t max, char **out, size_t *n,
    struct err *e)
{
	struct stat	st;
	char		*p = NULL;
	size_t		got = 0;
	ssize_t		k;
	int		fd, rc;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, errno, "%s", path);
	if (fstat(fd, &st) != 0) {
		rc = err_sys(e, errno, "%s", path);
		goto out;
	}
	if ((uint64_t)st.st_size > max) {
		rc = err_set(e, ERR_LIMIT, "%s is larger than %zu bytes", path,
		    max);
		goto out;
	}
	p = malloc(max + 1);
	if (p == NULL) {
		rc = err_set(e, ERR_NOMEM, "out of memory");
		goto out;
	}
	while (got < max) {
		k = read(fd, p + got, max - got);
		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0) {
			rc = err_sys(e, errno, "%s", path);
			goto out;
		}
		if (k == 0)
			break;
		got += (size_t)k;
	}
	p[got] = '\0';
	*out = p;
	*n = got;
	p = NULL;
	rc = 0;
out:
	free(p);
	close(fd);
	return rc;
}

int
pgfiles_read_control(const char *pgdata, struct pgcontrol *c,
    unsigned char *bytes, struct err *e)
{
	const struct timespec wait = { 0, CONTROL_WAIT_NS };
	char		path[1100], *p;
	size_t		n;
	int		i, rc = 0;

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", pgdata,
	    PGCONTROL_PATH) >= sizeof(path))
		return err_set(e, ERR_LIMIT, "%s: path too long", pgdata);
	for (i = 0; i < CONTROL_TRIES; i++) {
		rc = pgfiles_read(path, PGCONTROL_SIZE, &p, &n, e);
		if (rc != 0)
			return rc;
		rc = pgcontrol_parse(c, p, n, e);
		if (rc == 0 && bytes != NULL) {
			memset(bytes, 0, PGCONTROL_SIZE);
			memcpy(bytes, p, n);
		}
		free(p);
		if (rc != ERR_CHECKSUM)
			break;
		nanosleep(&wait, NULL);
	}
	return rc == 0 ? 0 : err_wrap(e, "%s", path);
}

int
pgfiles_server_pid(const char *pgdata, pid_t *pid, struct err *e)
{
	struct err why = { 0 };
	char	path[1100], *text;
	size_t	n;
	long	v;
	int	rc;

	*pid = 0;
	if ((size_t)snprintf(path, sizeof(path), "%s/postmaster.pid",
	    pgdata) >= sizeof(path))
		return err_set(e, ERR_LIMIT, "%s: path too long", pgdata);
	rc = pgfiles_read(path, 4096, &text, &n, &why);
	if (rc == ERR_NOT_FOUND)
		return 0;
	if (rc != 0)
		return err_set(e, rc, "%s", why.msg);
	v = strtol(text, NULL, 10);
	free(text);
	/* Negative: a single-user server. EPERM: alive, somebody else's. */
	if (v < 0)
		v = -v;
	if (v > 1 && v <= INT32_MAX &&
	    (kill((pid_t)v, 0) == 0 || errno == EPERM))
		*pid = (pid_t)v;
	return 0;
}

static int
sync_directory_of(const char *path)
{
	char	dir[1100];
	char	*slash;
	int	fd, errnum = 0;

	snprintf(dir, sizeof(dir), "%s", path);
	slash = strrchr(dir, '/');
	if (slash == NULL)
		return 0;
	slash[slash == dir ? 1 : 0] = '\0';
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno;
	if (fsync(fd) != 0)
		errnum = errno;
	close(fd);
	return errnum;
}

int
pgfiles_write(const char *path, const void *bytes, size_t n, unsigned mode,
    struct err *e)
{
	const char	*p = bytes;
	char		temporary[1100];
	size_t		left = n;
	ssize_t		k;
	int		fd, errnum = 0;

	if ((size_t)snprintf(temporary, sizeof(temporary), "%s" PGFILES_TMP,
	    path) >= sizeof(temporary))
		return err_set(e, ERR_LIMIT, "%s: path too long", path);
	fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(e, errno, "%s", temporary);
	while (left > 0 && errnum == 0) {
		k = write(fd, p, left);
		if (k > 0) {
			p += k;
			left -= (size_t)k;
		} else if (k == 0 || errno != EINTR) {
			errnum = k == 0 ? ENOSPC : errno;
		}
	}
	if (errnum == 0 && (fchmod(fd, mode) != 0 || fsync(fd) != 0))
		errnum = errno;
	if (close(fd) != 0 && errnum == 0)
		errnum = errno;
	if (errnum == 0 && rename(temporary, path) != 0)
		errnum = errno;
	if (errnum == 0)
		errnum = sync_directory_of(path);
	if (errnum != 0) {
		(void)unlink(temporary);
		return err_sys(e, errnum, "%s", path);
	}
	return 0;
}

char *
pgfiles_segment(char out[PGFILES_SEGMENT_MAX], uint32_t timeline, uint64_t lsn,
    uint32_t segment_size)
{
	uint64_t	number = lsn / segment_size;
	uint64_t	per_id = (UINT64_C(1) << 32) / segment_size;

	snprintf(out, PGFILES_SEGMENT_MAX, "%08X%08X%08X", timeline,
	    (unsigned)(number / per_id), (unsigned)(number % per_id));
	return out;
}
