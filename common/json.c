/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "common/json.h"

#include <jansson.h>

#include "common/buf.h"
#include "common/err.h"

int
json_parse(const char *text, size_t len, struct json **out, struct err *e)
{
	json_error_t	why;
	json_t	       *j = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);

	if (j == NULL)
		return err_set(e, ERR_FORMAT, "not JSON: %s (line %d, column "
		    "%d)", why.text, why.line, why.column);
	*out = (struct json *)j;
	return 0;
}

void
json_free(struct json *j)
{
	json_decref((json_t *)j);
}

const struct json *
json_get(const struct json *j, const char *key)
{
	return (const struct json *)json_object_get((const json_t *)j, key);
}

const struct json *
json_at(const struct json *j, size_t i)
{
	return (const struct json *)json_array_get((const json_t *)j, i);
}

size_t
json_count(const struct json *j)
{
	return json_array_size((const json_t *)j);
}

const char *
json_text(const struct json *j)
{
	return json_string_value((const json_t *)j);
}

int64_t
json_int(const struct json *j)
{
	return json_integer_value((const json_t *)j);
}

bool
json_yes(const struct json *j)
{
	return json_is_true((const json_t *)j);
}

/* Takes the value, which may be NULL for want of memory. */
static void
put(struct json_build *b, const char *key, json_t *value)
{
	json_t	*in;
	int	 rc = -1;

	if (value != NULL && b->root == NULL) {
		b->root = value;
		return;
	}
	in = b->depth > 0 && !b->failed ? b->stack[b->depth - 1] : NULL;
	if (in == NULL)
		json_decref(value);
	else if (key != NULL)
		rc = json_object_set_new(in, key, value);
	else
		rc = json_array_append_new(in, value);
	b->failed = b->failed || rc != 0;
}

void
json_open(struct json_build *b, const char *key, bool array)
{
	json_t	*j = array ? json_array() : json_object();

	assert(b->depth < JSON_DEPTH_MAX);
	put(b, key, j);
	b->stack[b->depth++] = b->failed ? NULL : j;
}

void
json_close(struct json_build *b)
{
	assert(b->depth > 0);
	b->depth--;
}

void
json_put_string(struct json_build *b, const char *key, const char *value)
{
	put(b, key, value == NULL ? json_null() : json_string(value));
}

void
json_put_int(struct json_build *b, const char *key, int64_t value)
{
	put(b, key, json_integer(value));
}

void
json_put_bool(struct json_build *b, const char *key, bool value)
{
	put(b, key, json_boolean(value));
}

static int
append(const char *bytes, size_t n, void *out)
{
	buf_append(out, bytes, n);
	return buf_failed(out) ? -1 : 0;
}

int
json_build_print(const struct json_build *b, struct buf *out, struct err *e)
{
	assert(b->depth == 0);
	if (b->failed || b->root == NULL || json_dump_callback(b->root,
	    append, out, JSON_INDENT(2)) != 0)
		return err_set(e, ERR_NOMEM, "cannot write JSON: out of "
		    "memory, or a text that is not UTF-8");
	buf_append_u8(out, '\n');
	return 0;
}

void
json_build_release(struct json_build *b)
{
	json_decref(b->root);
	*b = (struct json_build){ .root = NULL };
}
