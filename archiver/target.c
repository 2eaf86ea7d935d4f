/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/target.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "archiver/durable.h"
#include "archiver/manifest.h"
#include "archiver/pgfiles.h"
#include "common/err.h"

/* Paths of a manifest, sorted, to look others up in. */
struct names {
	const char	**path;
	size_t		  count;
};

static int
join(char out[MANIFEST_PATH_MAX], const char *dir, const char *name,
    struct err *e)
{
	if ((size_t)snprintf(out, MANIFEST_PATH_MAX, "%s/%s", dir, name) >=
	    MANIFEST_PATH_MAX)
		return err_set(e, ERR_LIMIT, "%s/%s: path too long", dir, name);
	return 0;
}

static bool
is_named(const struct target_map *map, const struct manifest_tablespace *s)
{
	char	oid[16];

	snprintf(oid, sizeof(oid), "%u", s->oid);
	return strcmp(map->name, oid) == 0 ||
	    (s->name != NULL && strcmp(map->name, s->name) == 0);
}

/* The new place of a tablespace, NULL if it stays. */
static const char *
find_place(const struct target *t, const struct manifest_tablespace *s,
    char *scratch, size_t size)
{
	size_t	i;

	for (i = 0; i < t->map_count; i++) {
		if (is_named(&t->maps[i], s))
			return t->maps[i].path;
	}
	if (t->map_all == NULL)
		return NULL;
	if (s->name != NULL)
		snprintf(scratch, size, "%s/%s", t->map_all, s->name);
	else
		snprintf(scratch, size, "%s/%u", t->map_all, s->oid);
	return scratch;
}

static int
check_maps(const struct target *t, const struct manifest *m, struct err *e)
{
	size_t	i, j;
	bool	found;

	for (i = 0; i < t->map_count; i++) {
		found = false;
		for (j = 0; j < m->space_count; j++) {
			if (is_named(&t->maps[i], &m->spaces[j]) &&
			    m->spaces[j].target != NULL)
				found = true;
		}
		if (!found) {
			return err_set(e, ERR_USAGE, "the backup has no "
			    "tablespace \"%s\" that could be mapped",
			    t->maps[i].name);
		}
		if (t->maps[i].path[0] != '/') {
			return err_set(e, ERR_USAGE, "tablespace-map: %s is "
			    "not an absolute path", t->maps[i].path);
		}
	}
	if (t->map_all != NULL && t->map_all[0] != '/') {
		return err_set(e, ERR_USAGE, "tablespace-map-all: %s is not an"
		    " absolute path", t->map_all);
	}
	return 0;
}

int
target_map_tablespaces(const struct target *t, struct manifest *m,
    struct err *e)
{
	char		scratch[MANIFEST_PATH_MAX];
	const char	*place;
	size_t		i, j;
	int		rc;

	rc = check_maps(t, m, e);
	if (rc != 0)
		return rc;
	for (i = 0; i < m->space_count; i++) {
		if (m->spaces[i].target == NULL)
			continue;
		place = find_place(t, &m->spaces[i], scratch, sizeof(scratch));
		if (place != NULL &&
		    manifest_set(&m->spaces[i].target, place) != 0)
			return err_set(e, ERR_NOMEM, "out of memory");
		for (j = 0; j < i; j++) {
			if (m->spaces[j].target != NULL &&
			    strcmp(m->spaces[i].target,
			    m->spaces[j].target) == 0)
				return err_set(e, ERR_USAGE,
				    "two tablespaces would go into %s", place);
		}
	}
	return 0;
}

/* 1 if the directory has content, 0 if it is empty or missing. */
static int
has_content(const char *path, struct err *e)
{
	struct dirent	*d;
	DIR		*dir = opendir(path);
	int		 found = 0;

	if (dir == NULL)
		return errno == ENOENT ? 0 : err_sys(e, errno, "%s", path);
	while (found == 0 && (d = readdir(dir)) != NULL) {
		/* A file system's own directory does not count. */
		found = strcmp(d->d_name, ".") != 0 &&
		    strcmp(d->d_name, "..") != 0 &&
		    strcmp(d->d_name, "lost+found") != 0;
	}
	closedir(dir);
	return found;
}

static bool
exists_in(const char *dir, const char *name)
{
	char		path[MANIFEST_PATH_MAX];
	struct stat	st;

	return join(path, dir, name, NULL) == 0 && lstat(path, &st) == 0;
}

static int
check_data_directory(const struct target *t, struct err *e)
{
	pid_t	pid;
	int	rc;

	if (t->pgdata == NULL || t->pgdata[0] != '/') {
		return err_set(e, ERR_USAGE,
		    "pg1-path must be an absolute path");
	}
	rc = pgfiles_server_pid(t->pgdata, &pid, e);
	if (rc != 0)
		return rc;
	if (pid != 0) {
		err_set(e, ERR_RUNNING, "PostgreSQL is running in %s (pid %ld)",
		    t->pgdata, (long)pid);
		return err_hint(e, "stop it first");
	}
	rc = has_content(t->pgdata, e);
	if (rc <= 0)
		return rc;
	if (!t->delta && !t->force) {
		err_set(e, ERR_EXISTS, "%s is not empty", t->pgdata);
		return err_hint(e, "move it aside, or use --delta to keep what"
		    " is right in it, or --force to overwrite all of it");
	}
	/* The last: a restore that was killed at its very first step. */
	if (!exists_in(t->pgdata, "PG_VERSION") &&
	    !exists_in(t->pgdata, TARGET_MARKER) &&
	    !exists_in(t->pgdata, TARGET_MARKER PGFILES_TMP)) {
		err_set(e, ERR_EXISTS, "%s is not empty and does not look like"
		    " a data directory", t->pgdata);
		return err_hint(e, "empty it yourself if it is the right one:"
		    " --delta and --force remove what is not in the backup");
	}
	return 0;
}

/* --delta is for the same cluster; for another it is a slip of the hand. */
static int
check_cluster(const struct target *t, const struct manifest *m, struct err *e)
{
	struct pgcontrol control;
	struct err	ignored = { 0 };

	if (!t->delta || t->force || pgfiles_read_control(t->pgdata, &control,
	    NULL, &ignored) != 0 || control.system_id == m->system_id)
		return 0;
	err_set(e, ERR_MISMATCH, "%s belongs to cluster %" PRIu64 ", the "
	    "backup is of cluster %" PRIu64, t->pgdata, control.system_id,
	    m->system_id);
	return err_hint(e, "is this the right stanza, and the right pg1-path? "
	    "--force instead of --delta overwrites it all the same");
}

int
target_check(const struct target *t, const struct manifest *m, struct err *e)
{
	size_t	i;
	int	rc;

	rc = check_data_directory(t, e);
	if (rc == 0)
		rc = check_cluster(t, m, e);
	for (i = 0; rc == 0 && i < m->space_count; i++) {
		if (m->spaces[i].target == NULL || t->delta || t->force)
			continue;
		rc = has_content(m->spaces[i].target, e);
		if (rc > 0) {
			rc = err_set(e, ERR_EXISTS, "%s, where a tablespace "
			    "belongs, is not empty", m->spaces[i].target);
			err_hint(e, "map the tablespace to another place with "
			    "--tablespace-map, or use --delta or --force");
		}
	}
	return rc;
}

/* mkdir -p. */
static int
make_directories(const char *path, struct err *e)
{
	char	copy[MANIFEST_PATH_MAX];
	char	*slash = copy;

	if (strlen(path) >= sizeof(copy))
		return err_set(e, ERR_LIMIT, "%s: path too long", path);
	memcpy(copy, path, strlen(path) + 1);
	while ((slash = strchr(slash + 1, '/')) != NULL) {
		*slash = '\0';
		if (mkdir(copy, 0700) != 0 && errno != EEXIST)
			return err_sys(e, errno, "%s", copy);
		*slash = '/';
	}
	if (mkdir(copy, 0700) != 0 && errno != EEXIST)
		return err_sys(e, errno, "%s", copy);
	return 0;
}

/* pg_tblspc/<oid> leads to the tablespace's place. */
static int
make_link(const struct target *t, const struct manifest_tablespace *s,
    struct err *e)
{
	char	path[MANIFEST_PATH_MAX], name[64];
	int	rc;

	snprintf(name, sizeof(name), "pg_tblspc/%u", s->oid);
	rc = join(path, t->pgdata, name, e);
	if (rc == 0)
		rc = make_directories(s->target, e);
	if (rc != 0)
		return rc;
	if (unlink(path) != 0 && errno != ENOENT)
		return err_sys(e, errno, "%s", path);
	if (symlink(s->target, path) != 0)
		return err_sys(e, errno, "%s", path);
	return 0;
}

static const struct manifest_tablespace *
tablespace_of(const struct manifest *m, const char *path)
{
	char	name[64];
	size_t	i;

	for (i = 0; i < m->space_count; i++) {
		snprintf(name, sizeof(name), "pg_tblspc/%u", m->spaces[i].oid);
		if (m->spaces[i].target != NULL && strcmp(path, name) == 0)
			return &m->spaces[i];
	}
	return NULL;
}

static int
make_tree(const struct target *t, const struct manifest *m, struct err *e)
{
	const struct manifest_tablespace *space;
	char		path[MANIFEST_PATH_MAX];
	struct stat	st;
	size_t		i;
	int		rc = 0;

	for (i = 0; rc == 0 && i < m->dir_count; i++) {
		space = tablespace_of(m, m->dirs[i].path);
		if (space != NULL) {
			rc = make_link(t, space, e);
			continue;
		}
		rc = join(path, t->pgdata, m->dirs[i].path, e);
		if (rc != 0)
			break;
		if (mkdir(path, 0700) == 0)
			continue;
		/* A link to a directory (pg_wal elsewhere) may stay. */
		if (errno != EEXIST || stat(path, &st) != 0 ||
		    !S_ISDIR(st.st_mode))
			rc = err_sys(e, errno == 0 ? ENOTDIR : errno, "%s",
			    path);
	}
	return rc;
}

static int
compare_paths(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool
has_name(const struct names *n, const char *path)
{
	return bsearch(&path, n->path, n->count, sizeof(*n->path),
	    compare_paths) != NULL;
}

static int
names_of(const struct manifest *m, struct names *n)
{
	size_t	i;

	n->path = calloc(m->file_count + m->dir_count + 1, sizeof(*n->path));
	if (n->path == NULL)
		return ERR_NOMEM;
	for (i = 0; i < m->file_count; i++)
		n->path[n->count++] = m->files[i].path;
	for (i = 0; i < m->dir_count; i++)
		n->path[n->count++] = m->dirs[i].path;
	qsort(n->path, n->count, sizeof(*n->path), compare_paths);
	return 0;
}

static const char *const recovery_files[] = {
#define NAME(name) name,
	TARGET_RECOVERY(NAME)
#undef NAME
};

static bool
is_recovery_file(const char *path)
{
	size_t	i;

	for (i = 0; i < ARRAY_LEN(recovery_files); i++) {
		if (strcmp(recovery_files[i], path) == 0)
			return true;
	}
	return false;
}

void
target_keep_recovery(const struct target *t, struct manifest *m)
{
	struct manifest_file *f;
	size_t	i;

	for (i = 0; t->keep_recovery && i < ARRAY_LEN(recovery_files); i++) {
		f = manifest_find(m, recovery_files[i]);
		if (f == NULL || !exists_in(t->pgdata, recovery_files[i]))
			continue;
		m->size -= f->size;
		free(f->path);
		f->path = NULL;
		manifest_drop_vanished(m);
	}
}

/*
 * Removes what `keep` does not name below <pgdata>/<path>. Links are
 * followed only where the manifest has a directory of that name.
 */
static int
clean(const struct target *t, const struct names *keep, const char *path,
    struct err *e)
{
	char		full[MANIFEST_PATH_MAX], child[MANIFEST_PATH_MAX];
	struct dirent	*d;
	struct stat	st;
	DIR		*dir;
	int		rc;

	rc = join(full, t->pgdata, path, e);
	if (rc != 0)
		return rc;
	dir = opendir(full);
	if (dir == NULL)
		return err_sys(e, errno, "%s", full);
	while (rc == 0 && (d = readdir(dir)) != NULL) {
		if (strcmp(d->d_name, ".") == 0 ||
		    strcmp(d->d_name, "..") == 0 ||
		    strcmp(d->d_name, "lost+found") == 0 ||
		    (path[0] == '\0' && strcmp(d->d_name, TARGET_MARKER) ==
		    0) || (path[0] == '\0' && t->keep_recovery &&
		    is_recovery_file(d->d_name)))
			continue;
		if ((size_t)snprintf(child, sizeof(child), "%s%s%s", path,
		    path[0] == '\0' ? "" : "/", d->d_name) >= sizeof(child)) {
			rc = err_set(e, ERR_LIMIT, "%s: path too long", path);
			break;
		}
		rc = join(full, t->pgdata, child, e);
		if (rc != 0)
			break;
		if (has_name(keep, child) ? stat(full, &st) != 0 :
		    lstat(full, &st) != 0) {
			rc = err_sys(e, errno, "%s", full);
			break;
		}
		if (S_ISDIR(st.st_mode)) {
			rc = clean(t, keep, child, e);
			if (rc == 0 && !has_name(keep, child) &&
			    rmdir(full) != 0)
				rc = err_sys(e, errno, "%s", full);
		} else if (!has_name(keep, child) && unlink(full) != 0) {
			rc = err_sys(e, errno, "%s", full);
		}
	}
	closedir(dir);
	return rc;
}

int
target_prepare(const struct target *t, const struct manifest *m, struct err *e)
{
	struct names	keep = { 0 };
	char		path[MANIFEST_PATH_MAX];
	int		rc;

	rc = make_directories(t->pgdata, e);
	if (rc == 0)
		rc = join(path, t->pgdata, TARGET_MARKER, e);
	if (rc == 0)
		rc = pgfiles_write(path, m->label, strlen(m->label), 0600, e);
	if (rc == 0)
		rc = join(path, t->pgdata, PGCONTROL_PATH, e);
	if (rc != 0)
		return rc;
	/*
	 * Gone for good before anything else changes: after a power cut the
	 * old one would let the server start on half of each.
	 */
	if (unlink(path) == 0)
		rc = durable_sync_dir(path, e);
	else if (errno != ENOENT && errno != ENOTDIR)
		rc = err_sys(e, errno, "%s", path);
	if (rc != 0)
		return rc;
	rc = names_of(m, &keep);
	if (rc != 0)
		return err_set(e, rc, "out of memory");
	/* Once before, for what is in the way; links are there after. */
	rc = make_tree(t, m, e);
	if (rc == 0)
		rc = clean(t, &keep, "", e);
	free(keep.path);
	return rc;
}

/* The numbers behind "user:group"; false if they are not known here. */
static bool
resolve_owner(const char *owner, uid_t *uid, gid_t *gid)
{
	char		user[128], buffer[4096];
	struct passwd	pw, *p = NULL;
	struct group	gr, *g = NULL;
	const char	*colon = owner == NULL ? NULL : strchr(owner, ':');

	if (colon == NULL || (size_t)(colon - owner) >= sizeof(user))
		return false;
	memcpy(user, owner, (size_t)(colon - owner));
	user[colon - owner] = '\0';
	if (getpwnam_r(user, &pw, buffer, sizeof(buffer), &p) != 0 ||
	    p == NULL)
		return false;
	*uid = p->pw_uid;
	*gid = p->pw_gid;
	if (getgrnam_r(colon + 1, &gr, buffer, sizeof(buffer), &g) == 0 &&
	    g != NULL)
		*gid = g->gr_gid;
	return true;
}

/* Gives a whole tree away; of links, the link and what it leads to. */
static int
chown_tree(const char *path, uid_t uid, gid_t gid, struct err *e)
{
	char		child[MANIFEST_PATH_MAX];
	struct dirent	*d;
	struct stat	st;
	DIR		*dir;
	int		rc = 0;

	dir = opendir(path);
	if (dir == NULL)
		return err_sys(e, errno, "%s", path);
	if (chown(path, uid, gid) != 0)
		rc = err_sys(e, errno, "%s", path);
	while (rc == 0 && (d = readdir(dir)) != NULL) {
		if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
			continue;
		rc = join(child, path, d->d_name, e);
		if (rc != 0)
			break;
		if (lchown(child, uid, gid) != 0 || stat(child, &st) != 0)
			rc = err_sys(e, errno, "%s", child);
		else if (S_ISDIR(st.st_mode))
			rc = chown_tree(child, uid, gid, e);
	}
	closedir(dir);
	return rc;
}

/* One system call makes a whole file system durable. */
static int
sync_file_system(const char *path, struct err *e)
{
	int	fd, errnum = 0;

	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, errno, "%s", path);
	if (syscall(SYS_syncfs, fd) != 0)
		errnum = errno;
	close(fd);
	return errnum == 0 ? 0 : err_sys(e, errnum, "cannot sync %s", path);
}

int
target_own(const struct target *t, const struct manifest *m, const char *path,
    struct err *e)
{
	char	full[MANIFEST_PATH_MAX];
	uid_t	uid;
	gid_t	gid;
	int	rc;

	if (geteuid() != 0 || !resolve_owner(m->owner, &uid, &gid))
		return 0;
	rc = join(full, t->pgdata, path, e);
	if (rc == 0 && lchown(full, uid, gid) != 0)
		rc = err_sys(e, errno, "%s", full);
	return rc;
}

int
target_finish(const struct target *t, const struct manifest *m, struct err *e)
{
	char	path[MANIFEST_PATH_MAX];
	uid_t	uid;
	gid_t	gid;
	size_t	i;
	int	rc = 0;

	for (i = 0; rc == 0 && i < m->dir_count; i++) {
		rc = join(path, t->pgdata, m->dirs[i].path, e);
		if (rc == 0 && chmod(path, m->dirs[i].mode) != 0)
			rc = err_sys(e, errno, "%s", path);
	}
	if (rc == 0)
		rc = join(path, t->pgdata, TARGET_MARKER, e);
	if (rc == 0 && unlink(path) != 0 && errno != ENOENT)
		rc = err_sys(e, errno, "%s", path);
	/* The server refuses a directory that belongs to somebody else. */
	if (rc == 0 && geteuid() == 0 && resolve_owner(m->owner, &uid, &gid))
		rc = chown_tree(t->pgdata, uid, gid, e);
	if (rc == 0)
		rc = sync_file_system(t->pgdata, e);
	for (i = 0; rc == 0 && i < m->space_count; i++) {
		if (m->spaces[i].target != NULL)
			rc = sync_file_system(m->spaces[i].target, e);
	}
	return rc;
}
