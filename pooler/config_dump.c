/* SPDX-License-Identifier: MIT */
/* Showing a snapshot to people: -t and -T. */
#include "common/base.h"
#include "pooler/config.h"

#include <string.h>

#include "common/text.h"

static void
dump_options(const struct config *c, struct buf *out)
{
	const struct opt_table	*t = &pooler_option_table;
	const struct opt	*o;

	buf_append_str(out, "[pgbouncer]\n");
	OPT_FOREACH(o, t) {
		buf_printf(out, "%s%s = ",
		    opt_is_set(o, &c->opt) ? "" : ";", o->name);
		if (o->flags & OPT_OCTAL)
			buf_printf(out, "0%o", (unsigned)*(const int *)
			    ((const char *)&c->opt + o->offset));
		else
			opt_show(t, o, &c->opt, out);
		buf_append_str(out, "\n");
	}
}

/* A name as a key; in single quotes unless it is a plain word. */
static void
dump_name(const char *name, struct buf *out)
{
	const char	*p;
	bool		 plain = true;

	for (p = name; *p != '\0'; p++) {
		plain &= text_is_digit(*p) || (*p >= 'a' && *p <= 'z') ||
		    (*p >= 'A' && *p <= 'Z') || strchr("_.*-", *p) != NULL;
	}
	if (plain) {
		buf_append_str(out, name);
		return;
	}
	buf_append_str(out, "'");
	for (p = name; *p != '\0'; p++)
		buf_append(out, *p == '\'' ? "''" : p, *p == '\'' ? 2 : 1);
	buf_append_str(out, "'");
}

/* " key='value'" for each pair that is given. */
static void
dump_pairs(const struct opt_table *t, const void *values, struct buf *out)
{
	const struct opt *o;
	struct buf	  value = { 0 };
	const char	 *p;

	OPT_FOREACH(o, t) {
		if (!opt_is_set(o, values))
			continue;
		buf_clear(&value);
		opt_show(t, o, values, &value);
		p = buf_cstr(&value);
		buf_printf(out, " %s=", o->name);
		if (strpbrk(p, " \t\r\n\v\f'") == NULL) {
			buf_append_str(out, p);
			continue;
		}
		buf_append_str(out, "'");
		for (; *p != '\0'; p++)
			buf_append(out, *p == '\'' ? "''" : p,
			    *p == '\'' ? 2 : 1);
		buf_append_str(out, "'");
	}
	buf_release(&value);
}

void
config_dump(const struct config *c, struct buf *out)
{
	size_t	i;

	dump_options(c, out);
	buf_printf(out, "; the auth file has %zu users\n", c->n_secrets);
	buf_append_str(out, "\n[databases]\n");
	for (i = 0; i < c->n_dbs; i++) {
		dump_name(c->dbs[i].name, out);
		buf_append_str(out, " =");
		dump_pairs(&pooler_db_table, &c->dbs[i].opt, out);
		buf_append_str(out, "\n");
	}
	if (c->fallback != NULL) {
		buf_append_str(out, "* =");
		dump_pairs(&pooler_db_table, &c->fallback->opt, out);
		buf_append_str(out, "\n");
	}
	buf_append_str(out, "\n[users]\n");
	for (i = 0; i < c->n_users; i++) {
		dump_name(c->users[i].name, out);
		buf_append_str(out, " =");
		dump_pairs(&pooler_user_table, &c->users[i].opt, out);
		buf_append_str(out, "\n");
	}
}

int
config_test(const char *path, struct buf *out, struct err *e)
{
	struct config_source	 source = { .path = path };
	struct config		*c;
	const char		*p, *end;
	int			 rc;

	rc = config_load(&source, &c, e);
	if (rc != 0)
		return rc;
	for (p = buf_cstr(&c->warnings); *p != '\0'; p = end + 1) {
		end = strchr(p, '\n');
		buf_append_str(out, "warning: ");
		buf_append(out, p, (size_t)(end - p) + 1);
	}
	buf_printf(out, "%s: ok, %zu databases, %zu users with settings, "
	    "%zu users in the auth file\n", path,
	    c->n_dbs + (c->fallback != NULL), c->n_users, c->n_secrets);
	config_free(c);
	return 0;
}
