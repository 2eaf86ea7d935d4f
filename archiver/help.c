/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/help.h"

#include <stdio.h>
#include <string.h>

#include "archiver/settings.h"
#include "common/buf.h"
#include "common/opt.h"

#define WIDTH	79

static const struct {
	const char	*name, *args, *options, *help;
} verbs[] = {
#define VERB(name, fn, flags, args, options, help) \
	{ name, args, options, help },
#include "archiver/verbs.def"
#undef VERB
};

/* Help of the tables in lines that begin with `indent` blanks. */
static void
put_wrapped(struct buf *out, const char *text, int indent)
{
	char	word[128];
	size_t	n;
	int	column = 0;

	while (*text != '\0') {
		/* *x* marks words of the file, \* is an asterisk. */
		for (n = 0; *text != '\0' && *text != ' '; text++) {
			if (*text == '*')
				continue;
			if (*text == '\\' && text[1] != '\0')
				text++;
			if (n < sizeof(word) - 1)
				word[n++] = *text;
		}
		word[n] = '\0';
		text += strspn(text, " ");
		if (column > 0 && column + 1 + (int)n > WIDTH) {
			buf_append_str(out, "\n");
			column = 0;
		}
		if (column == 0)
			buf_printf(out, "%*s%s", indent, "", word);
		else
			buf_printf(out, " %s", word);
		column += (column == 0 ? indent : 1) + (int)n;
	}
	buf_append_str(out, "\n");
}

static bool
put_option(const char *name, struct buf *out)
{
	const struct opt_table *t = &settings_general_table;
	const struct opt *o = opt_find(t, name, NULL);
	struct buf	value = { 0 };

	if (o == NULL)
		return false;
	buf_printf(out, "\n  --%s\n", name);
	put_wrapped(out, o->help, 6);
	buf_append_str(&value, "Takes ");
	opt_describe(t, o, &value);
	if (o->def != NULL)
		buf_printf(&value, "; default %s", o->def);
	buf_append_str(&value, ".");
	put_wrapped(out, buf_cstr(&value), 6);
	buf_release(&value);
	return true;
}

bool
help_verb(const char *verb, struct buf *out)
{
	const char	*p;
	char		 name[64];
	size_t		 i, n;

	for (i = 0; i < ARRAY_LEN(verbs); i++) {
		if (strcmp(verbs[i].name, verb) == 0)
			break;
	}
	if (i == ARRAY_LEN(verbs))
		return false;
	buf_printf(out, "usage: homelab-archiver %s"
	    "[--option=value ...] %s%s%s\n\n", strcmp(verb, "serve") == 0 ?
	    "" : "--stanza=NAME ", verb, *verbs[i].args == '\0' ? "" : " ",
	    verbs[i].args);
	put_wrapped(out, verbs[i].help, 0);
	for (p = verbs[i].options; *p != '\0'; p += n + strspn(p + n, " ")) {
		n = strcspn(p, " ");
		snprintf(name, sizeof(name), "%.*s", (int)n, p);
		if (!put_option(name, out))
			return false;
	}
	buf_append_str(out, "\nAn option of y or n may be written --option and "
	    "--no-option. Repositories\n(--repo1-path, ...) and the cluster "
	    "(--pg1-path, ...) stand in the file that\n--config names: "
	    "homelab-archiver.ini(5). More: homelab-archiver(1).\n");
	return true;
}
