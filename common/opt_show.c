/* SPDX-License-Identifier: MIT */
/* Asking, showing and comparing options; setting them is opt.c. */
#include "common/base.h"
#include "common/opt.h"

#include <limits.h>
#include <string.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/opt_impl.h"
#include "common/text.h"

#define MASK		"****"

bool
opt_is_set(const struct opt *o, const void *values)
{
	union opt_member m = opt_member(o, values);

	switch (o->kind) {
	case OPT_KIND_BOOL:
	case OPT_KIND_UINT:
		return true;
	case OPT_KIND_INT:
	case OPT_KIND_ENUM:
		return *m.i != OPT_UNSET;
	case OPT_KIND_TIME:
	case OPT_KIND_SIZE:
		return *m.i64 != OPT_UNSET64;
	case OPT_KIND_STR:
		return *m.str != NULL;
	case OPT_KIND_LIST:
		return m.list->text != NULL;
	case OPT_KIND_GROUP:
		break;
	}
	return false;
}

bool
opt_equal(const struct opt *o, const void *a, const void *b)
{
	union opt_member x = opt_member(o, a), y = opt_member(o, b);
	const char  *s, *t;

	switch (o->kind) {
	case OPT_KIND_BOOL:
		return *x.b == *y.b;
	case OPT_KIND_INT:
	case OPT_KIND_ENUM:
		return *x.i == *y.i;
	case OPT_KIND_UINT:
		return *x.u == *y.u;
	case OPT_KIND_TIME:
	case OPT_KIND_SIZE:
		return *x.i64 == *y.i64;
	case OPT_KIND_STR:
	case OPT_KIND_LIST:
		s = o->kind == OPT_KIND_STR ? *x.str : x.list->text;
		t = o->kind == OPT_KIND_STR ? *y.str : y.list->text;
		return s == t || (s != NULL && t != NULL && strcmp(s, t) == 0);
	case OPT_KIND_GROUP:
		break;
	}
	return true;
}

static const char *
choice_word(const struct opt *o, int value)
{
	const struct opt_choice *c;

	for (c = o->choices; c->word != NULL; c++) {
		if (c->value == value)
			return c->word;
	}
	assert(false);		/* a stored choice has a word */
	return "";
}

static const char *
bool_word(const struct opt_table *t, bool b)
{
	if (t->dialect == OPT_PGBACKREST)
		return b ? "y" : "n";
	return b ? "1" : "0";
}

void
opt_print(const struct opt_table *t, const struct opt *o, const void *values,
    struct buf *out)
{
	union opt_member m = opt_member(o, values);
	char	     number[TEXT_NUMBER_MAX];

	if (!opt_is_set(o, values))
		return;
	switch (o->kind) {
	case OPT_KIND_BOOL:
		buf_append_str(out, bool_word(t, *m.b));
		break;
	case OPT_KIND_INT:
		buf_printf(out, "%d", *m.i);
		break;
	case OPT_KIND_UINT:
		buf_printf(out, "%u", *m.u);
		break;
	case OPT_KIND_TIME:
		buf_append_str(out, t->dialect == OPT_PGBACKREST ?
		    text_print_time(*m.i64, number) :
		    text_print_seconds(*m.i64, number));
		break;
	case OPT_KIND_SIZE:
		buf_append_str(out, text_print_size(*m.i64, number));
		break;
	case OPT_KIND_STR:
		buf_append_str(out, *m.str);
		break;
	case OPT_KIND_ENUM:
		buf_append_str(out, choice_word(o, *m.i));
		break;
	case OPT_KIND_LIST:
		buf_append_str(out, m.list->text);
		break;
	case OPT_KIND_GROUP:
		break;
	}
}

void
opt_show(const struct opt_table *t, const struct opt *o, const void *values,
    struct buf *out)
{
	if ((o->flags & OPT_SECRET) && opt_is_set(o, values))
		buf_append_str(out, MASK);
	else
		opt_print(t, o, values, out);
}

/* Guessing ---------------------------------------------------------- */

#define NEAREST_MAX	64	/* longest key that is compared */
#define NEAR		2

static int
least(int a, int b, int c)
{
	return MIN(a, MIN(b, c));
}

/* Edits (insert, delete, replace, swap neighbours) that make b from a. */
static int
distance(const char *a, const char *b)
{
	int	row[3][NEAREST_MAX + 1];
	int	*before = row[0], *last = row[1], *now = row[2], *spare;
	size_t	i, j, n = strlen(b);

	if (strlen(a) > NEAREST_MAX || n > NEAREST_MAX)
		return INT_MAX;
	for (j = 0; j <= n; j++)
		before[j] = last[j] = (int)j;
	for (i = 1; a[i - 1] != '\0'; i++) {
		now[0] = (int)i;
		for (j = 1; j <= n; j++) {
			now[j] = least(last[j] + 1, now[j - 1] + 1,
			    last[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1])
				now[j] = MIN(now[j], before[j - 2] + 1);
		}
		spare = before;
		before = last;
		last = now;
		now = spare;
	}
	return last[n];
}

const struct opt *
opt_nearest(const struct opt_table *t, const char *key)
{
	const struct opt *o, *best = NULL;
	int		  d, least_so_far = NEAR + 1;
	char		  name[NEAREST_MAX + 2];

	OPT_FOREACH(o, t) {
		d = distance(key, opt_key(t, o, 0, name, sizeof(name)));
		/* Of a short key nearly everything is near. */
		if (d < least_so_far && (size_t)d * 3 < strlen(name)) {
			least_so_far = d;
			best = o;
		}
	}
	return best;
}

/* Single values ----------------------------------------------------- */

static size_t
member_size(enum opt_kind kind)
{
	switch (kind) {
	case OPT_KIND_BOOL:
		return sizeof(OPT_CTYPE_BOOL);
	case OPT_KIND_INT:
		return sizeof(OPT_CTYPE_INT);
	case OPT_KIND_ENUM:
		return sizeof(OPT_CTYPE_ENUM);
	case OPT_KIND_UINT:
		return sizeof(OPT_CTYPE_UINT);
	case OPT_KIND_TIME:
		return sizeof(OPT_CTYPE_TIME);
	case OPT_KIND_SIZE:
		return sizeof(OPT_CTYPE_SIZE);
	case OPT_KIND_STR:
		return sizeof(OPT_CTYPE_STR);
	case OPT_KIND_LIST:
		return sizeof(OPT_CTYPE_LIST);
	case OPT_KIND_GROUP:
		break;
	}
	return 0;
}

/* A table of one option whose member stands alone. */
struct single {
	struct opt		row;
	struct opt_table	table;
};

static const struct opt_table *
make_single(struct single *s, const struct opt_table *t, const struct opt *o)
{
	s->row = *o;
	s->row.offset = 0;
	s->table = *t;
	s->table.opts = &s->row;
	s->table.n = 1;
	s->table.size = member_size(o->kind);
	return &s->table;
}

/* Room for the member of any option. */
union value {
	OPT_CTYPE_BOOL	b;
	OPT_CTYPE_TIME	i64;
	OPT_CTYPE_STR	str;
	OPT_CTYPE_LIST	list;
};

bool
opt_has_no_effect(const struct opt_table *t, const struct opt *o,
    const void *values)
{
	const struct opt_table	*one;
	struct single		 s;
	union value		 v;
	bool			 same;

	one = make_single(&s, t, o);
	if (!(o->flags & OPT_NOT_YET) || opt_init(one, &v, NULL) != 0)
		return false;
	same = opt_equal(one->opts, &v, opt_member(o, values).any);
	opt_release(one, &v);
	return !same;
}

/* Describing -------------------------------------------------------- */

static void
describe_range(const struct opt *o, struct buf *out)
{
	char	a[TEXT_NUMBER_MAX], b[TEXT_NUMBER_MAX];

	if (o->kind == OPT_KIND_SIZE) {
		buf_printf(out, "a size such as 16MiB, %s to %s",
		    text_print_size(o->min, a), text_print_size(o->max, b));
		return;
	}
	if (o->kind == OPT_KIND_TIME) {
		buf_append_str(out, "a time in seconds, or with a unit "
		    "(us, ms, s, m, h, d, w)");
		if (o->min > 0 || o->max < OPT_TIME_MAX)
			buf_printf(out, ", %s to %s",
			    text_print_time(o->min, a),
			    text_print_time(o->max, b));
		return;
	}
	if (o->max >= INT_MAX)
		buf_printf(out, "a whole number, %lld or more",
		    (long long)o->min);
	else
		buf_printf(out, "a whole number, %lld to %lld",
		    (long long)o->min, (long long)o->max);
}

static void
describe_choices(const struct opt *o, struct buf *out)
{
	const struct opt_choice *c;
	const char		*separator = "one of ";

	for (c = o->choices; c->word != NULL; c++) {
		if (c->not_yet)
			continue;
		buf_printf(out, "%s%s", separator, c->word);
		separator = ", ";
	}
}

void
opt_describe(const struct opt_table *t, const struct opt *o, struct buf *out)
{
	switch (o->kind) {
	case OPT_KIND_BOOL:
		buf_append_str(out, t->dialect == OPT_PGBACKREST ? "y or n" :
		    "0 or 1");
		break;
	case OPT_KIND_INT:
	case OPT_KIND_UINT:
	case OPT_KIND_TIME:
	case OPT_KIND_SIZE:
		describe_range(o, out);
		break;
	case OPT_KIND_STR:
		buf_append_str(out, "a text");
		break;
	case OPT_KIND_ENUM:
		describe_choices(o, out);
		break;
	case OPT_KIND_LIST:
		buf_append_str(out, t->dialect == OPT_PGBACKREST ?
		    "a text; the key may be repeated" : "a comma list");
		break;
	case OPT_KIND_GROUP:
		break;
	}
}

/* Reload ------------------------------------------------------------ */

/* Appends "<key>: <old> -> <new>" in a form fit for the log. */
static void
note_change(const struct opt_table *t, const struct opt *o, const void *old,
    const void *new, struct buf *out)
{
	char	key[128];

	buf_printf(out, "%s: ", opt_key(t, o, 0, key, sizeof(key)));
	if (opt_is_set(o, old))
		opt_show(t, o, old, out);
	else
		buf_append_str(out, "(unset)");
	buf_append_str(out, " -> ");
	if (opt_is_set(o, new))
		opt_show(t, o, new, out);
	else
		buf_append_str(out, "(unset)");
}

void
opt_changes(const struct opt_table *t, const void *before, const void *after,
    struct buf *out)
{
	const struct opt *o;

	OPT_FOREACH(o, t) {
		if (opt_equal(o, before, after))
			continue;
		note_change(t, o, before, after, out);
		buf_append_str(out, "\n");
	}
}

int
opt_keep_fixed(const struct opt_table *t, const void *running, void *fresh,
    struct buf *warnings, struct err *e)
{
	const struct opt_table	*one;
	const struct opt	*o;
	struct single		 s;
	int			 rc;

	OPT_FOREACH(o, t) {
		if ((o->flags & OPT_RELOAD) || opt_equal(o, running, fresh))
			continue;
		if (warnings != NULL) {
			note_change(t, o, running, fresh, warnings);
			buf_append_str(warnings, " has to wait for a restart\n");
		}
		one = make_single(&s, t, o);
		opt_release(one, opt_member(o, fresh).any);
		rc = opt_copy(one, opt_member(o, fresh).any,
		    opt_member(o, running).any, e);
		if (rc != 0)
			return rc;
	}
	return 0;
}

/* The table itself -------------------------------------------------- */

static int
check_row(const struct opt_table *t, const struct opt *o, struct err *e)
{
	const struct opt_table	*one;
	const struct opt	*other;
	struct single		 s;
	union value		 v;
	size_t			 n;

	if (o->help == NULL || (n = strlen(o->help)) == 0 ||
	    o->help[n - 1] != '.')
		return err_set(e, ERR_CONFIG, "%s: %s: help must be sentences",
		    t->name, o->name);
	if (o->kind == OPT_KIND_ENUM && o->choices == NULL)
		return err_set(e, ERR_CONFIG, "%s: %s: no choices", t->name,
		    o->name);
	if (o->def == NULL &&
	    (o->kind == OPT_KIND_BOOL || o->kind == OPT_KIND_UINT))
		return err_set(e, ERR_CONFIG, "%s: %s: needs a default",
		    t->name, o->name);
	/* With no room in between, a stored number is never "unset". */
	if ((o->kind == OPT_KIND_INT && (o->min <= INT_MIN ||
	    o->max > INT_MAX)) || (o->kind == OPT_KIND_UINT && (o->min < 0 ||
	    o->max > UINT_MAX)) || ((o->kind == OPT_KIND_TIME ||
	    o->kind == OPT_KIND_SIZE) && o->min < 0) || o->min > o->max)
		return err_set(e, ERR_CONFIG, "%s: %s: bounds do not fit",
		    t->name, o->name);
	OPT_FOREACH(other, t) {
		if (other != o && strcmp(other->name, o->name) == 0)
			return err_set(e, ERR_CONFIG, "%s: %s: listed twice",
			    t->name, o->name);
	}
	one = make_single(&s, t, o);
	if (opt_init(one, &v, NULL) != 0)
		return err_set(e, ERR_CONFIG, "%s: %s: broken default \"%s\"",
		    t->name, o->name, o->def);
	opt_release(one, &v);
	return 0;
}

int
opt_check(const struct opt_table *t, struct err *e)
{
	const struct opt *o;
	int		  rc;

	OPT_FOREACH(o, t) {
		rc = check_row(t, o, e);
		if (rc != 0)
			return rc;
	}
	return 0;
}
