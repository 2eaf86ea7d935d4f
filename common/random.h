/* SPDX-License-Identifier: MIT */
/*
 * random - bytes nobody can guess.
 *
 * The pure modules take randomness as an argument (salts, nonces, cancel
 * keys); their callers get it here, from the kernel. random_fill() is
 * thread-safe; a pool belongs to one thread.
 */
#ifndef COMMON_RANDOM_H
#define COMMON_RANDOM_H

#include "common/base.h"

/*
 * Fills n bytes. Returns 0, or a negated errno value (a kernel without
 * getrandom()); then the bytes are not to be used. Blocks only before the
 * kernel's pool is first initialised, at boot.
 */
int	random_fill(void *bytes, size_t n) MUST_CHECK;

/*
 * A supply of such bytes for one who needs a few of them often: a system
 * call brings many. Bytes that were given out are wiped. Zeroed, it is empty;
 * random_pool_wipe() when it is not needed any more.
 */
struct random_pool {
	unsigned char	bytes[256];
	size_t		left;		/* at the end of them */
};

/* As random_fill(), for n <= 256. */
int	random_pool_fill(struct random_pool *, void *bytes, size_t n)
	    MUST_CHECK;
void	random_pool_wipe(struct random_pool *);

#endif /* COMMON_RANDOM_H */
