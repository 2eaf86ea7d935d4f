/* SPDX-License-Identifier: MIT */
/*
 * hash - an intrusive hash table that grows.
 *
 * The node is embedded in the object, the caller brings the hash value and
 * compares keys while it walks a chain, so the table knows no key type. An
 * empty table owns no memory. Not thread-safe.
 *
 *	HASH_FOREACH_MATCH(n, &table, h) {
 *		struct x *x = container_of(n, struct x, node);
 *		if (strcmp(x->name, name) == 0) return x;
 *	}
 */
#ifndef COMMON_HASH_H
#define COMMON_HASH_H

#include "common/base.h"

struct hash_node {
	struct hash_node *next;
	uint64_t	  hash;
};

struct hash {
	struct hash_node **slots;	/* cap of them, a power of two, or 0 */
	size_t		   cap;
	size_t		   count;
	size_t		   first;	/* the slots before this are empty */
};

/* Adds a node that is in no table. 0, or ERR_NOMEM for a first slot array;
 * a table that cannot grow only gets slower. */
int	hash_add(struct hash *, struct hash_node *, uint64_t hash) MUST_CHECK;

/* Takes a node out of the table in which it is. */
void	hash_remove(struct hash *, struct hash_node *);

/* Frees the slots; the nodes are the caller's. The table is empty then. */
void	hash_release(struct hash *);

/* The first node with this hash value, NULL if there is none; the next one. */
struct hash_node *hash_first(const struct hash *, uint64_t hash);
struct hash_node *hash_next(const struct hash_node *);

/* Any node, NULL if the table is empty: for taking all of them out, which
 * walks once over the slots. */
struct hash_node *hash_any(struct hash *);

#define HASH_FOREACH_MATCH(n, table, value) \
	for ((n) = hash_first(table, value); (n) != NULL; (n) = hash_next(n))

#endif /* COMMON_HASH_H */
