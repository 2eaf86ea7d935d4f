/* SPDX-License-Identifier: MIT */
/*
 * base - what every file of the project includes first.
 *
 * The few macros that C lacks and the compiler attributes we use, so that
 * no other file contains a GNU extension. Nothing here has a run-time cost.
 */
#ifndef COMMON_BASE_H
#define COMMON_BASE_H

#include <assert.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/types.h>

/* The number of elements of a real array; a pointer is a compile error. */
#define ARRAY_LEN(a) \
	(sizeof(a) / sizeof((a)[0]) + 0 * sizeof(struct { \
		_Static_assert(!__builtin_types_compatible_p(__typeof__(a), \
		    __typeof__(&(a)[0])), "not an array"); int unused; }))

/* The object of which *ptr is the member. */
#define container_of(ptr, type, member) \
	((type *)(void *)((char *)(ptr) - offsetof(type, member)))

/* The caller must look at the result. */
#define MUST_CHECK		__attribute__((warn_unused_result))
/* Argument `fmt` is a printf format for the arguments from `first` on. */
#define PRINTF_LIKE(fmt, first)	__attribute__((format(printf, fmt, first)))
#define NORETURN		__attribute__((noreturn))
#define UNUSED			__attribute__((unused))
#define FALLTHROUGH		__attribute__((fallthrough))
/* Compile this function for a CPU feature that the caller has checked. */
#define CPU_TARGET(feature)	__attribute__((target(feature)))
/* Inlined into each CPU_TARGET() caller, so that it gets their feature. */
#define ALWAYS_INLINE		inline __attribute__((always_inline))
/* x86: true if the running CPU has the feature. */
#define CPU_HAS(feature)	__builtin_cpu_supports(feature)
/* Visible outside a shared object, where all else is hidden. */
#define EXPORT			__attribute__((visibility("default")))
#define LIKELY(x)		__builtin_expect(!!(x), 1)
#define UNLIKELY(x)		__builtin_expect(!!(x), 0)

#define MIN(a, b)	((a) < (b) ? (a) : (b))
#define MAX(a, b)	((a) > (b) ? (a) : (b))

/* The version that every program prints and that man pages carry. */
#define HOMELAB_VERSION		"0.1.0"
/* The PgBouncer release whose contract the pooler keeps. */
#define PGBOUNCER_COMPAT	"1.26.1"

#endif /* COMMON_BASE_H */
