/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "common/opt.h"

#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/opt_impl.h"
#include "common/text.h"

#define MAX_INDEX	256
#define MASK		"****"

static void
free_text(const struct opt *o, char *text)
{
	if (text != NULL && (o->flags & OPT_SECRET))
		explicit_bzero(text, strlen(text));
	free(text);
}

static void
release_list(const struct opt *o, struct opt_list *l)
{
	size_t	i;

	for (i = 0; i < l->n; i++)
		free_text(o, l->item[i]);
	free(l->item);
	free_text(o, l->text);
	memset(l, 0, sizeof(*l));
}

static void
release_value(const struct opt *o, void *values)
{
	union opt_member m = opt_member(o, values);

	if (o->kind == OPT_KIND_STR) {
		free_text(o, *m.str);
		*m.str = NULL;
	} else if (o->kind == OPT_KIND_LIST) {
		release_list(o, m.list);
	}
}

/* Lists ------------------------------------------------------------- */

static char *
copy_bytes(const char *s, size_t n)
{
	char	*p = malloc(n + 1);

	if (p != NULL) {
		memcpy(p, s, n);
		p[n] = '\0';
	}
	return p;
}

static int
list_push(struct opt_list *l, const char *s, size_t n)
{
	char	**grown = realloc(l->item, (l->n + 1) * sizeof(*grown));

	if (grown == NULL)
		return ERR_NOMEM;
	l->item = grown;
	l->item[l->n] = copy_bytes(s, n);
	if (l->item[l->n] == NULL)
		return ERR_NOMEM;
	l->n++;
	return 0;
}

/* Adds the parts of a comma list; empty parts do not count. */
static int
list_split(struct opt_list *l, const char *text)
{
	while (*text != '\0') {
		size_t	span = strcspn(text, ",");
		size_t	n = span;
		const char *s = text;

		while (n > 0 && text_is_blank(*s)) {
			s++;
			n--;
		}
		while (n > 0 && text_is_blank(s[n - 1]))
			n--;
		if (n > 0 && list_push(l, s, n) != 0)
			return ERR_NOMEM;
		text += span + (text[span] == ',');
	}
	return 0;
}

/* The text of a list is its old text, ", " and the new one. */
static int
list_append_text(const struct opt *o, struct opt_list *l, const char *text)
{
	size_t	old = l->text == NULL ? 0 : strlen(l->text);
	size_t	size = old + strlen(text) + 3;
	char	*joined = malloc(size);

	if (joined == NULL)
		return ERR_NOMEM;
	snprintf(joined, size, "%s%s%s", old == 0 ? "" : l->text,
	    old == 0 ? "" : ", ", text);
	free_text(o, l->text);
	l->text = joined;
	return 0;
}

static int
list_extend(const struct opt_table *t, const struct opt *o,
    struct opt_list *l, const char *text)
{
	int	rc;

	rc = list_append_text(o, l, text);
	if (rc != 0)
		return rc;
	if (t->dialect == OPT_PGBACKREST)
		return list_push(l, text, strlen(text));
	return list_split(l, text);
}

static int
list_copy(const struct opt *o, struct opt_list *dst,
    const struct opt_list *src)
{
	size_t	i;

	memset(dst, 0, sizeof(*dst));
	if (src->text == NULL)
		return 0;
	dst->text = strdup(src->text);
	if (dst->text == NULL)
		return ERR_NOMEM;
	for (i = 0; i < src->n; i++) {
		if (list_push(dst, src->item[i], strlen(src->item[i])) != 0) {
			release_list(o, dst);
			return ERR_NOMEM;
		}
	}
	return 0;
}

bool
opt_list_has(const struct opt_list *l, const char *item)
{
	size_t	i;

	for (i = 0; i < l->n; i++) {
		if (strcmp(l->item[i], item) == 0)
			return true;
	}
	return false;
}

/* Parsing ----------------------------------------------------------- */

static int
parse_bool(const struct opt_table *t, const char *text, bool *out)
{
	int64_t	v;

	if (t->dialect == OPT_PGBACKREST)
		return text_parse_bool(text, out);
	/* Any number but 0 is true: tcp_keepalive = 5 is in use out there. */
	if (text_parse_int(text, 0, &v) != 0)
		return ERR_FORMAT;
	*out = v != 0;
	return 0;
}

static int
parse_number(const struct opt_table *t, const struct opt *o, const char *text,
    int64_t *out)
{
	int64_t	v;
	int	rc;

	if (o->kind == OPT_KIND_TIME)
		rc = text_parse_time(text, TEXT_USEC_PER_SEC, &v);
	else if (o->kind == OPT_KIND_SIZE)
		rc = text_parse_size(text, &v);
	else
		rc = text_parse_int(text,
		    t->dialect == OPT_PGBACKREST ? 10 : 0, &v);
	if (rc != 0)
		return rc;
	if (v < o->min || v > o->max)
		return ERR_LIMIT;
	*out = v;
	return 0;
}

static int
parse_choice(const struct opt *o, const char *text, int *out)
{
	const struct opt_choice *c;

	for (c = o->choices; c->word != NULL; c++) {
		if (text_equal_nocase(c->word, text)) {
			if (c->not_yet)
				return ERR_NOT_YET;
			*out = c->value;
			return 0;
		}
	}
	return ERR_FORMAT;
}

static int
store_str(const struct opt *o, char **member, const char *text)
{
	char	*copy = strdup(text);

	if (copy == NULL)
		return ERR_NOMEM;
	free_text(o, *member);
	*member = copy;
	return 0;
}

static int
store_list(const struct opt_table *t, const struct opt *o,
    struct opt_list *member, const char *text, bool add)
{
	struct opt_list	l = { 0 };
	int		rc = 0;

	if (add)
		rc = list_copy(o, &l, member);
	if (rc == 0)
		rc = list_extend(t, o, &l, text);
	if (rc != 0) {
		release_list(o, &l);
		return rc;
	}
	release_list(o, member);
	*member = l;
	return 0;
}

/* Parses and stores; a code only, and no change if it is not 0. */
static int
store(const struct opt_table *t, const struct opt *o, void *values,
    const char *text, bool add)
{
	union opt_member	m = opt_member(o, values);
	int64_t		v;
	int		rc;

	switch (o->kind) {
	case OPT_KIND_BOOL:
		return parse_bool(t, text, m.b);
	case OPT_KIND_INT:
		rc = parse_number(t, o, text, &v);
		if (rc == 0)
			*m.i = (int)v;
		return rc;
	case OPT_KIND_UINT:
		rc = parse_number(t, o, text, &v);
		if (rc == 0)
			*m.u = (unsigned)v;
		return rc;
	case OPT_KIND_TIME:
	case OPT_KIND_SIZE:
		return parse_number(t, o, text, m.i64);
	case OPT_KIND_STR:
		return store_str(o, m.str, text);
	case OPT_KIND_ENUM:
		return parse_choice(o, text, m.i);
	case OPT_KIND_LIST:
		return store_list(t, o, m.list, text, add);
	case OPT_KIND_GROUP:
		break;
	}
	assert(false);		/* a group has no value */
	return ERR_GENERAL;
}

static void
store_unset(const struct opt *o, void *values)
{
	union opt_member m = opt_member(o, values);

	switch (o->kind) {
	case OPT_KIND_BOOL:
		*m.b = false;
		break;
	case OPT_KIND_INT:
	case OPT_KIND_ENUM:
		*m.i = OPT_UNSET;
		break;
	case OPT_KIND_UINT:
		*m.u = 0;
		break;
	case OPT_KIND_TIME:
	case OPT_KIND_SIZE:
		*m.i64 = OPT_UNSET64;
		break;
	case OPT_KIND_STR:
	case OPT_KIND_LIST:
		release_value(o, values);
		break;
	case OPT_KIND_GROUP:
		break;
	}
}

/* Setting ----------------------------------------------------------- */

/* Turns the code of store() into words. */
static int
explain(const struct opt_table *t, const struct opt *o, const char *text,
    int code, struct err *e)
{
	struct buf	right = { .max = 400 };
	char		key[128];

	if (code == ERR_NOMEM)
		return err_set(e, code, "out of memory");
	opt_key(t, o, 0, key, sizeof(key));
	if (o->flags & OPT_SECRET)
		text = MASK;
	if (code == ERR_NOT_YET)
		err_set(e, code, "%s \"%s\" is not supported yet", key, text);
	else
		err_set(e, ERR_CONFIG, "invalid value \"%s\" for parameter %s",
		    text, key);
	opt_describe(t, o, &right);
	err_hint(e, "%s takes %s", key, buf_cstr(&right));
	buf_release(&right);
	return code == ERR_NOT_YET ? code : ERR_CONFIG;
}

int
opt_set(const struct opt_table *t, const struct opt *o, void *values,
    const char *text, struct err *e)
{
	int	rc = store(t, o, values, text, false);

	return rc == 0 ? 0 : explain(t, o, text, rc, e);
}

int
opt_add(const struct opt_table *t, const struct opt *o, void *values,
    const char *text, struct err *e)
{
	int	rc = store(t, o, values, text, true);

	return rc == 0 ? 0 : explain(t, o, text, rc, e);
}

int
opt_reset(const struct opt_table *t, const struct opt *o, void *values,
    struct err *e)
{
	if (o->def != NULL)
		return opt_set(t, o, values, o->def, e);
	store_unset(o, values);
	return 0;
}

int
opt_init(const struct opt_table *t, void *values, struct err *e)
{
	const struct opt *o;
	int		  rc;

	memset(values, 0, t->size);
	OPT_FOREACH(o, t) {
		rc = opt_reset(t, o, values, e);
		if (rc != 0) {
			opt_release(t, values);
			return rc;
		}
	}
	return 0;
}

void
opt_release(const struct opt_table *t, void *values)
{
	const struct opt *o;

	OPT_FOREACH(o, t)
		release_value(o, values);
	memset(values, 0, t->size);
}

static int
copy_value(const struct opt *o, void *dst, const void *src)
{
	union opt_member to = opt_member(o, dst), from = opt_member(o, src);

	if (o->kind == OPT_KIND_STR) {
		*to.str = NULL;
		return *from.str == NULL ? 0 : store_str(o, to.str, *from.str);
	}
	return o->kind == OPT_KIND_LIST ? list_copy(o, to.list, from.list) : 0;
}

int
opt_copy(const struct opt_table *t, void *dst, const void *src, struct err *e)
{
	const struct opt *o;
	union opt_member	  m;

	memcpy(dst, src, t->size);
	/* Until it is copied, a pointer of src must not be freed with dst. */
	OPT_FOREACH(o, t) {
		m = opt_member(o, dst);
		if (o->kind == OPT_KIND_STR)
			*m.str = NULL;
		else if (o->kind == OPT_KIND_LIST)
			memset(m.list, 0, sizeof(*m.list));
	}
	OPT_FOREACH(o, t) {
		if (copy_value(o, dst, src) != 0) {
			opt_release(t, dst);
			return err_set(e, ERR_NOMEM, "out of memory");
		}
	}
	return 0;
}

/* Names ------------------------------------------------------------- */

/* The number behind a prefix, 0 if it is none; *sp moves behind "N-". */
static int
read_index(const char **sp)
{
	const char	*s = *sp;
	int		 v = 0;

	if (*s == '0')
		return 0;
	for (; text_is_digit(*s) && v <= MAX_INDEX; s++)
		v = v * 10 + (*s - '0');
	if (v > MAX_INDEX || *s != '-')
		return 0;
	*sp = s + 1;
	return v;
}

/* True if key is the name as the dialect writes it. */
static bool
is_name(const struct opt_table *t, const char *name, const char *key)
{
	for (; *name != '\0'; name++, key++) {
		char c = t->dialect == OPT_PGBACKREST && *name == '_' ? '-' :
		    *name;

		if (*key != c)
			return false;
	}
	return *key == '\0';
}

const struct opt *
opt_find(const struct opt_table *t, const char *key, int *index)
{
	const struct opt *o;
	int		  n = 0;
	size_t		  len;

	if (t->prefix != NULL) {
		len = strlen(t->prefix);
		if (strncmp(key, t->prefix, len) != 0)
			return NULL;
		key += len;
		n = read_index(&key);
		if (n == 0)
			return NULL;
	}
	OPT_FOREACH(o, t) {
		if (is_name(t, o->name, key)) {
			if (index != NULL)
				*index = n;
			return o;
		}
	}
	return NULL;
}

char *
opt_key(const struct opt_table *t, const struct opt *o, int index, char *out,
    size_t size)
{
	char	prefix[64] = "";
	size_t	i;

	if (t->prefix != NULL && index > 0)
		snprintf(prefix, sizeof(prefix), "%s%d-", t->prefix, index);
	else if (t->prefix != NULL)
		snprintf(prefix, sizeof(prefix), "%s-", t->prefix);
	snprintf(out, size, "%s%s", prefix, o->name);
	for (i = 0; t->dialect == OPT_PGBACKREST && out[i] != '\0'; i++) {
		if (out[i] == '_')
			out[i] = '-';
	}
	return out;
}
