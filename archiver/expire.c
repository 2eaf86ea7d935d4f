/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/expire.h"

#include <stdio.h>
#include <string.h>

#include "archiver/catalog.h"
#include "archiver/pgfiles.h"
#include "archiver/retention.h"
#include "archiver/stanza.h"
#include "archiver/unfinished.h"
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
	return is_old(x, catalog_stamp(x->c, OBJECT_TOMBSTONE,
	    key, NULL));
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

/*
 * Whether retention would keep a backup of this label. All that lacks may be
 * its manifest, which another repository may have.
 */
static bool
is_within_retention(const struct expire *x, const char *label)
{
	size_t	i, newer = 0;

	for (i = 0; i < x->fact_count; i++) {
		newer += !x->facts[i].expired &&
		    strcmp(x->facts[i].label, label) > 0;
	}
	return x->req->retention_full == 0 || newer < x->req->retention_full;
}

struct orphans {
	struct expire	*x;
	struct err	*e;
};

static int
consider_orphan(void *arg, const struct unfinished *u)
{
	struct orphans	*o = arg;
	struct expire	*x = o->x;
	char		prefix[CATALOG_KEY_MAX];

	if (!is_old(x, u->seen))
		return 0;
	snprintf(prefix, sizeof(prefix), "%s/backup/%s/%s/", x->c->stanza,
	    u->label, u->run);
	if (u->complete && is_within_retention(x, u->label)) {
		note(x, "keep a backup whose manifest is lost:", prefix);
		return 0;
	}
	note(x, "remove what an unfinished backup left:", prefix);
	x->result->orphans++;
	return remove_below(x, prefix, "", o->e);
}

static int
remove_orphans(struct expire *x, struct err *e)
{
	struct orphans	o = { x, e };

	return unfinished_each(x->c, &x->list, consider_orphan, &o, e);
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

static int
note_leftover(void *arg, const struct store_entry *entry)
{
	struct expire	*x = arg;

	x->result->leftovers++;
	note(x, "remove what a killed writer left:", entry->key);
	return 0;
}

/* Nobody misses them: that it fails is told, and stops nothing else. */
static void
sweep(struct expire *x)
{
	char		prefix[CATALOG_KEY_MAX];
	struct store_sweep s = { prefix,
	    (x->req->now - x->req->grace) / TEXT_USEC_PER_SEC,
	    !x->req->dry_run, note_leftover, x };
	struct err	e = { 0 };

	snprintf(prefix, sizeof(prefix), "%s/", x->c->stanza);
	if (store_sweep(x->c->store, &s, &x->c->limits, &e) == 0)
		return;
	if (x->result->failed++ == 0)
		x->failure = e;
	log_warning("expire: cannot remove leftovers: %s", e.msg);
}

/* Nothing to expire is fine; a stanza that is not there is a mistake. */
static int
check_stanza(struct expire *x, struct err *e)
{
	struct stanza_claims claims;
	int	rc = stanza_list(x->c, &claims, e);

	if (rc != 0 || claims.count > 0)
		return rc;
	err_set(e, ERR_NOT_FOUND, "stanza %s does not exist in %s",
	    x->c->stanza, store_name(x->c->store));
	return err_hint(e, "is this the right repository, and the right name? "
	    "if both are new, run stanza-create");
}

static bool
same_backup(const struct catalog_backup *a, const struct catalog_backup *b)
{
	return strcmp(a->label, b->label) == 0 &&
	    strcmp(a->run, b->run) == 0 && a->committed == b->committed &&
	    a->tombstone == b->tombstone && a->doubled == b->doubled;
}

/*
 * The backups, listed twice. A listing carries no digest, and a bit that
 * flipped on its way makes a label another one: whose WAL, and whose packs,
 * would then be nobody's.
 */
static int
list_twice(struct expire *x, struct err *e)
{
	struct catalog_list again;
	size_t	i;
	bool	same;
	int	rc;

	rc = catalog_list(x->c, &x->list, e);
	if (rc != 0)
		return err_wrap(e, "cannot list the backups");
	rc = catalog_list(x->c, &again, e);
	if (rc != 0)
		return err_wrap(e, "cannot list the backups again");
	same = again.count == x->list.count;
	for (i = 0; same && i < again.count; i++)
		same = same_backup(&again.backups[i], &x->list.backups[i]);
	catalog_list_release(&again);
	if (same)
		return 0;
	err_set(e, ERR_STORE, "two listings of the backups differ");
	return err_hint(e, "a backup or another expire is at work, or the "
	    "connection damages what it carries: run expire again");
}

int
expire_run(const struct catalog *c, const struct expire_request *req,
    struct expire_result *result, struct err *e)
{
	struct expire	x = { .c = c, .req = req, .result = result };
	char		failed[TEXT_COUNT_MAX];
	int		rc;

	memset(result, 0, sizeof(*result));
	rc = check_stanza(&x, e);
	if (rc != 0)
		return rc;
	sweep(&x);
	rc = list_twice(&x, e);
	if (rc == 0)
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
		err_wrap(e, "%s could not be removed",
		    text_print_count(result->failed, "object", failed));
	}
	return rc;
}
