/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "archiver/durable.h"
#include "archiver/owner.h"
#include "common/err.h"
#include "common/text.h"

#define CHUNK	((size_t)1 << 20)

struct store_dir {
	struct store	base;
	char		root[2048];
	size_t		parent_len;	/* of the root's parent directory */
};

static struct store_dir *
self(struct store *s)
{
	return container_of(s, struct store_dir, base);
}

static void
path_of(struct store_dir *s, const char *key, char out[DURABLE_PATH_MAX])
{
	snprintf(out, DURABLE_PATH_MAX, "%s/%s", s->root, key);
}

/*
 * ENOENT says that the object is not there only while the root itself is:
 * else a file system that is not mounted would look like an empty archive.
 */
static int
failed(struct store_dir *s, int errnum, const char *what, const char *path,
    struct err *e)
{
	struct stat st;

	if (errnum == ENOENT && stat(s->root, &st) != 0) {
		err_set(e, ERR_STORE, "the repository directory %s is not there",
		    s->root);
		err_hint(e, "is its file system mounted, and repoN-path right? "
		    "only for a new repository: stanza-create makes it");
		return ERR_STORE;
	}
	return owner_error(e, errnum, what, path);
}

static void
dir_close(struct store *base)
{
	free(self(base));
}

static int
copy_part(struct durable *d, const struct store_part *part,
    const struct store_op *op, struct err *e)
{
	struct store_source source = { .parts = part, .n = 1 };
	char	*chunk;
	size_t	 n = 1;
	int	 rc = 0;

	if (part->bytes != NULL)
		return durable_write(d, part->bytes, part->len, e);
	chunk = malloc(CHUNK);
	if (chunk == NULL)
		return err_set(e, ERR_NOMEM, "no memory to copy a file");
	while (rc == 0 && n > 0) {
		rc = store_source_read(&source, chunk, CHUNK, &n, e);
		if (rc == 0)
			rc = durable_write(d, chunk, n, e);
		if (rc == 0)
			rc = store_op_check(op, d->path, e);
	}
	free(chunk);
	return rc;
}

/* A full repository stops the archive, and then pg_wal fills, too. */
static int
hint_full(const struct store_dir *s, int rc, struct err *e)
{
	if (rc == ERR_NOSPACE) {
		err_hint(e, "make room on the file system of %s (df -h, "
		    "quota): expire removes what retention gives up; "
		    "meanwhile PostgreSQL keeps its WAL", s->root);
	}
	return rc;
}

static int
dir_put(struct store *base, const char *key, const struct store_part *parts,
    size_t n, const struct store_op *op, struct err *e)
{
	struct store_dir *s = self(base);
	struct durable	  d;
	char		  path[DURABLE_PATH_MAX];
	size_t		  i;
	int		  rc;

	path_of(s, key, path);
	rc = durable_mkdirs(path, s->parent_len, e);
	if (rc == 0)
		rc = durable_begin(&d, path, e);
	if (rc == ERR_NOT_FOUND) {
		err_set(e, ERR_STORE, "the directory of %s is not there",
		    s->root);
		err_hint(e, "is its file system mounted, and repoN-path right?");
		return ERR_STORE;
	}
	if (rc != 0)
		return hint_full(s, rc, e);
	for (i = 0; i < n && rc == 0; i++)
		rc = copy_part(&d, &parts[i], op, e);
	if (rc == 0)
		rc = durable_commit(&d, e);
	else
		durable_abort(&d);
	return hint_full(s, rc, e);
}

static int
dir_read(struct store *base, const char *key, uint64_t offset, size_t n,
    store_sink *sink, void *arg, const struct store_op *op, struct err *e)
{
	struct store_dir *s = self(base);
	char		  path[DURABLE_PATH_MAX], *chunk = NULL;
	bool		  all = n == 0;
	ssize_t		  k;
	int		  fd, rc = 0;

	path_of(s, key, path);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return failed(s, errno, "open", path, e);
	chunk = malloc(CHUNK);
	if (chunk == NULL)
		rc = err_set(e, ERR_NOMEM, "no memory to read %s", path);
	while (rc == 0 && (all || n > 0)) {
		k = pread(fd, chunk, all ? CHUNK : MIN(CHUNK, n),
		    (off_t)offset);
		if (k < 0) {
			rc = owner_error(e, errno, "read", path);
			break;
		}
		if (k == 0)
			break;
		offset += (uint64_t)k;
		n -= all ? 0 : (size_t)k;
		rc = sink(arg, chunk, (size_t)k, e);
		if (rc == 0)
			rc = store_op_check(op, path, e);
	}
	if (rc == 0 && !all && n > 0)
		rc = err_set(e, ERR_STORE, "%s ends too early", path);
	free(chunk);
	close(fd);
	return rc;
}

static int
dir_head(struct store *base, const char *key, uint64_t *size,
    const struct store_op *op, struct err *e)
{
	struct store_dir *s = self(base);
	struct stat	  st;
	char		  path[DURABLE_PATH_MAX];

	(void)op;
	path_of(s, key, path);
	if (stat(path, &st) != 0)
		return failed(s, errno, "look at", path, e);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_NOT_FOUND, "%s is no object", path);
	*size = (uint64_t)st.st_size;
	return 0;
}

/* A listing in progress. */
struct walk {
	struct store_dir *s;
	const char	 *prefix;
	bool		  delimited;
	int		(*each)(void *, const struct store_entry *);
	void		 *arg;
	const struct store_op *op;
	struct err	 *e;
	/* Not NULL: hidden leftovers are wanted, and no objects. */
	const struct store_sweep *sweep;
};

static int	walk_dir(struct walk *w, const char *dir);

/* Removes a file, and directories that became empty, up to the root. */
static int
remove_path(struct store_dir *s, char *path, struct err *e)
{
	char	*slash;

	if (unlink(path) != 0)
		return failed(s, errno, "remove", path, e);
	while ((slash = strrchr(path, '/')) != NULL &&
	    (size_t)(slash - path) > strlen(s->root)) {
		*slash = '\0';
		if (rmdir(path) != 0)
			break;
	}
	return 0;
}

/* A hidden name in a sweep; its writer may be at work on it. */
static int
sweep_name(struct walk *w, const char *dir, const char *name)
{
	struct store_entry entry = { NULL, 0, 0, false };
	struct stat	   st;
	char		   key[STORE_KEY_MAX + 256 + 2];
	char		   path[DURABLE_PATH_MAX];
	int		   fd, rc = 0;

	if (strncmp(name, DURABLE_TMP, strlen(DURABLE_TMP)) != 0)
		return 0;
	snprintf(key, sizeof(key), "%s%s", dir, name);
	path_of(w->s, key, path);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)			/* finished meanwhile */
		return errno == ENOENT ? 0 :
		    failed(w->s, errno, "open", path, w->e);
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    st.st_mtime <= w->sweep->before && !durable_has_writer(fd)) {
		entry.key = key;
		entry.size = (uint64_t)st.st_size;
		entry.mtime = st.st_mtime;
		rc = w->each(w->arg, &entry);
		if (rc == 0 && w->sweep->remove)
			rc = remove_path(w->s, path, w->e);
	}
	close(fd);
	return rc == ERR_NOT_FOUND ? 0 : rc;
}

/* One name in a directory of keys `dir` ("" or ending in a slash). */
static int
walk_name(struct walk *w, const char *dir, const char *name)
{
	struct store_entry entry = { NULL, 0, 0, false };
	struct stat	   st;
	char		   key[STORE_KEY_MAX + 256 + 2];
	char		   path[DURABLE_PATH_MAX];
	size_t		   plen = strlen(w->prefix), klen;

	if (name[0] == '.')
		return w->sweep == NULL ? 0 : sweep_name(w, dir, name);
	snprintf(key, sizeof(key) - 1, "%s%s", dir, name);
	klen = strlen(key);
	if (strncmp(key, w->prefix, MIN(klen, plen)) != 0)
		return 0;
	path_of(w->s, key, path);
	if (stat(path, &st) != 0)	/* removed meanwhile */
		return errno == ENOENT ? 0 :
		    failed(w->s, errno, "look at", path, w->e);
	if (S_ISDIR(st.st_mode)) {
		if (klen < plen && w->prefix[klen] != '/')
			return 0;
		key[klen] = '/';
		key[klen + 1] = '\0';
		if (!w->delimited || klen + 1 <= plen)
			return walk_dir(w, key);
		entry.is_prefix = true;
	} else if (klen < plen || w->sweep != NULL) {
		return 0;
	}
	entry.key = key;
	entry.size = entry.is_prefix ? 0 : (uint64_t)st.st_size;
	entry.mtime = st.st_mtime;
	return w->each(w->arg, &entry);
}

static int
walk_dir(struct walk *w, const char *dir)
{
	struct dirent	*de;
	char		 path[DURABLE_PATH_MAX];
	DIR		*d;
	int		 rc;

	path_of(w->s, dir, path);
	rc = store_op_check(w->op, path, w->e);
	if (rc != 0)
		return rc;
	d = opendir(path);
	if (d == NULL) {
		rc = failed(w->s, errno, "list", path, w->e);
		return rc == ERR_NOT_FOUND ? 0 : rc;
	}
	while (rc == 0) {
		errno = 0;
		de = readdir(d);
		if (de == NULL) {
			if (errno != 0)
				rc = failed(w->s, errno, "list", path, w->e);
			break;
		}
		rc = walk_name(w, dir, de->d_name);
	}
	closedir(d);
	return rc;
}

/* Begins as deep as the prefix allows. */
static int
walk(struct walk *w)
{
	char	    dir[STORE_KEY_MAX + 1];
	const char *slash = strrchr(w->prefix, '/');

	snprintf(dir, sizeof(dir), "%.*s",
	    slash == NULL ? 0 : (int)(slash - w->prefix) + 1, w->prefix);
	return walk_dir(w, dir);
}

static int
dir_list(struct store *base, const char *prefix, bool delimited,
    int (*each)(void *, const struct store_entry *), void *arg,
    const struct store_op *op, struct err *e)
{
	struct walk w = { self(base), prefix, delimited, each, arg, op, e,
	    NULL };

	return walk(&w);
}

static int
dir_sweep(struct store *base, const struct store_sweep *sweep,
    const struct store_op *op, struct err *e)
{
	struct walk w = { self(base), sweep->prefix, false, sweep->each,
	    sweep->arg, op, e, sweep };

	return walk(&w);
}

static int
dir_remove(struct store *base, const char *key, const struct store_op *op,
    struct err *e)
{
	struct store_dir *s = self(base);
	char		  path[DURABLE_PATH_MAX];

	(void)op;
	path_of(s, key, path);
	return remove_path(s, path, e);
}

static int
dir_check(struct store *base, uint64_t room, const struct store_op *op,
    struct err *e)
{
	struct store_dir *s = self(base);
	struct statvfs	  fs;
	char		  left[TEXT_NUMBER_MAX], needed[TEXT_NUMBER_MAX];
	uint64_t	  bytes;

	(void)op;
	if (access(s->root, R_OK | W_OK | X_OK) != 0)
		return failed(s, errno, "use", s->root, e);
	if (statvfs(s->root, &fs) != 0)
		return failed(s, errno, "look at", s->root, e);
	bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
	if (bytes >= room)
		return 0;
	return hint_full(s, err_set(e, ERR_NOSPACE, "the file system of %s "
	    "has %s left, and %s are needed", s->root,
	    text_print_size_short((int64_t)bytes, left),
	    text_print_size_short((int64_t)room, needed)), e);
}

static const struct store_ops dir_ops = {
	dir_close, dir_put, dir_read, dir_head, dir_list, dir_remove, dir_check,
	dir_sweep
};

int
store_dir_open(struct store **out, const char *root, struct err *e)
{
	struct store_dir *s;
	size_t		  len = strlen(root);

	if (root[0] != '/' || len >= sizeof(s->root)) {
		return err_set(e, ERR_CONFIG,
		    "the repository path \"%.200s\" is not absolute", root);
	}
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return err_set(e, ERR_NOMEM, "no memory for a repository");
	s->base.ops = &dir_ops;
	while (len > 1 && root[len - 1] == '/')
		len--;
	snprintf(s->root, sizeof(s->root), "%.*s", (int)len, root);
	snprintf(s->base.name, sizeof(s->base.name), "%.500s", s->root);
	s->parent_len = (size_t)(strrchr(s->root, '/') - s->root);
	*out = &s->base;
	return 0;
}
