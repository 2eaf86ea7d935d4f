/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/scan.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archiver/exclude.h"
#include "archiver/manifest.h"
#include "common/err.h"

/* A data directory is some seven levels deep; circles are endless. */
#define DEPTH_MAX	32

struct scan {
	struct manifest	*m;
	const char	*pgdata;
	char *const	*exclude;
	size_t		 exclude_count;
	char		 version_dir[64];	/* PG_15_202209061 */
	int		 depth;
};

/* The names in one directory, sorted, and which relations are unlogged. */
struct names {
	char		**name;
	size_t		  count, room;
	uint32_t	 *unlogged;	/* file numbers, ascending */
	size_t		  unlogged_count, unlogged_room;
};

static int	scan_directory(struct scan *s, const char *path, struct err *e);

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int
compare_numbers(const void *a, const void *b)
{
	uint32_t	x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void
names_release(struct names *n)
{
	size_t	i;

	for (i = 0; i < n->count; i++)
		free(n->name[i]);
	free(n->name);
	free(n->unlogged);
}

static int
names_add(struct names *n, const char *name)
{
	struct relation	r;
	size_t		room;
	void		*p;

	if (n->count == n->room) {
		room = n->room == 0 ? 64 : n->room * 2;
		p = realloc(n->name, room * sizeof(*n->name));
		if (p == NULL)
			return ERR_NOMEM;
		n->name = p;
		n->room = room;
	}
	n->name[n->count] = strdup(name);
	if (n->name[n->count] == NULL)
		return ERR_NOMEM;
	n->count++;
	if (!relation_parse(name, &r) || r.fork != RELATION_INIT)
		return 0;
	if (n->unlogged_count == n->unlogged_room) {
		room = n->unlogged_room == 0 ? 16 : n->unlogged_room * 2;
		p = realloc(n->unlogged, room * sizeof(*n->unlogged));
		if (p == NULL)
			return ERR_NOMEM;
		n->unlogged = p;
		n->unlogged_room = room;
	}
	n->unlogged[n->unlogged_count++] = r.number;
	return 0;
}

static int
names_read(struct names *n, const char *path, struct err *e)
{
	struct dirent	*d;
	DIR		*dir = opendir(path);
	int		 errnum, rc = 0;

	if (dir == NULL)
		return errno == ENOENT ? 0 : err_sys(e, errno, "%s", path);
	for (;;) {
		errno = 0;
		d = readdir(dir);
		if (d == NULL)
			break;
		if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
			continue;
		rc = names_add(n, d->d_name);
		if (rc != 0) {
			closedir(dir);
			return err_set(e, rc, "out of memory");
		}
	}
	errnum = errno;
	closedir(dir);
	if (errnum != 0)
		return err_sys(e, errnum, "%s", path);
	if (n->count > 0)
		qsort(n->name, n->count, sizeof(*n->name), compare_names);
	if (n->unlogged_count > 0) {
		qsort(n->unlogged, n->unlogged_count, sizeof(*n->unlogged),
		    compare_numbers);
	}
	return 0;
}

/*
 * True for the forks of an unlogged relation that a server makes again from
 * the init fork when it starts after a crash or a restore.
 */
static bool
is_unlogged(const struct names *n, const char *name)
{
	struct relation	r;

	return n->unlogged_count > 0 && relation_parse(name, &r) &&
	    r.fork != RELATION_INIT &&
	    bsearch(&r.number, n->unlogged, n->unlogged_count,
	    sizeof(r.number), compare_numbers) != NULL;
}

static int
add_file(struct scan *s, const char *path, const struct stat *st,
    struct err *e)
{
	struct manifest_file *f = manifest_add_file(s->m, path);

	if (f == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	f->size = (uint64_t)st->st_size;
	f->mtime = st->st_mtime < 0 ? 0 : st->st_mtime;
	f->mode = st->st_mode & 07777;
	s->m->size += f->size;
	return 0;
}

static int
add_directory(struct scan *s, const char *path, const struct stat *st,
    struct err *e)
{
	struct manifest_directory *d = manifest_add_directory(s->m, path);

	if (d == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	d->mode = st->st_mode & 07777;
	return 0;
}

/*
 * An entry of pg_tblspc. Sets *is_space to false for what has no number as
 * its name and is none of PostgreSQL's.
 */
static int
add_tablespace(struct scan *s, const char *name, const char *full,
    const struct stat *st, bool *is_space, struct err *e)
{
	char		target[MANIFEST_PATH_MAX];
	char		*end;
	unsigned long	oid;
	ssize_t		n;

	oid = strtoul(name, &end, 10);
	*is_space = name[0] >= '1' && name[0] <= '9' && *end == '\0' &&
	    oid <= UINT32_MAX;
	if (!*is_space)
		return 0;
	target[0] = '\0';
	if (S_ISLNK(st->st_mode)) {
		n = readlink(full, target, sizeof(target));
		if (n < 0)
			return err_sys(e, errno, "%s", full);
		if ((size_t)n == sizeof(target) || target[0] != '/') {
			return err_set(e, ERR_LIMIT,
			    "%s: the link is too long or not absolute", full);
		}
		target[n] = '\0';
	}
	if (manifest_add_tablespace(s->m, (uint32_t)oid,
	    target[0] == '\0' ? NULL : target, NULL) == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	return 0;
}

/* True for pg_tblspc/<oid>/<other version>: another server's files. */
static bool
is_foreign(const struct scan *s, const char *path)
{
	const char	*p;

	if (strncmp(path, "pg_tblspc/", 10) != 0)
		return false;
	p = strchr(path + 10, '/');
	return p != NULL && strchr(p + 1, '/') == NULL &&
	    strcmp(p + 1, s->version_dir) != 0;
}

/* Our rules, and what the caller does not want. */
static enum exclude_verdict
judge(const struct scan *s, const char *path, bool is_directory)
{
	size_t	i, n = strlen(path);

	for (i = 0; i < s->exclude_count; i++) {
		if (strncmp(s->exclude[i], path, n) != 0)
			continue;
		if (s->exclude[i][n] == '\0')
			return EXCLUDE_SKIP;
		if (is_directory && strcmp(s->exclude[i] + n, "/") == 0)
			return EXCLUDE_EMPTY;
	}
	return exclude_path(path, is_directory);
}

static int
scan_entry(struct scan *s, const struct names *siblings, const char *name,
    const char *path, struct err *e)
{
	char		full[MANIFEST_PATH_MAX];
	struct stat	st;
	bool		is_space;
	enum exclude_verdict verdict;
	int		rc;

	if ((size_t)snprintf(full, sizeof(full), "%s/%s", s->pgdata, path) >=
	    sizeof(full))
		return err_set(e, ERR_LIMIT, "%s: path too long", path);
	if (lstat(full, &st) != 0)
		return errno == ENOENT ? 0 : err_sys(e, errno, "%s", full);
	if (strncmp(path, "pg_tblspc/", 10) == 0 &&
	    strcmp(path + 10, name) == 0) {
		rc = add_tablespace(s, name, full, &st, &is_space, e);
		if (rc != 0 || !is_space)
			return rc;
	}
	if (S_ISLNK(st.st_mode) && stat(full, &st) != 0)
		return errno == ENOENT ? 0 : err_sys(e, errno, "%s", full);
	if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
		return 0;
	verdict = judge(s, path, S_ISDIR(st.st_mode));
	if (verdict == EXCLUDE_SKIP || is_foreign(s, path))
		return 0;
	if (S_ISREG(st.st_mode)) {
		if (siblings->unlogged_count > 0 && is_unlogged(siblings, name))
			return 0;
		return add_file(s, path, &st, e);
	}
	rc = add_directory(s, path, &st, e);
	if (rc != 0 || verdict == EXCLUDE_EMPTY)
		return rc;
	return scan_directory(s, path, e);
}

static int
scan_directory(struct scan *s, const char *path, struct err *e)
{
	char		full[MANIFEST_PATH_MAX], child[MANIFEST_PATH_MAX];
	struct names	n = { 0 };
	const char	*separator = path[0] == '\0' ? "" : "/";
	size_t		i;
	int		rc;

	if (s->depth == DEPTH_MAX) {
		return err_set(e, ERR_LIMIT,
		    "%s: more than %d levels deep (a link in circles?)", path,
		    DEPTH_MAX);
	}
	s->depth++;
	snprintf(full, sizeof(full), "%s%s%s", s->pgdata, separator, path);
	rc = names_read(&n, full, e);
	for (i = 0; rc == 0 && i < n.count; i++) {
		if ((size_t)snprintf(child, sizeof(child), "%s%s%s", path,
		    separator, n.name[i]) >= sizeof(child)) {
			rc = err_set(e, ERR_LIMIT, "%s: path too long", path);
			break;
		}
		rc = scan_entry(s, &n, n.name[i], child, e);
	}
	names_release(&n);
	s->depth--;
	return rc;
}

int
scan_data_directory(struct manifest *m, const char *pgdata,
    char *const *exclude, size_t exclude_count, struct err *e)
{
	struct scan	s = { .m = m, .pgdata = pgdata, .exclude = exclude,
	    .exclude_count = exclude_count };

	snprintf(s.version_dir, sizeof(s.version_dir), "PG_%d_%u",
	    m->pg_version, m->catalog_version);
	return scan_directory(&s, "", e);
}
