/* SPDX-License-Identifier: MIT */
/*
 * strmap - from a string to a pointer, in constant time.
 *
 * Open addressing with linear probing, at most half full. Keys and values
 * are borrowed: both must outlive the map or their entry. Entries cannot be
 * removed one by one. Meant for keys that an administrator wrote; the hash
 * is not keyed, so do not fill it with names that strangers choose.
 * Calling sequence: zero it, strmap_put() and strmap_get() any number of
 * times, strmap_release(). Reading from several threads at once is safe.
 */
#ifndef COMMON_STRMAP_H
#define COMMON_STRMAP_H

#include "common/base.h"

struct strmap_slot {
	const char	*key;		/* NULL: free */
	void		*value;
};

struct strmap {
	struct strmap_slot *slot;
	size_t		    cap;	/* 0 or a power of two */
	size_t		    n;
};

/*
 * Adds or replaces. value is not NULL. Returns 0 or ERR_NOMEM, after which
 * the map is as before.
 */
int	strmap_put(struct strmap *, const char *key, void *value) MUST_CHECK;

/* The value, NULL if there is none. */
void	*strmap_get(const struct strmap *, const char *key);

/* Frees the table, not what it points to; the map is empty. */
void	strmap_release(struct strmap *);

#endif /* COMMON_STRMAP_H */
