/* SPDX-License-Identifier: MIT */
/*
 * config_load - an ini text as a snapshot, for the tests of pooler/config*.c.
 *
 * The random name of the temporary file reads INI in messages.
 */
#ifndef TESTS_UNIT_CONFIG_LOAD_H
#define TESTS_UNIT_CONFIG_LOAD_H

#include "common/base.h"

#include <unistd.h>

#include "common/err.h"
#include "pooler/config.h"
#include "tests/unit/tempfile.h"

#define SEC(n)	((int64_t)(n) * 1000000)

static struct err err;

static inline int
load(const char *text, struct config **out)
{
	char			 path[TEMP_PATH_MAX];
	struct config_source	 source = { .path = path };
	int			 rc;

	temp_write(path, text, strlen(text));
	memset(&err, 0, sizeof(err));
	rc = config_load(&source, out, &err);
	temp_hide(err.msg, path, "INI");
	temp_hide(err.hint, path, "INI");
	unlink(path);
	return rc;
}

static inline struct config *
must_load(const char *text)
{
	struct config	*c = NULL;

	if (load(text, &c) != 0)
		ck_abort_msg("%s (%s)", err.msg, err.hint);
	return c;
}

/* Expects a refusal with just this message. */
static inline void
refuse(const char *text, const char *msg)
{
	struct config	*c = NULL;

	ck_assert_int_ne(load(text, &c), 0);
	ck_assert_ptr_null(c);
	ck_assert_str_eq(err.msg, msg);
}

#endif /* TESTS_UNIT_CONFIG_LOAD_H */
