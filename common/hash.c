/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "common/hash.h"

#include <string.h>

#include "common/err.h"

#define FIRST_CAP	16

static struct hash_node **
slot_of(const struct hash *t, uint64_t hash)
{
	return &t->slots[hash & (t->cap - 1)];
}

static void
grow(struct hash *t)
{
	struct hash bigger = { .cap = t->cap == 0 ? FIRST_CAP : 2 * t->cap };
	size_t	i;

	bigger.slots = calloc(bigger.cap, sizeof(struct hash_node *));
	if (bigger.slots == NULL)
		return;
	for (i = 0; i < t->cap; i++) {
		struct hash_node *n, *next;

		for (n = t->slots[i]; n != NULL; n = next) {
			struct hash_node **slot = slot_of(&bigger, n->hash);

			next = n->next;
			n->next = *slot;
			*slot = n;
		}
	}
	free(t->slots);
	t->slots = bigger.slots;
	t->cap = bigger.cap;
	t->first = 0;
}

int
hash_add(struct hash *t, struct hash_node *n, uint64_t hash)
{
	struct hash_node **slot;

	if (t->count >= t->cap)
		grow(t);
	if (t->cap == 0)
		return ERR_NOMEM;
	slot = slot_of(t, hash);
	t->first = MIN(t->first, (size_t)(slot - t->slots));
	n->hash = hash;
	n->next = *slot;
	*slot = n;
	t->count++;
	return 0;
}

void
hash_remove(struct hash *t, struct hash_node *n)
{
	struct hash_node **p = slot_of(t, n->hash);

	while (*p != n) {
		assert(*p != NULL);
		p = &(*p)->next;
	}
	*p = n->next;
	n->next = NULL;
	t->count--;
}

void
hash_release(struct hash *t)
{
	free(t->slots);
	memset(t, 0, sizeof(*t));
}

struct hash_node *
hash_next(const struct hash_node *n)
{
	struct hash_node *p = n->next;

	while (p != NULL && p->hash != n->hash)
		p = p->next;
	return p;
}

struct hash_node *
hash_first(const struct hash *t, uint64_t hash)
{
	struct hash_node *p;

	if (t->cap == 0)
		return NULL;
	p = *slot_of(t, hash);
	while (p != NULL && p->hash != hash)
		p = p->next;
	return p;
}

struct hash_node *
hash_any(struct hash *t)
{
	if (t->count == 0)
		return NULL;
	while (t->slots[t->first] == NULL)
		t->first++;
	return t->slots[t->first];
}
