/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "pooler/prepared.h"

#include <stdio.h>
#include <string.h>

#include "common/err.h"

struct known {
	struct hash_node node;
	struct list_node use_node;
	struct digest	 digest;
	enum ps_trust	 trust;
};

static uint64_t
hash_of_digest(const struct digest *d)
{
	uint64_t h;

	memcpy(&h, d->bytes, sizeof(h));
	return h;
}

void
ps_table_init(struct ps_table *t, uint64_t seed)
{
	memset(t, 0, sizeof(*t));
	t->seed = seed;
}

void
ps_table_release(struct ps_table *t)
{
	assert(t->statements.count == 0);
	hash_release(&t->statements);
}

static struct ps_statement *
ref(struct ps_statement *s)
{
	s->refs++;
	return s;
}

struct ps_statement *
ps_get(struct ps_table *t, uint64_t settings, const char *text, size_t len,
    uint16_t ntypes)
{
	struct ps_statement *s;
	struct hash_node *n;
	struct digest	 digest;
	uint64_t	 h;

	digest_of_seeded(t->seed ^ settings, text, len, &digest);
	h = hash_of_digest(&digest);
	HASH_FOREACH_MATCH(n, &t->statements, h) {
		s = container_of(n, struct ps_statement, node);
		if (s->len == len && s->ntypes == ntypes &&
		    s->settings == settings &&
		    memcmp(s->text, text, len) == 0)
			return ref(s);
	}
	s = malloc(sizeof(*s) + len);
	if (s == NULL)
		return NULL;
	s->table = t;
	s->digest = digest;
	s->settings = settings;
	s->refs = 1;
	s->ntypes = ntypes;
	s->len = len;
	s->query_len = len - 4 * (size_t)ntypes;
	memcpy(s->text, text, len);
	if (hash_add(&t->statements, &s->node, h) != 0) {
		free(s);
		return NULL;
	}
	return s;
}

void
ps_unref(struct ps_statement *s)
{
	if (s == NULL || --s->refs > 0)
		return;
	hash_remove(&s->table->statements, &s->node);
	free(s);
}

void
ps_server_name(const struct digest *d, char out[PS_NAME_LEN])
{
	memcpy(out, "homelab_", 8);
	digest_hex(d, out + 8);
}

/* ---- a client's names ---- */

static uint64_t
hash_of_name(const struct ps_map *m, const char *name)
{
	struct digest d;

	/* A client that could make its names collide would slow its worker
	 * down, so the seed is something that it does not know. */
	digest_of_seeded((uint64_t)(uintptr_t)m, name, strlen(name), &d);
	return hash_of_digest(&d);
}

void
ps_map_release(struct ps_map *m)
{
	struct hash_node *n;

	while ((n = hash_any(&m->names)) != NULL)
		ps_map_take(m, container_of(n, struct ps_entry, node));
	hash_release(&m->names);
}

struct ps_entry *
ps_map_find(const struct ps_map *m, const char *name)
{
	struct hash_node *n;

	if (m->names.count == 0)
		return NULL;
	HASH_FOREACH_MATCH(n, &m->names, hash_of_name(m, name)) {
		struct ps_entry *e = container_of(n, struct ps_entry, node);

		if (strcmp(e->name, name) == 0)
			return e;
	}
	return NULL;
}

struct ps_entry *
ps_map_add(struct ps_map *m, const char *name, struct ps_statement *s)
{
	size_t	len = strlen(name) + 1;
	struct ps_entry *e = malloc(sizeof(*e) + len);

	if (e == NULL)
		return NULL;
	e->statement = s;
	e->refs = 1;
	e->in_map = true;
	e->gone = e->keep = false;
	memcpy(e->name, name, len);
	if (hash_add(&m->names, &e->node, hash_of_name(m, name)) != 0) {
		free(e);
		return NULL;
	}
	return e;
}

void
ps_map_take(struct ps_map *m, struct ps_entry *e)
{
	if (!e->in_map)
		return;
	e->in_map = false;
	hash_remove(&m->names, &e->node);
	ps_entry_unref(e);
}

int
ps_map_put_back(struct ps_map *m, struct ps_entry *e)
{
	if (e->in_map || e->gone || ps_map_find(m, e->name) != NULL)
		return 0;
	if (hash_add(&m->names, &e->node, e->node.hash) != 0)
		return ERR_NOMEM;
	e->in_map = true;
	(void)ps_entry_ref(e);
	return 0;
}

struct ps_entry *
ps_entry_ref(struct ps_entry *e)
{
	e->refs++;
	return e;
}

void
ps_entry_unref(struct ps_entry *e)
{
	if (e == NULL || --e->refs > 0)
		return;
	ps_unref(e->statement);
	free(e);
}

/* ---- what a server knows ---- */

void
ps_set_init(struct ps_set *s)
{
	memset(s, 0, sizeof(*s));
	list_init(&s->by_use);
}

static void
forget(struct ps_set *s, struct known *k)
{
	s->behind -= k->trust == PS_BEHIND;
	hash_remove(&s->known, &k->node);
	list_remove(&s->by_use, &k->use_node);
	free(k);
}

void
ps_set_release(struct ps_set *s)
{
	struct list_node *n;

	while ((n = list_first(&s->by_use)) != NULL)
		forget(s, container_of(n, struct known, use_node));
	hash_release(&s->known);
}

static struct known *
find_known(const struct ps_set *s, const struct digest *d)
{
	struct hash_node *n;

	HASH_FOREACH_MATCH(n, &s->known, hash_of_digest(d)) {
		struct known *k = container_of(n, struct known, node);

		if (digest_equal(&k->digest, d))
			return k;
	}
	return NULL;
}

bool
ps_set_use(struct ps_set *s, const struct digest *d)
{
	struct known *k = find_known(s, d);

	if (k == NULL || k->trust == PS_STALE)
		return false;
	if (list_last(&s->by_use) != &k->use_node) {
		list_remove(&s->by_use, &k->use_node);
		list_append(&s->by_use, &k->use_node);
	}
	return true;
}

int
ps_set_add(struct ps_set *s, const struct digest *d, enum ps_trust trust)
{
	struct known *k = calloc(1, sizeof(*k));

	if (k == NULL)
		return ERR_NOMEM;
	k->digest = *d;
	k->trust = trust;
	if (hash_add(&s->known, &k->node, hash_of_digest(d)) != 0) {
		free(k);
		return ERR_NOMEM;
	}
	list_append(&s->by_use, &k->use_node);
	s->behind += trust == PS_BEHIND;
	return 0;
}

void
ps_set_remove(struct ps_set *s, const struct digest *d)
{
	struct known *k = find_known(s, d);

	if (k != NULL)
		forget(s, k);
}

bool
ps_set_take(struct ps_set *s, const struct digest *d, enum ps_trust *was)
{
	struct known *k = find_known(s, d);

	if (k == NULL)
		return false;
	*was = k->trust;
	forget(s, k);
	return true;
}

void
ps_set_judge(struct ps_set *s, enum ps_trust trust)
{
	struct list_node *n;

	assert(trust != PS_BEHIND);
	/* They were added last, but others may have been used since. */
	for (n = list_last(&s->by_use); s->behind > 0; n = n->prev) {
		struct known *k = container_of(n, struct known, use_node);

		s->behind -= k->trust == PS_BEHIND;
		if (k->trust == PS_BEHIND)
			k->trust = trust;
	}
}

bool
ps_set_evict(struct ps_set *s, struct digest *out, enum ps_trust *was)
{
	struct list_node *n = list_first(&s->by_use);
	struct known	 *k;

	if (n == NULL)
		return false;
	k = container_of(n, struct known, use_node);
	*out = k->digest;
	*was = k->trust;
	forget(s, k);
	return true;
}
