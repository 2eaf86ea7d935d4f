/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "common/strmap.h"

#include <string.h>

#include "common/err.h"

#define MIN_CAP	16

/* FNV-1a, 64 bits. */
static size_t
hash(const char *s)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (; *s != '\0'; s++)
		h = (h ^ (unsigned char)*s) * UINT64_C(0x100000001b3);
	return (size_t)(h ^ h >> 32);
}

/* The slot of the key, or the free one where it would go. */
static struct strmap_slot *
find(struct strmap_slot *slot, size_t cap, const char *key)
{
	size_t	i = hash(key) & (cap - 1);

	while (slot[i].key != NULL && strcmp(slot[i].key, key) != 0)
		i = (i + 1) & (cap - 1);
	return &slot[i];
}

static int
grow(struct strmap *m)
{
	size_t	cap = m->cap == 0 ? MIN_CAP : m->cap * 2;
	size_t	i;
	struct strmap_slot *slot = calloc(cap, sizeof(*slot));

	if (slot == NULL)
		return ERR_NOMEM;
	for (i = 0; i < m->cap; i++) {
		if (m->slot[i].key != NULL)
			*find(slot, cap, m->slot[i].key) = m->slot[i];
	}
	free(m->slot);
	m->slot = slot;
	m->cap = cap;
	return 0;
}

int
strmap_put(struct strmap *m, const char *key, void *value)
{
	struct strmap_slot *s;

	assert(value != NULL);
	if (2 * (m->n + 1) > m->cap && grow(m) != 0)
		return ERR_NOMEM;
	s = find(m->slot, m->cap, key);
	m->n += s->key == NULL;
	s->key = key;
	s->value = value;
	return 0;
}

void *
strmap_get(const struct strmap *m, const char *key)
{
	return m->cap == 0 ? NULL : find(m->slot, m->cap, key)->value;
}

void
strmap_release(struct strmap *m)
{
	free(m->slot);
	memset(m, 0, sizeof(*m));
}
