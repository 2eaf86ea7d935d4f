/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/unfinished.h"

#include <stdio.h>
#include <string.h>

#include "archiver/catalog.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/text.h"

/* What lies below one label: runs, and which of them have a manifest. */
struct run {
	char	name[MANIFEST_RUN_MAX];
	bool	packs, manifest;
};

struct runs {
	struct run	*run;
	size_t		 count, room;
};

static struct run *
run_of(struct runs *r, const char *name, size_t n)
{
	struct run	*p;
	size_t		 i, room;

	for (i = 0; i < r->count; i++) {
		if (strncmp(r->run[i].name, name, n) == 0 &&
		    r->run[i].name[n] == '\0')
			return &r->run[i];
	}
	if (r->count == r->room) {
		room = r->room == 0 ? 4 : r->room * 2;
		p = realloc(r->run, room * sizeof(*p));
		if (p == NULL)
			return NULL;
		r->run = p;
		r->room = room;
	}
	p = &r->run[r->count++];
	memset(p, 0, sizeof(*p));
	memcpy(p->name, name, n);
	return p;
}

static int
note_entry(void *arg, const struct store_entry *entry)
{
	struct runs	*r = arg;
	struct run	*run;
	const char	*end = entry->key + strlen(entry->key), *name;

	if (entry->is_prefix)
		end--;
	for (name = end; name > entry->key && name[-1] != '/'; name--)
		;
	if (!entry->is_prefix) {
		if (strncmp(name, "manifest-", 9) != 0)
			return 0;
		name += 9;
	}
	if (end - name >= MANIFEST_RUN_MAX)
		return 0;
	run = run_of(r, name, (size_t)(end - name));
	if (run == NULL)
		return ERR_NOMEM;
	run->packs |= entry->is_prefix;
	run->manifest |= !entry->is_prefix;
	return 0;
}

/* The signs of life of one run. */
struct life {
	uint64_t	packs;
	int64_t		newest;		/* object, seconds */
	char		intent[CATALOG_KEY_MAX];	/* the last; or "" */
	unsigned long	number;
};

static int
note_life(void *arg, const struct store_entry *entry)
{
	struct life	*l = arg;
	const char	*name = strrchr(entry->key, '/');
	unsigned long	number;

	l->newest = MAX(l->newest, entry->mtime);
	if (name == NULL || strncmp(name + 1, "intent-", 7) != 0) {
		l->packs++;
		return 0;
	}
	number = strtoul(name + 8, NULL, 10);
	if (l->intent[0] == '\0' || number > l->number) {
		snprintf(l->intent, sizeof(l->intent), "%s", entry->key);
		l->number = number;
	}
	return 0;
}

static int
describe(const struct catalog *c, struct unfinished *u, struct err *e)
{
	struct life	l = { .packs = 0 };
	struct buf	text = { 0 };
	char		prefix[CATALOG_KEY_MAX];
	int		rc;

	snprintf(prefix, sizeof(prefix), "%s/backup/%s/%s/", c->stanza,
	    u->label, u->run);
	rc = store_list(c->store, prefix, false, note_life, &l, &c->limits, e);
	if (rc != 0)
		return rc;
	u->packs = l.packs;
	u->seen = l.newest * TEXT_USEC_PER_SEC;
	if (l.intent[0] != '\0') {
		u->seen = MAX(u->seen, catalog_stamp(c, OBJECT_INTENT,
		    l.intent, &text));
		u->complete = strstr(buf_cstr(&text),
		    UNFINISHED_COMPLETE) != NULL;
	}
	buf_release(&text);
	return 0;
}

/* Known from another listing: one that lost a manifest does no harm. */
static bool
is_committed(const struct catalog_backup *b, const char *run)
{
	return b->committed && strcmp(b->run, run) == 0;
}

int
unfinished_each(const struct catalog *c, const struct catalog_list *l,
    int (*each)(void *, const struct unfinished *), void *arg, struct err *e)
{
	struct unfinished u;
	struct runs	r = { .run = NULL };
	char		prefix[CATALOG_KEY_MAX];
	size_t		i, j;
	int		rc = 0;

	for (i = 0; rc == 0 && i < l->count; i++) {
		if (l->backups[i].tombstone)
			continue;
		r.count = 0;
		snprintf(prefix, sizeof(prefix), "%s/backup/%s/", c->stanza,
		    l->backups[i].label);
		rc = store_list(c->store, prefix, true, note_entry, &r,
		    &c->limits, e);
		if (rc == ERR_NOMEM)
			err_set(e, rc, "out of memory");
		for (j = 0; rc == 0 && j < r.count; j++) {
			if (!r.run[j].packs || r.run[j].manifest ||
			    is_committed(&l->backups[i], r.run[j].name))
				continue;
			memset(&u, 0, sizeof(u));
			memcpy(u.label, l->backups[i].label, sizeof(u.label));
			memcpy(u.run, r.run[j].name, sizeof(u.run));
			rc = describe(c, &u, e);
			if (rc == 0)
				rc = each(arg, &u);
		}
	}
	free(r.run);
	return rc;
}

/* Keys as one text, newline after each: nothing is removed while listing. */
static int
note_key(void *arg, const struct store_entry *entry)
{
	buf_printf(arg, "%s\n", entry->key);
	return buf_failed(arg) ? ERR_NOMEM : 0;
}

int
unfinished_remove(const struct catalog *c, const char *label, const char *run,
    struct err *e)
{
	struct buf	keys = { 0 };
	char		prefix[CATALOG_KEY_MAX], key[CATALOG_KEY_MAX];
	const char	*p;
	size_t		n;
	int		rc;

	snprintf(prefix, sizeof(prefix), "%s/backup/%s/%s/", c->stanza, label,
	    run);
	rc = store_list(c->store, prefix, false, note_key, &keys, &c->limits,
	    e);
	if (rc == ERR_NOMEM)
		err_set(e, rc, "out of memory");
	for (p = buf_cstr(&keys); rc == 0 && *p != '\0'; p += n + 1) {
		n = strcspn(p, "\n");
		snprintf(key, sizeof(key), "%.*s", (int)n, p);
		rc = store_remove(c->store, key, &c->limits, e);
		if (rc == ERR_NOT_FOUND)
			rc = 0;
	}
	buf_release(&keys);
	return rc;
}
