/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/expire.h"

#include <stdio.h>
#include <string.h>

#include "archiver/catalog.h"
#include "archiver/pgfiles.h"
#include "archiver/retention.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/log.h"
#include "common/text.h"

struct expire {
	const struct catalog *c;
	const struct expire_request *req;
	struct expire_result *result;
	struct catalog_list list;
	struct retention_backup *facts;	/* of the complete ones */
	size_t		 fact_count;
	uint64_t	 system_id;	/* of the newest; 0: no backup */
	uint32_t	 segment_size;
	struct err	 failure;	/* the first object that would not go */
};

/* Keys to be removed: a listing is finished before anything is changed. */
struct keys {
	char		**key;
	size_t		  count, room;
};

static void
note(struct expire *x, const char *what, const char *name)
{
	char	text[CATALOG_KEY_MAX + 64];

	if (x->req->note == NULL)
		return;
	snprintf(text, sizeof(text), "%s %s", what, name);
	x->req->note(x->req->arg, text);
}

static void
keys_release(struct keys *k)
{
	size_t	i;

	for (i = 0; i < k->count; i++)
		free(k->key[i]);
	free(k->key);
	memset(k, 0, sizeof(*k));
}

static int
keys_add(struct keys *k, const char *key)
{
	size_t	room;
	char	**p;

	if (k->count == k->room) {
		room = k->room == 0 ? 64 : k->room * 2;
		p = realloc(k->key, room * sizeof(*p));
		if (p == NULL)
			return ERR_NOMEM;
		k->key = p;
		k->room = room;
	}
	k->key[k->count] = strdup(key);
	return k->key[k->count] == NULL ? ERR_NOMEM : (k->count++, 0);
}

static int
keys_note(void *arg, const struct store_entry *entry)
{
	return entry->is_prefix ? 0 : keys_add(arg, entry->key);
}

static void
remove_key(struct expire *x, const char *key)
{
	struct err	e = { 0 };
	int		rc;

	if (x->req->dry_run)
		return;
	rc = store_remove(x->c->store, key, &x->c->limits, &e);
	if (rc == 0 || rc == ERR_NOT_FOUND)
		return;
	if (x->result->failed++ == 0)
		x->failure = e;
	log_warning("expire: cannot remove %s: %s", key, e.msg);
}

/* Removes all keys with a prefix whose last component starts with `name`. */
static int
remove_below(struct expire *x, const char *prefix, const char *name,
    struct err *e)
{
	struct keys	k = { 0 };
	const char	*slash;
	size_t		i;
	int		rc;

	rc = store_list(x->c->store, prefix, false, keys_note, &k,
	    &x->c->limits, e);
	for (i = 0; rc == 0 && i < k.count; i++) {
		slash = strrchr(k.key[i], '/');
		if (slash != NULL &&
		    strncmp(slash + 1, name, strlen(name)) == 0)
			remove_key(x, k.key[i]);
	}
	keys_release(&k);
	return rc == ERR_NOMEM ? err_set(e, rc, "out of memory") : rc;
}

/* The moment that an intent or tombstone names; 0 if it cannot be read. */
static int64_t
stamp_of(const struct expire *x, enum object_kind kind, const char *key)
{
	struct buf	b = { 0 };
	struct err	e = { 0 };
	char		stamp[TEXT_STAMP_MAX];
	const char	*p;
	int64_t		t = 0;
	size_t		n;

	if (catalog_get(x->c, kind, key, &b, &e) == 0) {
		p = strstr(buf_cstr(&b), "\ntime ");
		if (p != NULL) {
			p += 6;
			n = strcspn(p, "\n");
			if (n < sizeof(stamp)) {
				memcpy(stamp, p, n);
				stamp[n] = '\0';
				if (text_parse_rfc3339(stamp, &t) != 0)
					t = 0;
			}
		}
	} else {
		log_warning("expire: cannot read %s: %s", key, e.msg);
	}
	buf_release(&b);
	return t;
}

static bool
is_old(const struct expire *x, int64_t stamp)
{
	return stamp != 0 && stamp + x->req->grace <= x->req->now;
}

static bool
tombstone_is_old(const struct expire *x, const char *label)
{
	char	key[CATALOG_KEY_MAX];

	catalog_key_tombstone(x->c, key, label);
	return is_old(x, stamp_of(x, OBJECT_TOMBSTONE, key));
}

static int
put_tombstone(struct expire *x, const char *label, struct err *e)
{
	char	key[CATALOG_KEY_MAX], text[128], stamp[TEXT_STAMP_MAX];
	int	n, rc;

	note(x, "expire backup", label);
	x->result->tombstones++;
	if (x->req->dry_run)
		return 0;
	n = snprintf(text, sizeof(text), "homelab-tombstone 1\ntime %s\n",
	    text_print_rfc3339(x->req->now, stamp));
	catalog_key_tombstone(x->c, key, label);
	rc = catalog_put(x->c, OBJECT_TOMBSTONE, key, text, (size_t)n, e);
	return rc == ERR_EXISTS ? 0 : rc;
}

/*
 * The facts of all complete backups. One that cannot be read is an error:
 * without knowing where it starts, no WAL could be removed safely.
 */
static int
gather(struct expire *x, struct err *e)
{
	const struct catalog_backup *b;
	struct retention_backup *f;
	struct manifest	m;
	size_t		i;
	int		rc;

	x->facts = calloc(x->list.count + 1, sizeof(*x->facts));
	if (x->facts == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	for (i = 0; i < x->list.count; i++) {
		b = &x->list.backups[i];
		if (!b->committed)
			continue;
		rc = catalog_load(x->c, b, &m, e);
		if (rc != 0)
			return rc;
		f = &x->facts[x->fact_count++];
		memcpy(f->label, b->label, sizeof(f->label));
		f->start_lsn = m.start_lsn;
		f->timeline = m.start_timeline;
		f->expired = b->tombstone;
		x->system_id = m.system_id;
		x->segment_size = m.wal_segment_size;
		manifest_release(&m);
	}
	return 0;
}

static int
write_tombstones(struct expire *x, struct err *e)
{
	const struct catalog_backup *b;
	size_t	i;
	int	rc = 0;

	retention_by_count(x->facts, x->fact_count, x->req->retention_full);
	for (i = 0; rc == 0 && i < x->fact_count; i++) {
		b = catalog_find(&x->list, x->facts[i].label);
		if (x->facts[i].expired && !b->tombstone)
			rc = put_tombstone(x, x->facts[i].label, e);
	}
	return rc;
}

/* Manifest first: a backup without one does not exist. Tombstone last. */
static int
remove_backup(struct expire *x, const char *label, struct err *e)
{
	char		prefix[CATALOG_KEY_MAX];
	uint64_t	failed = x->result->failed;
	int		rc;

	note(x, "remove backup", label);
	x->result->backups++;
	snprintf(prefix, sizeof(prefix), "%s/backup/%s/manifest-",
	    x->c->stanza, label);
	rc = remove_below(x, prefix, "manifest-", e);
	if (rc != 0 || x->result->failed != failed)
		return rc;
	snprintf(prefix, sizeof(prefix), "%s/backup/%s/", x->c->stanza, label);
	rc = remove_below(x, prefix, "", e);
	return rc;
}

static int
remove_expired(struct expire *x, struct err *e)
{
	const struct catalog_backup *b;
	size_t	i;
	int	rc = 0;

	for (i = 0; rc == 0 && i < x->list.count; i++) {
		b = &x->list.backups[i];
		if (b->tombstone && tombstone_is_old(x, b->label))
			rc = remove_backup(x, b->label, e);
	}
	return rc;
}

/* The newest sign of life of a run: from intents, or when packs came. */
struct life {
	struct keys	intents;
	int64_t		newest;		/* of packs, seconds */
	int		rc;
};

static int
note_life(void *arg, const struct store_entry *entry)
{
	struct life	*l = arg;
	const char	*slash = strrchr(entry->key, '/');

	if (entry->mtime > l->newest)
		l->newest = entry->mtime;
	if (slash != NULL && strncmp(slash + 1, "intent-", 7) == 0)
		return keys_add(&l->intents, entry->key);
	return 0;
}

/* A run below a label that has no manifest. */
static int
consider_orphan(struct expire *x, const char *prefix, struct err *e)
{
	struct life	l = { .newest = 0 };
	int64_t		stamp = 0, t;
	size_t		i;
	int		rc;

	rc = store_list(x->c->store, prefix, false, note_life, &l,
	    &x->c->limits, e);
	for (i = 0; rc == 0 && i < l.intents.count; i++) {
		t = stamp_of(x, OBJECT_INTENT, l.intents.key[i]);
		stamp = MAX(stamp, t);
	}
	keys_release(&l.intents);
	if (rc != 0)
		return rc == ERR_NOMEM ? err_set(e, rc, "out of memory") : rc;
	stamp = MAX(stamp, l.newest * TEXT_USEC_PER_SEC);
	if (!is_old(x, stamp))
		return 0;
	note(x, "remove what an unfinished backup left:", prefix);
	x->result->orphans++;
	return remove_below(x, prefix, "", e);
}

static int
note_prefix(void *arg, const struct store_entry *entry)
{
	return entry->is_prefix ? keys_add(arg, entry->key) : 0;
}

static int
remove_orphans(struct expire *x, struct err *e)
{
	const struct catalog_backup *b;
	char		prefix[CATALOG_KEY_MAX], own[CATALOG_KEY_MAX];
	struct keys	runs = { 0 };
	size_t		i, j;
	int		rc = 0;

	for (i = 0; rc == 0 && i < x->list.count; i++) {
		b = &x->list.backups[i];
		/* Two manifests: verify reports it, a person decides. */
		if (b->tombstone || b->doubled)
			continue;
		snprintf(prefix, sizeof(prefix), "%s/backup/%s/",
		    x->c->stanza, b->label);
		snprintf(own, sizeof(own), "%s/backup/%s/%s/", x->c->stanza,
		    b->label, b->run);
		rc = store_list(x->c->store, prefix, true, note_prefix, &runs,
		    &x->c->limits, e);
		for (j = 0; rc == 0 && j < runs.count; j++) {
			if (!b->committed || strcmp(runs.key[j], own) != 0)
				rc = consider_orphan(x, runs.key[j], e);
		}
		keys_release(&runs);
	}
	return rc;
}

struct old_wal {
	struct expire	*x;
	struct keys	 keys;
};

static int
note_old_wal(void *arg, const char *segment, const struct store_entry *entry)
{
	struct old_wal	*w = arg;
	unsigned	 timeline, high, low;
	uint64_t	 per_id, end;

	if (sscanf(segment, "%8X%8X%8X", &timeline, &high, &low) != 3)
		return 0;
	per_id = (UINT64_C(1) << 32) / w->x->segment_size;
	end = ((uint64_t)high * per_id + low + 1) * w->x->segment_size;
	if (retention_needs_wal(w->x->facts, w->x->fact_count, timeline, end))
		return 0;
	return keys_add(&w->keys, entry->key);
}

/* Young tombstones still hold their WAL: somebody may be restoring. */
static int
remove_wal(struct expire *x, struct err *e)
{
	struct old_wal	w = { .x = x };
	size_t		i;
	int		rc;

	if (x->system_id == 0 || x->req->retention_full == 0)
		return 0;
	for (i = 0; i < x->fact_count; i++) {
		if (x->facts[i].expired)
			x->facts[i].expired = tombstone_is_old(x,
			    x->facts[i].label);
	}
	rc = catalog_each_wal(x->c, x->system_id, note_old_wal, &w, e);
	for (i = 0; rc == 0 && i < w.keys.count; i++) {
		x->result->wal++;
		remove_key(x, w.keys.key[i]);
	}
	if (rc == 0 && w.keys.count > 0)
		note(x, "remove WAL up to", w.keys.key[w.keys.count - 1]);
	keys_release(&w.keys);
	return rc == ERR_NOMEM ? err_set(e, rc, "out of memory") : rc;
}

int
expire_run(const struct catalog *c, const struct expire_request *req,
    struct expire_result *result, struct err *e)
{
	struct expire	x = { .c = c, .req = req, .result = result };
	int		rc;

	memset(result, 0, sizeof(*result));
	rc = catalog_list(c, &x.list, e);
	if (rc != 0)
		return err_wrap(e, "cannot list the backups");
	rc = gather(&x, e);
	if (rc == 0)
		rc = write_tombstones(&x, e);
	if (rc == 0)
		rc = remove_wal(&x, e);
	if (rc == 0)
		rc = remove_expired(&x, e);
	if (rc == 0)
		rc = remove_orphans(&x, e);
	free(x.facts);
	catalog_list_release(&x.list);
	if (rc == 0 && result->failed > 0) {
		*e = x.failure;
		e->code = rc = ERR_STORE;
		err_wrap(e, "%llu objects could not be removed",
		    (unsigned long long)result->failed);
	}
	return rc;
}
