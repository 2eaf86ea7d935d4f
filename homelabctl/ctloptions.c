/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "homelabctl/ctloptions.h"

#include <string.h>
#include <unistd.h>

#include "common/conf.h"
#include "common/err.h"

static const struct opt rows[] = {
#define OPT(kind, name, def, min, max, flags, help) \
	OPT_ROW(struct ctloptions, kind, name, def, min, max, flags, help)
#define OPT_GROUP(title) OPT_GROUP_ROW(title)
#include "homelabctl/ctloptions.def"
#undef OPT
#undef OPT_GROUP
};

const struct opt_table homelabctl_option_table = OPT_TABLE("homelabctl",
    NULL, rows, struct ctloptions, OPT_PGBOUNCER);

static int
on_line(void *arg, const struct conf_line *l, struct err *e)
{
	const struct opt_table	*t = &homelabctl_option_table;
	const struct opt	*o, *near;
	int	rc;

	if (strcmp(l->section, t->name) != 0)
		return err_set(e, ERR_CONFIG, "unknown section [%s] (%s:%d)",
		    l->section, l->file, l->line);
	if (l->key == NULL)
		return 0;
	o = opt_find(t, l->key, NULL);
	if (o != NULL) {
		rc = opt_set(t, o, arg, l->value, e);
		return rc == 0 ? 0 : err_wrap(e, "%s:%d", l->file, l->line);
	}
	err_set(e, ERR_CONFIG, "%s:%d: unknown key %s", l->file, l->line,
	    l->key);
	near = opt_nearest(t, l->key);
	if (near != NULL)
		err_hint(e, "did you mean %s?", near->name);
	return e->code;
}

int
ctloptions_load(const char *path, struct ctloptions *o, struct err *e)
{
	int	rc = opt_init(&homelabctl_option_table, o, e);

	if (rc != 0)
		return rc;
	if (path == NULL && access(OPTIONS_FILE, F_OK) != 0)
		return 0;
	rc = conf_parse(path == NULL ? OPTIONS_FILE : path, on_line, o, e);
	if (rc != 0 && e->hint[0] == '\0')
		err_hint(e, rc == ERR_NOT_FOUND ? "--config names a file that "
		    "is there; without it " OPTIONS_FILE " is read" :
		    "man homelabctl describes the file");
	if (rc != 0)
		ctloptions_release(o);
	return rc;
}

void
ctloptions_release(struct ctloptions *o)
{
	opt_release(&homelabctl_option_table, o);
}
