/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "common/optdoc.h"

#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "common/opt.h"

#define INI_WIDTH	79
#define MDOC_WIDTH	70	/* room for escapes is left */

/* The key as documents call it: repoN-path where it has an index. */
static char *
doc_key(const struct opt_table *t, const struct opt *o, char *out, size_t size)
{
	char	key[128];
	size_t	len;

	opt_key(t, o, 0, key, sizeof(key));
	if (t->prefix == NULL) {
		snprintf(out, size, "%s", key);
		return out;
	}
	len = strlen(t->prefix);
	snprintf(out, size, "%sN%s", t->prefix, key + len);
	return out;
}

/*
 * Whether the document says which options need a restart. Where none can
 * change at run time, the remark below each would be noise.
 */
static bool
tells_restart(const struct opt_table *t)
{
	const struct opt *o;

	OPT_FOREACH(o, t) {
		if (o->flags & OPT_RELOAD)
			return true;
	}
	return false;
}

/* True if a sentence ends before p, a blank. */
static bool
sentence_ends(const char *help, const char *p)
{
	return p > help && *p == ' ' && strchr(".!?", p[-1]) != NULL;
}

/* Text on its way into mdoc: where its line began, whether in bold. */
struct mdoc {
	struct buf	*out;
	size_t		 line;		/* buf_len() at its start */
	bool		 bold;
};

static void
end_line(struct mdoc *m)
{
	buf_append_str(m->out, "\n");
	m->line = buf_len(m->out);
}

/*
 * One character of text, escaped. Only words of a file have their hyphens
 * kept as they are typed; "()" would be taken for a function's name.
 */
static void
put_char(struct mdoc *m, const char *p)
{
	bool	at_start = buf_len(m->out) == m->line;

	if (*p == '\\')
		buf_append_str(m->out, "\\e");
	else if (*p == '-' && m->bold)
		buf_append_str(m->out, "\\-");
	else if (at_start && (*p == '.' || *p == '\''))
		buf_printf(m->out, "\\&%c", *p);
	else if (p[0] == '(' && p[1] == ')')
		buf_append_str(m->out, "(\\&");
	else
		buf_append(m->out, p, 1);
}

/* The bytes up to the next blank. */
static size_t
word_length(const char *p)
{
	return strcspn(p, " ");
}

/*
 * Text with *marked* words in bold; a new line for each sentence, as the
 * language wants it, and where a line becomes long.
 */
static void
put_mdoc_text(struct mdoc *m, const char *text)
{
	const char	*p;

	for (p = text; *p != '\0'; p++) {
		if (p[0] == '\\' && p[1] == '*') {
			buf_append_str(m->out, "*");
			p++;
		} else if (*p == '*') {
			m->bold = !m->bold;
			buf_append_str(m->out, m->bold ? "\\fB" : "\\fP");
		} else if (*p == ' ' && ((!m->bold && sentence_ends(text, p)) ||
		    buf_len(m->out) - m->line + word_length(p + 1) >
		    MDOC_WIDTH)) {
			end_line(m);
		} else {
			put_char(m, p);
		}
	}
}

static void
put_mdoc_help(const char *help, struct buf *out)
{
	struct mdoc	m = { out, buf_len(out), false };

	put_mdoc_text(&m, help);
	end_line(&m);
}

/* "Default: x." as it would be written, 0777 and not 511. */
static void
put_mdoc_default(const struct opt *o, struct buf *out)
{
	struct mdoc	m = { out, buf_len(out), true };
	const char	*p;

	if (o->def == NULL || *o->def == '\0') {
		buf_append_str(out, o->def == NULL ? "Not set by default.\n" :
		    "Default: empty.\n");
		return;
	}
	buf_append_str(out, "Default: \\fB");
	for (p = o->def; *p != '\0'; p++) {
		if (*p == ' ' && buf_len(out) - m.line + word_length(p + 1) >
		    MDOC_WIDTH)
			end_line(&m);
		else
			put_char(&m, p);
	}
	buf_append_str(out, "\\fP.\n");
}

void
optdoc_mdoc(const struct opt_table *t, struct buf *out)
{
	const struct opt *o;
	char		  key[128];
	bool		  restart = tells_restart(t);
	bool		  open = false;

	for (o = t->opts; o < t->opts + t->n; o++) {
		if (o->kind == OPT_KIND_GROUP) {
			buf_printf(out, "%s.Ss %s\n.Bl -tag -width Ds\n",
			    open ? ".El\n" : "", o->name);
			open = true;
			continue;
		}
		if (!open)
			buf_append_str(out, ".Bl -tag -width Ds\n");
		open = true;
		buf_printf(out, ".It Ic %s\n",
		    doc_key(t, o, key, sizeof(key)));
		put_mdoc_help(o->help, out);
		put_mdoc_default(o, out);
		if (restart && !(o->flags & OPT_RELOAD))
			buf_append_str(out, "A change needs a restart.\n");
		if (o->flags & OPT_NOT_YET)
			buf_append_str(out, "Not supported yet: accepted "
			    "with a warning, without effect.\n");
	}
	if (open)
		buf_append_str(out, ".El\n");
}

/*
 * Appends the help without its marks as a wrapped comment; `lead`, if any,
 * is its first word.
 */
static void
put_ini_help(const char *lead, const char *help, struct buf *out)
{
	size_t	column = 1;
	size_t	n, width;
	char	word[128];

	buf_append_str(out, ";");
	if (lead != NULL) {
		buf_printf(out, " %s:", lead);
		column += strlen(lead) + 2;
	}
	while (*help != '\0') {
		for (n = width = 0; help[n] != '\0' && help[n] != ' '; n++) {
			if (help[n] == '\\' && help[n + 1] == '*')
				n++;
			else if (help[n] == '*')
				continue;
			if (width < sizeof(word) - 1)
				word[width++] = help[n];
		}
		if (column + 1 + width > INI_WIDTH) {
			buf_append_str(out, "\n;");
			column = 1;
		}
		buf_append_str(out, " ");
		buf_append(out, word, width);
		column += 1 + width;
		help += n + (help[n] == ' ');
	}
	buf_append_str(out, "\n");
}

void
optdoc_ini(const struct opt_table *t, struct buf *out)
{
	const struct opt *o;
	char		  key[128];
	bool		  restart = tells_restart(t);

	for (o = t->opts; o < t->opts + t->n; o++) {
		if (o->kind == OPT_KIND_GROUP) {
			buf_printf(out, "\n;;;\n;;; %s\n;;;\n", o->name);
			continue;
		}
		buf_append_str(out, "\n");
		put_ini_help(NULL, o->help, out);
		if (o->flags & OPT_NOT_YET)
			buf_append_str(out, "; (not supported yet)\n");
		if (restart && !(o->flags & OPT_RELOAD))
			buf_append_str(out, "; (a change needs a restart)\n");
		buf_printf(out, ";%s =%s%s\n",
		    opt_key(t, o, 1, key, sizeof(key)),
		    o->def == NULL || *o->def == '\0' ? "" : " ",
		    o->def == NULL ? "" : o->def);
	}
}

void
optdoc_pairs(const struct opt_table *t, struct buf *out)
{
	const struct opt *o;

	OPT_FOREACH(o, t)
		put_ini_help(o->name, o->help, out);
}

void
optdoc_words(const struct opt_table *t, struct buf *out)
{
	const struct opt	*o;
	const struct opt_choice	*c;
	char			 key[128];

	OPT_FOREACH(o, t) {
		buf_append_str(out, doc_key(t, o, key, sizeof(key)));
		if (o->kind == OPT_KIND_BOOL)
			buf_append_str(out, t->dialect == OPT_PGBACKREST ?
			    " y n" : " 0 1");
		for (c = o->choices; c != NULL && c->word != NULL; c++) {
			if (!c->not_yet)
				buf_printf(out, " %s", c->word);
		}
		buf_append_str(out, "\n");
	}
}
