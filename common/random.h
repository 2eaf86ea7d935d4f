/* SPDX-License-Identifier: MIT */
/*
 * random - bytes nobody can guess.
 *
 * The pure modules take randomness as an argument (salts, nonces, cancel
 * keys); their callers get it here, from the kernel. Thread-safe.
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

#endif /* COMMON_RANDOM_H */
