/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/stanza.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "archiver/catalog.h"
#include "common/err.h"

/* One object of id/, as it was listed. */
struct found {
	struct stanza_claim claim;
	int64_t		 mtime;
};

struct finds {
	struct found	 found[STANZA_CLAIMS_MAX];
	size_t		 count;
};

static int
note_claim(void *arg, const struct store_entry *entry)
{
	struct finds	*f = arg;
	const char	*name = strrchr(entry->key, '/');
	struct found	*at;
	uint64_t	 id;
	int		 version, used = 0;

	if (entry->is_prefix || name == NULL ||
	    f->count == STANZA_CLAIMS_MAX ||
	    sscanf(name + 1, "%20" SCNu64 "-%4d%n", &id, &version,
	    &used) != 2 || name[1 + used] != '\0')
		return 0;
	at = &f->found[f->count++];
	at->claim.system_id = id;
	at->claim.version = version;
	at->mtime = entry->mtime;
	return 0;
}

static int
compare_finds(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	if (x->claim.version != y->claim.version)
		return x->claim.version - y->claim.version;
	return x->mtime < y->mtime ? -1 : x->mtime > y->mtime;
}

int
stanza_list(const struct catalog *c, struct stanza_claims *claims,
    struct err *e)
{
	struct finds	f = { .count = 0 };
	char		prefix[CATALOG_KEY_MAX];
	size_t		i;
	int		rc;

	snprintf(prefix, sizeof(prefix), "%s/id/", c->stanza);
	rc = store_list(c->store, prefix, true, note_claim, &f, &c->limits, e);
	if (rc != 0)
		return rc;
	if (f.count > 0)
		qsort(f.found, f.count, sizeof(f.found[0]), compare_finds);
	claims->count = f.count;
	for (i = 0; i < f.count; i++)
		claims->claim[i] = f.found[i].claim;
	return 0;
}

static bool
has_claim(const struct stanza_claims *claims, uint64_t system_id, int version)
{
	size_t	i;

	for (i = 0; i < claims->count; i++) {
		if (claims->claim[i].system_id == system_id &&
		    claims->claim[i].version == version)
			return true;
	}
	return false;
}

static int
put_claim(const struct catalog *c, uint64_t system_id, int version,
    struct err *e)
{
	char	key[CATALOG_KEY_MAX], text[128];
	int	n, rc;

	snprintf(key, sizeof(key), "%s/id/%" PRIu64 "-%d", c->stanza,
	    system_id, version);
	n = snprintf(text, sizeof(text), "homelab-stanza 1\nsystem-id %" PRIu64
	    "\nversion %d\n", system_id, version);
	rc = catalog_put(c, OBJECT_STANZA, key, text, (size_t)n, e);
	/* Two hosts that claim for the same cluster agree. */
	return rc == ERR_EXISTS ? 0 : rc;
}

static int
refuse(const struct catalog *c, const struct stanza_claims *claims,
    uint64_t system_id, struct err *e)
{
	const struct stanza_claim *last = &claims->claim[claims->count - 1];

	err_set(e, ERR_MISMATCH, "stanza %s in %s belongs to another cluster "
	    "(system identifier %" PRIu64 ", PostgreSQL %d; this one is %"
	    PRIu64 ")", c->stanza, store_name(c->store), last->system_id,
	    last->version, system_id);
	return err_hint(e, "after pg_upgrade run stanza-upgrade; for a clone "
	    "choose another stanza");
}

int
stanza_create(const struct catalog *c, uint64_t system_id, int version,
    struct err *e)
{
	struct stanza_claims claims;
	int	rc;

	rc = stanza_list(c, &claims, e);
	if (rc != 0)
		return rc;
	if (has_claim(&claims, system_id, version))
		return 0;
	if (claims.count > 0)
		return refuse(c, &claims, system_id, e);
	return put_claim(c, system_id, version, e);
}

int
stanza_upgrade(const struct catalog *c, uint64_t system_id, int version,
    struct err *e)
{
	struct stanza_claims claims;
	int	rc;

	rc = stanza_list(c, &claims, e);
	if (rc != 0 || has_claim(&claims, system_id, version))
		return rc;
	if (claims.count == 0) {
		err_set(e, ERR_NOT_FOUND, "stanza %s does not exist in %s",
		    c->stanza, store_name(c->store));
		return err_hint(e, "run stanza-create");
	}
	return put_claim(c, system_id, version, e);
}

int
stanza_check(const struct catalog *c, uint64_t system_id, int version,
    struct err *e)
{
	struct stanza_claims claims;
	int	rc;

	rc = stanza_list(c, &claims, e);
	if (rc != 0 || has_claim(&claims, system_id, version))
		return rc;
	if (claims.count > 0)
		return refuse(c, &claims, system_id, e);
	err_set(e, ERR_NOT_FOUND, "stanza %s does not exist in %s", c->stanza,
	    store_name(c->store));
	return err_hint(e, "run stanza-create");
}
