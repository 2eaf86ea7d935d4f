/* SPDX-License-Identifier: MIT */
/*
 * mangen - fills the option tables into manuals and sample files.
 *
 *	mangen file.in > file
 *
 * A line that is one of these is replaced:
 *
 *	@OPTIONS table@		by an mdoc list	(common/optdoc.h)
 *	@SAMPLE table@		by the body of a sample ini section
 *	@PAIRS table@		by comments on the pairs of a line
 *	@WORDS table@		by words for shell completion
 *
 *	@LIST name@		by the verbs or flags of a program, for
 *				completion
 *
 * and @VERSION@ anywhere by the version. Build-time only. A program that
 * has an option table adds it to the list below.
 */
#include "common/base.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "archiver/settings.h"
#include "common/buf.h"
#include "common/opt.h"
#include "common/optdoc.h"
#include "homelabctl/cli.h"
#include "homelabctl/ctloptions.h"
#include "pooler/options.h"

static const struct {
	const char		*name;
	const struct opt_table	*table;
} tables[] = {
	{ "pooler",		&pooler_option_table },
	{ "pooler-database",	&pooler_db_table },
	{ "pooler-user",	&pooler_user_table },
	{ "homelabctl",		&homelabctl_option_table },
	{ "archiver",		&settings_general_table },
	{ "archiver-pg",	&settings_pg_table },
	{ "archiver-repo",	&settings_repo_table },
};

static const struct {
	const char	*word;
	void		(*print)(const struct opt_table *, struct buf *);
} makers[] = {
	{ "@OPTIONS ",	optdoc_mdoc },
	{ "@SAMPLE ",	optdoc_ini },
	{ "@PAIRS ",	optdoc_pairs },
	{ "@WORDS ",	optdoc_words },
};

/* ---- verbs and flags ---- */

static const char *const archiver_verbs[] = {
#define VERB(name, fn, flags, args, options, help) name,
#include "archiver/verbs.def"
#undef VERB
};

static void
list_archiver_verbs(struct buf *out)
{
	size_t	i;

	for (i = 0; i < ARRAY_LEN(archiver_verbs); i++)
		buf_printf(out, "%s\n", archiver_verbs[i]);
}

static void
list_verbs(struct buf *out)
{
	size_t	i;

	for (i = 0; i < cli_verb_count; i++)
		buf_printf(out, "%s%s%s\n", cli_verbs[i].words,
		    cli_verbs[i].arg == NULL ? "" : " ",
		    cli_verbs[i].arg == NULL ? "" : cli_verbs[i].arg);
}

/* "--time= db restore"; without words it is of every verb. */
static void
list_flags(struct buf *out)
{
	const struct cli_flag *f;

	for (f = cli_flags; f < cli_flags + cli_flag_count; f++)
		buf_printf(out, "--%s%s%s%s\n", f->name, f->value == NULL ?
		    "" : "=", f->verb == NULL ? "" : " ", f->verb == NULL ?
		    "" : f->verb);
}

static const struct {
	const char	*line;
	void		(*print)(struct buf *);
} lists[] = {
	{ "@LIST homelabctl-verbs@\n",		list_verbs },
	{ "@LIST homelabctl-flags@\n",		list_flags },
	{ "@LIST archiver-verbs@\n",		list_archiver_verbs },
};

/* The table called "name@\n", NULL if there is none. */
static const struct opt_table *
find_table(const char *name)
{
	size_t	i, n;

	for (i = 0; i < ARRAY_LEN(tables); i++) {
		n = strlen(tables[i].name);
		if (strncmp(name, tables[i].name, n) == 0 &&
		    strcmp(name + n, "@\n") == 0)
			return tables[i].table;
	}
	return NULL;
}

/* Appends a line with the version filled in. */
static void
put_line(const char *line, struct buf *out)
{
	static const char	 mark[] = "@VERSION@";
	const char		*p;

	for (; (p = strstr(line, mark)) != NULL; line = p + strlen(mark)) {
		buf_append(out, line, (size_t)(p - line));
		buf_append_str(out, HOMELAB_VERSION);
	}
	buf_append_str(out, line);
}

/* Returns false for a mark that names no table. */
static bool
put_expanded(const char *line, struct buf *out)
{
	const struct opt_table	*t;
	size_t			 i, n;

	for (i = 0; i < ARRAY_LEN(lists); i++) {
		if (strcmp(line, lists[i].line) == 0) {
			lists[i].print(out);
			return true;
		}
	}
	for (i = 0; i < ARRAY_LEN(makers); i++) {
		n = strlen(makers[i].word);
		if (strncmp(line, makers[i].word, n) != 0)
			continue;
		t = find_table(line + n);
		if (t != NULL)
			makers[i].print(t, out);
		return t != NULL;
	}
	put_line(line, out);
	return true;
}

int
main(int argc, char **argv)
{
	struct buf	out = { 0 };
	char		line[4096];
	FILE		*in;
	int		n;

	if (argc != 2) {
		fprintf(stderr, "usage: mangen file.in > file\n");
		return 2;
	}
	in = fopen(argv[1], "r");
	if (in == NULL) {
		fprintf(stderr, "mangen: %s: %s\n", argv[1], strerror(errno));
		return 1;
	}
	for (n = 1; fgets(line, sizeof(line), in) != NULL; n++) {
		if (!put_expanded(line, &out)) {
			fprintf(stderr, "mangen: %s:%d: no such table or list\n",
			    argv[1], n);
			fclose(in);
			return 1;
		}
	}
	fclose(in);
	if (buf_failed(&out) || fwrite(buf_bytes(&out), 1, buf_len(&out),
	    stdout) != buf_len(&out) || fflush(stdout) != 0) {
		fprintf(stderr, "mangen: cannot write\n");
		return 1;
	}
	buf_release(&out);
	return 0;
}
