/* SPDX-License-Identifier: MIT */
/*
 * prepared - statements that outlive the server a client has by chance.
 *
 * In transaction mode a client may prepare on one server and execute on
 * another. So a client's name leads to a *statement* (text, parameter types
 * and the settings that it was parsed with, shared by all who prepared the
 * same), and each server has the set of statements that it knows, under names
 * that we choose. Such a name is
 * derived from a keyed digest of the statement, so that servers can move
 * between workers without a shared table; the key is the process's own.
 * Three structures, each used by one thread at a time:
 *
 *   ps_table  a worker's statements, one for each text, counted references
 *   ps_map    a client's names -> statements
 *   ps_set    what a server knows, least recently used first
 *
 * Pure: no messages are made here. Invariant: a statement lives while an
 * entry refers to it; an entry lives while its map or a request in a server's
 * queue does. So what is answered late can be undone, whatever the client
 * has done with the name meanwhile.
 */
#ifndef POOLER_PREPARED_H
#define POOLER_PREPARED_H

#include "common/base.h"
#include "common/digest.h"
#include "common/hash.h"
#include "common/list.h"

/* "homelab_" and the digest in hex, with its NUL. */
#define PS_NAME_LEN	(8 + DIGEST_HEX_LEN + 1)

struct ps_table {
	struct hash	 statements;
	uint64_t	 seed;		/* of all digests of the process */
};

struct ps_statement {
	struct hash_node node;
	struct ps_table	*table;
	struct digest	 digest;
	uint64_t	 settings;	/* params_of_parse() */
	size_t		 refs;
	uint16_t	 ntypes;
	size_t		 query_len;	/* with its NUL; the types follow */
	size_t		 len;
	char		 text[];	/* query, NUL, 4 bytes for each type */
};

/* A client's name for a statement; references are counted. */
struct ps_entry {
	struct hash_node node;
	struct ps_statement *statement;
	unsigned	 refs;
	bool		 in_map;
	bool		 gone;		/* must not be put back any more */
	bool		 keep;		/* the owner's mark, false otherwise */
	char		 name[];
};

struct ps_map {
	struct hash	 names;
};

/*
 * Was what a server knows parsed with the settings that its name stands for?
 * BEHIND: it was sent behind something that may change them, and PostgreSQL
 * says only at the end of a batch what they are. STALE: it did change them.
 */
enum ps_trust {
	PS_SURE,
	PS_BEHIND,
	PS_STALE
};

struct ps_set {
	struct hash	 known;
	struct list	 by_use;	/* least recently used first */
	size_t		 behind;	/* so many are PS_BEHIND */
};

void	ps_table_init(struct ps_table *, uint64_t seed);
/* All statements must be gone (asserted). */
void	ps_table_release(struct ps_table *);

/*
 * The statement of a Parse message: `text` is the query with its NUL and
 * then ntypes 4-byte oids, as they lie in the message; `settings` stands for
 * those that it is parsed with. The caller owns one reference. NULL without
 * memory.
 */
struct ps_statement *ps_get(struct ps_table *, uint64_t settings,
	    const char *text, size_t len, uint16_t ntypes) MUST_CHECK;
void	ps_unref(struct ps_statement *);	/* NULL is legal */

/* The name that servers know it by. */
void	ps_server_name(const struct digest *, char out[PS_NAME_LEN]);

/* A client's names. A zeroed map is empty; it stays at its address. */
void	ps_map_release(struct ps_map *);
struct ps_entry *ps_map_find(const struct ps_map *, const char *name);
/* Adds a name that is not there; takes over the reference to the statement.
 * The entry is the map's. NULL: no memory, and the reference stays the
 * caller's. */
struct ps_entry *ps_map_add(struct ps_map *, const char *name,
	    struct ps_statement *) MUST_CHECK;
/* Takes an entry out, if it is in; the map's reference is dropped. */
void	ps_map_take(struct ps_map *, struct ps_entry *);
/* Puts one back that was taken out (the map has its own reference again),
 * unless it is gone or its name was given away meanwhile. */
int	ps_map_put_back(struct ps_map *, struct ps_entry *) MUST_CHECK;
struct ps_entry *ps_entry_ref(struct ps_entry *);
void	ps_entry_unref(struct ps_entry *);	/* NULL is legal */
static inline size_t
ps_map_count(const struct ps_map *m)
{
	return m->names.count;
}

/* What a server knows. */
void	ps_set_init(struct ps_set *);
void	ps_set_release(struct ps_set *);
/* True if it is known and not stale; it is then the most recently used. */
bool	ps_set_use(struct ps_set *, const struct digest *);
int	ps_set_add(struct ps_set *, const struct digest *, enum ps_trust)
	    MUST_CHECK;
void	ps_set_remove(struct ps_set *, const struct digest *);
/* Takes it out; false if it is not in. */
bool	ps_set_take(struct ps_set *, const struct digest *,
	    enum ps_trust *was) MUST_CHECK;
/* Takes the least recently used one out; false if the set is empty. */
bool	ps_set_evict(struct ps_set *, struct digest *out,
	    enum ps_trust *was) MUST_CHECK;
/* All that are PS_BEHIND become sure, or stale. */
void	ps_set_judge(struct ps_set *, enum ps_trust);
static inline size_t
ps_set_count(const struct ps_set *s)
{
	return list_count(&s->by_use);
}

#endif /* POOLER_PREPARED_H */
