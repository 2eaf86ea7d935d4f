/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/manifest.h"

#include <string.h>

#include "common/err.h"

void
manifest_init(struct manifest *m)
{
	memset(m, 0, sizeof(*m));
}

void
manifest_release(struct manifest *m)
{
	size_t	i;

	for (i = 0; i < m->file_count; i++) {
		free(m->files[i].path);
		free(m->files[i].backup);
		free(m->files[i].bad);
	}
	for (i = 0; i < m->dir_count; i++)
		free(m->dirs[i].path);
	for (i = 0; i < m->space_count; i++) {
		free(m->spaces[i].target);
		free(m->spaces[i].name);
	}
	free(m->files);
	free(m->dirs);
	free(m->spaces);
	free(m->prior);
	free(m->archiver_version);
	free(m->host);
	free(m->owner);
	manifest_init(m);
}

int
manifest_set(char **member, const char *value)
{
	char	*copy = NULL;

	if (value != NULL) {
		copy = strdup(value);
		if (copy == NULL)
			return ERR_NOMEM;
	}
	free(*member);
	*member = copy;
	return 0;
}

/* A zeroed element behind the last of an array; NULL without memory. */
static void *
grow(void **array, size_t *count, size_t *room, size_t size)
{
	size_t	want;
	void	*p;

	if (*count == *room) {
		want = *room == 0 ? 64 : *room * 2;
		p = realloc(*array, want * size);
		if (p == NULL)
			return NULL;
		*array = p;
		*room = want;
	}
	p = (char *)*array + *count * size;
	memset(p, 0, size);
	return p;
}

struct manifest_directory *
manifest_add_directory(struct manifest *m, const char *path)
{
	void	*array = m->dirs;
	struct manifest_directory *d;

	d = grow(&array, &m->dir_count, &m->dir_room, sizeof(*d));
	m->dirs = array;
	if (d == NULL || manifest_set(&d->path, path) != 0)
		return NULL;
	m->dir_count++;
	return d;
}

struct manifest_tablespace *
manifest_add_tablespace(struct manifest *m, uint32_t oid, const char *target,
    const char *name)
{
	void	*array = m->spaces;
	struct manifest_tablespace *t;

	t = grow(&array, &m->space_count, &m->space_room, sizeof(*t));
	m->spaces = array;
	if (t == NULL || manifest_set(&t->target, target) != 0)
		return NULL;
	if (manifest_set(&t->name, name) != 0) {
		free(t->target);
		return NULL;
	}
	t->oid = oid;
	m->space_count++;
	return t;
}

struct manifest_file *
manifest_add_file(struct manifest *m, const char *path)
{
	void	*array = m->files;
	struct manifest_file *f;

	f = grow(&array, &m->file_count, &m->file_room, sizeof(*f));
	m->files = array;
	if (f == NULL || manifest_set(&f->path, path) != 0)
		return NULL;
	m->file_count++;
	return f;
}

int
manifest_add_bad(struct manifest_file *f, uint32_t block)
{
	struct manifest_range *r;

	if (f->bad_count > 0) {
		r = &f->bad[f->bad_count - 1];
		assert(block >= r->first + r->count);
		if (block == r->first + r->count) {
			r->count++;
			return 0;
		}
	}
	r = realloc(f->bad, (f->bad_count + 1) * sizeof(*r));
	if (r == NULL)
		return ERR_NOMEM;
	f->bad = r;
	f->bad[f->bad_count].first = block;
	f->bad[f->bad_count].count = 1;
	f->bad_count++;
	return 0;
}

void
manifest_drop_vanished(struct manifest *m)
{
	size_t	from, to = 0;

	for (from = 0; from < m->file_count; from++) {
		if (m->files[from].path != NULL) {
			m->files[to++] = m->files[from];
		} else {
			free(m->files[from].backup);
			free(m->files[from].bad);
		}
	}
	m->file_count = to;
}

struct manifest_file *
manifest_find(const struct manifest *m, const char *path)
{
	size_t	i;

	for (i = 0; i < m->file_count; i++) {
		if (strcmp(m->files[i].path, path) == 0)
			return &m->files[i];
	}
	return NULL;
}

uint64_t
manifest_bad_blocks(const struct manifest *m)
{
	uint64_t	n = 0;
	size_t		i;
	uint32_t	j;

	for (i = 0; i < m->file_count; i++) {
		for (j = 0; j < m->files[i].bad_count; j++)
			n += m->files[i].bad[j].count;
	}
	return n;
}
