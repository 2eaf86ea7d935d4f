/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/known.h"

#include <pthread.h>
#include <string.h>

#include "archiver/segment.h"
#include "common/clock.h"
#include "common/digest.h"
#include "common/err.h"

#define GROUPS		16	/* prefixes, of all repositories */
#define CLAIMS		16

/* One object of a prefix. */
struct object {
	uint32_t	lo;
	struct digest	digest;
	bool		ours;		/* put by us */
	int64_t		at;		/* when, or when it was listed */
};

struct objects {
	struct object	*v;
	size_t		 n, room;
	bool		 failed;	/* out of memory */
};

/* What all segments of a prefix have in common. */
struct group_key {
	int		number;		/* of the repository; 0 = none */
	uint64_t	system_id;
	uint32_t	tli, hi;
};

struct group {
	struct group_key key;
	struct objects	objects;
	int64_t		listed;		/* when it began; 0 = not */
	int64_t		used;
	/* As of that listing, two contents of a name, the first ours. */
	bool		conflict;
	struct object	mine, theirs;
};

struct claim {
	int		number;		/* 0 = none */
	uint64_t	system_id;
	int		version;
	int64_t		seen;
};

struct known {
	pthread_mutex_t	lock;
	int64_t		age;
	struct group	groups[GROUPS];
	struct claim	claims[CLAIMS];
	size_t		next_claim;
};

/* --- Objects. --- */

static void
add(struct objects *o, const struct object *object)
{
	struct object	*grown;
	size_t		 room;

	if (o->n == o->room) {
		room = MAX(2 * o->room, 64);
		grown = realloc(o->v, room * sizeof(*grown));
		if (grown == NULL) {
			o->failed = true;
			return;
		}
		o->v = grown;
		o->room = room;
	}
	o->v[o->n++] = *object;
}

static void
release(struct objects *o)
{
	free(o->v);
	memset(o, 0, sizeof(*o));
}

static struct object *
same(const struct objects *o, const struct object *object)
{
	size_t i;

	for (i = 0; i < o->n; i++) {
		if (o->v[i].lo == object->lo &&
		    digest_equal(&o->v[i].digest, &object->digest))
			return &o->v[i];
	}
	return NULL;
}

/* Another content under the same name. */
static const struct object *
rival(const struct objects *o, const struct object *object)
{
	size_t i;

	for (i = 0; i < o->n; i++) {
		if (o->v[i].lo == object->lo &&
		    !digest_equal(&o->v[i].digest, &object->digest))
			return &o->v[i];
	}
	return NULL;
}

/* --- Groups; under the lock. --- */

static struct group_key
key_of(const struct known_place *p)
{
	struct group_key k = { p->repo->number, p->system_id, p->name->tli,
	    p->name->hi };

	return k;
}

static bool
key_equal(const struct group_key *a, const struct group_key *b)
{
	return a->number == b->number && a->system_id == b->system_id &&
	    a->tli == b->tli && a->hi == b->hi;
}

static void
forget(struct group *g)
{
	release(&g->objects);
	memset(g, 0, sizeof(*g));
}

/* The group of a key; a new one takes the place of the one least used. */
static struct group *
group_of(struct known *k, const struct group_key *key)
{
	struct group *g = &k->groups[0];
	int	      i;

	for (i = 0; i < GROUPS; i++) {
		if (key_equal(&k->groups[i].key, key)) {
			g = &k->groups[i];
			break;
		}
		if (k->groups[i].used < g->used)
			g = &k->groups[i];
	}
	if (i == GROUPS) {
		forget(g);
		g->key = *key;
	}
	g->used = clock_us();
	return g;
}

/* --- Listing; not under the lock. --- */

struct listing {
	struct objects	objects;
	size_t		prefix;		/* length */
	int64_t		began;
};

static int
note(void *arg, const struct store_entry *entry)
{
	struct listing	*l = arg;
	const char	*file = entry->key + l->prefix;
	struct segment_name name;
	struct object	object = { .at = l->began };
	char		segment[SEGMENT_NAME_LEN + 1];

	if (strlen(file) != SEGMENT_NAME_LEN + 1 + DIGEST_HEX_LEN)
		return 0;
	memcpy(segment, file, SEGMENT_NAME_LEN);
	segment[SEGMENT_NAME_LEN] = '\0';
	if (segment_parse(segment, &name) != 0 ||
	    digest_from_hex(file + SEGMENT_NAME_LEN + 1, DIGEST_HEX_LEN,
	    &object.digest) != 0)
		return 0;
	object.lo = name.lo;
	add(&l->objects, &object);
	return 0;
}

static int
list(const struct known_place *p, struct listing *l, struct err *e)
{
	char	prefix[STORE_KEY_MAX], *slash;
	int	rc;

	memset(l, 0, sizeof(*l));
	l->began = clock_us();
	repo_key_wal(prefix, p->stanza, p->system_id, p->name, NULL);
	slash = strrchr(prefix, '/');
	slash[1] = '\0';
	l->prefix = strlen(prefix);
	rc = store_list(p->repo->store, prefix, false, note, l, p->limits, e);
	if (rc == 0 && l->objects.failed)
		rc = err_set(e, ERR_NOMEM, "no memory for a listing");
	if (rc != 0)
		release(&l->objects);
	return rc;
}

/* Looks for what somebody else wrote under a name that we wrote, too. */
static void
note_conflict(struct group *g)
{
	const struct object *other;
	size_t i;

	g->conflict = false;
	for (i = 0; i < g->objects.n && !g->conflict; i++) {
		other = g->objects.v[i].ours ? rival(&g->objects,
		    &g->objects.v[i]) : NULL;
		if (other == NULL)
			continue;
		g->conflict = true;
		g->mine = g->objects.v[i];
		g->theirs = *other;
	}
}

/*
 * Takes a listing over. What we put and it has is ours still; what we put
 * since it began stays; what we put before and it lacks, expire removed.
 */
static void
merge(struct group *g, struct listing *l)
{
	struct object	*object, *mine;
	size_t		 i;

	for (i = 0; i < g->objects.n; i++) {
		mine = &g->objects.v[i];
		object = same(&l->objects, mine);
		if (object != NULL)
			object->ours |= mine->ours;
		else if (mine->ours && mine->at >= l->began)
			add(&l->objects, mine);
	}
	release(&g->objects);
	g->objects = l->objects;
	/* An object that is not remembered would be thought absent. */
	g->listed = g->objects.failed ? 0 : l->began;
	note_conflict(g);
}

/* ERR_DUPLICATE if there is a conflict; the next push looks again. */
static int
check_conflict(struct group *g, const struct known_place *p, struct err *e)
{
	char	mine[DIGEST_HEX_LEN + 1], theirs[DIGEST_HEX_LEN + 1];

	if (!g->conflict)
		return 0;
	g->listed = 0;
	digest_hex(&g->mine.digest, mine);
	digest_hex(&g->theirs.digest, theirs);
	err_set(e, ERR_DUPLICATE, "segment %.16s%08X is in repo%d twice: "
	    "digest %s from here, %s from elsewhere", p->name->file,
	    (unsigned)g->mine.lo, p->repo->number, mine, theirs);
	err_hint(e, "two servers archive into stanza %s: a clone needs a "
	    "stanza of its own, or archive_mode off; remove the wrong object "
	    "to go on", p->stanza);
	return ERR_DUPLICATE;
}

/* Lists the group's prefix if it is older than that. Leaves with the lock. */
static int
renew(struct known *k, const struct known_place *p, int64_t age,
    struct group **out, struct err *e)
{
	struct group_key key = key_of(p);
	struct listing	 l;
	struct group	*g;
	int		 rc;

	pthread_mutex_lock(&k->lock);
	g = group_of(k, &key);
	*out = g;
	if (g->listed != 0 && clock_us() - g->listed < age)
		return 0;
	pthread_mutex_unlock(&k->lock);
	rc = list(p, &l, e);
	pthread_mutex_lock(&k->lock);
	if (rc != 0)
		return rc;
	g = group_of(k, &key);
	*out = g;
	merge(g, &l);
	return 0;
}

/* --- The interface. --- */

int
known_claim(struct known *k, const struct known_place *p, int version,
    struct err *e)
{
	struct claim	*c, new = { p->repo->number, p->system_id, version,
	    clock_us() };
	size_t		 i;
	int		 rc;

	pthread_mutex_lock(&k->lock);
	for (i = 0, c = NULL; !p->repo->local && i < CLAIMS && c == NULL; i++) {
		if (k->claims[i].number == new.number &&
		    k->claims[i].system_id == new.system_id &&
		    k->claims[i].version == version &&
		    new.seen - k->claims[i].seen < k->age)
			c = &k->claims[i];
	}
	pthread_mutex_unlock(&k->lock);
	if (c != NULL)
		return 0;
	rc = repo_check_claim(p->repo, p->stanza, p->system_id, version,
	    p->limits, e);
	if (rc != 0)
		return rc;
	pthread_mutex_lock(&k->lock);
	k->claims[k->next_claim++ % CLAIMS] = new;
	pthread_mutex_unlock(&k->lock);
	return 0;
}

int
known_absent(struct known *k, const struct known_place *p, bool *absent,
    struct err *e)
{
	struct group	*g;
	size_t		 i;
	int		 rc;

	*absent = false;
	if (p->repo->local)
		return 0;
	rc = renew(k, p, k->age, &g, e);
	if (rc == 0)
		rc = check_conflict(g, p, e);
	for (i = 0, *absent = rc == 0; rc == 0 && i < g->objects.n; i++)
		*absent &= g->objects.v[i].lo != p->name->lo;
	pthread_mutex_unlock(&k->lock);
	return rc;
}

void
known_put(struct known *k, const struct known_place *p,
    const struct digest *digest)
{
	struct group_key key = key_of(p);
	struct object	 object = { p->name->lo, *digest, true,
	    clock_us() };
	struct group	*g;
	struct object	*known;

	pthread_mutex_lock(&k->lock);
	g = group_of(k, &key);
	known = same(&g->objects, &object);
	if (known != NULL)
		known->ours = true;
	else
		add(&g->objects, &object);
	if (g->objects.failed)
		forget(g);
	pthread_mutex_unlock(&k->lock);
}

void
known_forget(struct known *k, const struct repo *repo)
{
	int i;

	pthread_mutex_lock(&k->lock);
	for (i = 0; i < GROUPS; i++) {
		if (k->groups[i].key.number == repo->number)
			k->groups[i].listed = 0;
	}
	for (i = 0; i < CLAIMS; i++) {
		if (k->claims[i].number == repo->number)
			k->claims[i].number = 0;
	}
	pthread_mutex_unlock(&k->lock);
}

/* Copies what a group has of a name. Under the lock. */
static int
pick(const struct group *g, uint32_t lo, struct digest *out, int max)
{
	size_t	i;
	int	n = 0;

	for (i = 0; i < g->objects.n && n < max; i++) {
		if (g->objects.v[i].lo == lo)
			out[n++] = g->objects.v[i].digest;
	}
	return n;
}

int
known_digests(struct known *k, const struct known_place *p,
    struct digest *out, int max, struct err *e)
{
	struct group	*g;
	int		 n, rc;

	rc = renew(k, p, k->age, &g, e);
	n = rc == 0 ? pick(g, p->name->lo, out, max) : rc;
	pthread_mutex_unlock(&k->lock);
	if (n != 0)
		return n;
	rc = renew(k, p, KNOWN_MISS_US, &g, e);
	n = rc == 0 ? pick(g, p->name->lo, out, max) : rc;
	pthread_mutex_unlock(&k->lock);
	return n;
}

int
known_new(struct known **out, int64_t age_us, struct err *e)
{
	struct known *k = calloc(1, sizeof(*k));

	if (k == NULL)
		return err_set(e, ERR_NOMEM, "no memory");
	pthread_mutex_init(&k->lock, NULL);
	k->age = age_us;
	*out = k;
	return 0;
}

void
known_free(struct known *k)
{
	int i;

	if (k == NULL)
		return;
	for (i = 0; i < GROUPS; i++)
		release(&k->groups[i].objects);
	pthread_mutex_destroy(&k->lock);
	free(k);
}
