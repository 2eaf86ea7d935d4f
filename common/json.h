/* SPDX-License-Identifier: MIT */
/*
 * json - reading and writing JSON, by jansson.
 *
 * Reading: json_parse(), then json_get() and json_at() to walk, then
 * json_free() for what json_parse() gave; all else is borrowed from it. The
 * readers take NULL and values of another type for "not there", so that a
 * path can be walked without a check at each step.
 *
 * Writing: zero a struct json_build; json_open() and json_close() pairs with
 * values between them; json_build_print(); json_build_release(). A failure
 * is sticky and told by json_build_print(). Pure.
 *
 * The only file that includes jansson.h.
 */
#ifndef COMMON_JSON_H
#define COMMON_JSON_H

#include "common/base.h"

struct buf;
struct err;
struct json;

/* ERR_FORMAT says where. The caller owns *out. */
int	json_parse(const char *text, size_t len, struct json **out,
	    struct err *e) MUST_CHECK;
void	json_free(struct json *);		/* NULL is legal */

/* A member of an object, an item of an array; NULL if there is none. */
const struct json *json_get(const struct json *, const char *key);
const struct json *json_at(const struct json *, size_t i);
/* The items of an array, else 0. */
size_t	json_count(const struct json *);

/* NULL, 0, false for what is no string, integer, boolean. */
const char *json_text(const struct json *);
int64_t	json_int(const struct json *);
bool	json_yes(const struct json *);

#define JSON_DEPTH_MAX	8

struct json_build {
	void	*stack[JSON_DEPTH_MAX];
	size_t	 depth;
	void	*root;
	bool	 failed;
};

/*
 * Opens an object or array, the first one being the document; `key` is NULL
 * there and within an array. Everything up to json_close() goes into it.
 */
void	json_open(struct json_build *, const char *key, bool array);
void	json_close(struct json_build *);

/* A NULL text becomes null. Text must be UTF-8: else a failure. */
void	json_put_string(struct json_build *, const char *key,
	    const char *value);
void	json_put_int(struct json_build *, const char *key, int64_t value);
void	json_put_bool(struct json_build *, const char *key, bool value);

/* Appends the document and a newline. ERR_NOMEM when anything failed. */
int	json_build_print(const struct json_build *, struct buf *out,
	    struct err *e) MUST_CHECK;
void	json_build_release(struct json_build *);

#endif /* COMMON_JSON_H */
