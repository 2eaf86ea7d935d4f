/* SPDX-License-Identifier: MIT */
/*
 * list - counted, intrusive, doubly linked lists.
 *
 * The node is embedded in the object (container_of() finds it again), so
 * that moving an object between lists allocates nothing, and the length is
 * kept, so that "how many wait" costs nothing. Invariant: a node is in one
 * list or in none, and a node in none has next == NULL.
 * Calling sequence: list_init(), then any operation; there is nothing to
 * release. A zeroed node is a valid node in no list. Not thread-safe.
 */
#ifndef COMMON_LIST_H
#define COMMON_LIST_H

#include "common/base.h"

struct list_node {
	struct list_node *next;
	struct list_node *prev;
};

struct list {
	struct list_node head;		/* circular: head.next is the first */
	size_t		 count;
};

static inline void
list_init(struct list *l)
{
	l->head.next = l->head.prev = &l->head;
	l->count = 0;
}

static inline bool
list_empty(const struct list *l)
{
	return l->count == 0;
}

static inline size_t
list_count(const struct list *l)
{
	return l->count;
}

/* True if the node is in some list. */
static inline bool
list_linked(const struct list_node *n)
{
	return n->next != NULL;
}

/* Puts n, which must be in no list, behind `after`, a node of l or its head. */
static inline void
list_insert_after(struct list *l, struct list_node *after, struct list_node *n)
{
	assert(n->next == NULL);
	n->prev = after;
	n->next = after->next;
	after->next->prev = n;
	after->next = n;
	l->count++;
}

static inline void
list_append(struct list *l, struct list_node *n)
{
	list_insert_after(l, l->head.prev, n);
}

static inline void
list_prepend(struct list *l, struct list_node *n)
{
	list_insert_after(l, &l->head, n);
}

/* Takes n out of l, in which it must be. */
static inline void
list_remove(struct list *l, struct list_node *n)
{
	assert(n->next != NULL && l->count > 0);
	n->prev->next = n->next;
	n->next->prev = n->prev;
	n->next = n->prev = NULL;
	l->count--;
}

/* The first or last node, NULL if there is none. They stay in the list. */
static inline struct list_node *
list_first(const struct list *l)
{
	return l->count == 0 ? NULL : l->head.next;
}

static inline struct list_node *
list_last(const struct list *l)
{
	return l->count == 0 ? NULL : l->head.prev;
}

/* Takes the first node out and returns it, NULL if there is none. */
static inline struct list_node *
list_pop(struct list *l)
{
	struct list_node *n = list_first(l);

	if (n != NULL)
		list_remove(l, n);
	return n;
}

/* The node behind n, NULL at the end. */
static inline struct list_node *
list_next(const struct list *l, const struct list_node *n)
{
	return n->next == &l->head ? NULL : n->next;
}

/*
 * for each node; the body may remove `node` (and only it) from the list:
 * struct list_node *n, *tmp;
 * LIST_FOREACH(n, tmp, &list) { struct x *x = container_of(n, ...); ... }
 */
#define LIST_FOREACH(node, tmp, l) \
	for ((node) = (l)->head.next, (tmp) = (node)->next; \
	    (node) != &(l)->head; (node) = (tmp), (tmp) = (node)->next)

#endif /* COMMON_LIST_H */
