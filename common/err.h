/* SPDX-License-Identifier: MIT */
/*
 * err - error codes and, on cold paths, their story.
 *
 * A function that can fail returns 0 or a negative code: libuv's (UV_E*,
 * which are negated errno values, -1..-4095) or one of ours (err.def, from
 * -10000 down). Hot paths return the code alone. Cold paths also take a
 * `struct err *` as their last parameter and fill it once, where the error
 * happens; callers only add context in front. Whoever prints it prints the
 * message and, on a line of its own, the hint, which says what to do next.
 */
#ifndef COMMON_ERR_H
#define COMMON_ERR_H

#include "common/base.h"

/* Positions in err.def, 0..ERR_COUNT_-1; only there to number the codes. */
enum err_position {
#define X(name, exit_status, text) name##_POS_,
#include "common/err.def"
#undef X
	ERR_COUNT_
};

/* ERR_GENERAL = -10000, the next -10001, ...: usable in a switch. */
enum err_code {
#define X(name, exit_status, text) name = -10000 - name##_POS_,
#include "common/err.def"
#undef X
	ERR_FIRST = -10000,
	ERR_LAST = -10000 - ERR_COUNT_ + 1
};

/*
 * One failure. Zero-initialise it (`struct err e = {0}`); code 0 means "no
 * error". It owns no memory, may be copied, and long texts are cut.
 * The arguments of a format may point into the struct that is being set.
 */
struct err {
	int	code;
	char	msg[1024];	/* lower case, no full stop */
	char	hint[512];	/* empty, or what to do next */
};

/*
 * Sets code and message and empties the hint. Returns the code, so that a
 * function ends with `return err_set(e, ERR_X, "...")`. `e` may be NULL for
 * a caller that wants the code only.
 */
int	err_set(struct err *e, int code, const char *fmt, ...)
	    PRINTF_LIKE(3, 4);

/*
 * As err_set() with ERR_SYS, and ": <strerror(errnum)>" appended. ENOSPC and
 * EDQUOT become ERR_NOSPACE, ENOENT ERR_NOT_FOUND, EACCES, EPERM and EROFS
 * ERR_ACCESS, EEXIST ERR_EXISTS, ENOMEM ERR_NOMEM, ETIMEDOUT ERR_TIMEOUT.
 * What a person must mend (no space, no permission, a disk that fails, no
 * descriptors) gets a hint; a caller that knows more sets its own.
 */
int	err_sys(struct err *e, int errnum, const char *fmt, ...)
	    PRINTF_LIKE(3, 4);

/* Puts "<context>: " before the message. Returns the code it holds. */
int	err_wrap(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Sets the hint. Returns the code it holds. */
int	err_hint(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);

/*
 * The fixed text of a code: ours from err.def, the system's for a negated
 * errno value, "unknown error" else. Never NULL; static storage for ours,
 * for errno values valid until the calling thread's next call.
 */
const char *err_text(int code);

/* The name ("ERR_CONFIG") of one of our codes, "ERR_?" for any other. */
const char *err_name(int code);

/* The exit status (1..125) a program ends with for this code; 0 for 0. */
int	err_exit_status(int code);

#endif /* COMMON_ERR_H */
