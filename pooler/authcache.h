/* SPDX-License-Identifier: MIT */
/*
 * authcache - results of PBKDF2, so that each is computed once.
 *
 * A plain password under SCRAM costs a millisecond of CPU at each login on
 * either side. Kept are the secret made for a user out of his plain password
 * (towards clients) and the keys for a user, password, salt and iteration
 * count (towards servers). An entry is only used with the very password it
 * was made from, of which a keyed digest is kept. Bounded: the oldest goes.
 * Thread-safe: one lock, held for a look-up.
 */
#ifndef POOLER_AUTHCACHE_H
#define POOLER_AUTHCACHE_H

#include "common/base.h"
#include "common/scram.h"

struct authcache;
struct auth_credentials;
struct client_auth;

/* At most `max` entries. NULL without memory (or random bytes). */
struct authcache *authcache_new(size_t max) MUST_CHECK;
/* Wipes everything. NULL is legal. */
void	authcache_free(struct authcache *);

/* The SCRAM secret made earlier of this user's plain password. */
bool	authcache_find(struct authcache *, const char *user,
	    const char *password, uint32_t iterations,
	    struct scram_secret *out) MUST_CHECK;
/* After a successful login: keeps a secret that was made during it. */
void	authcache_keep(struct authcache *, const char *user,
	    const struct client_auth *);

/* The keys computed earlier for this server's salt and iterations. */
bool	authcache_find_keys(struct authcache *, const char *user,
	    const struct auth_credentials *, struct scram_work *) MUST_CHECK;
void	authcache_keep_keys(struct authcache *, const char *user,
	    const struct auth_credentials *, const struct scram_work *);

#endif /* POOLER_AUTHCACHE_H */
