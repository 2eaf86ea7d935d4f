/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "common/optdoc.h"
#include "tests/unit/unit.h"

#include <string.h>

#include "common/buf.h"
#include "common/opt.h"

struct sample {
	bool		flag;
	int		number;
	char		*path;
	char		*query;
	int		fruit;
};

static const struct opt_choice fruits[] = {
	{ "apple", 0, false }, { "fig", 1, true }, { "pear", 2, false },
	{ NULL, 0, false }
};

static const struct opt rows[] = {
	OPT_ROW(struct sample, BOOL, flag, "1", 0, 0, OPT_RELOAD,
	    "Before any group.")
	OPT_GROUP_ROW("First group")
	OPT_ROW(struct sample, INT, number, "0777", 0, 1000, 0,
	    "A *bold-word*, a well-known \\*. Second sentence. .dot \\*x.")
	OPT_ROW(struct sample, STR, path, "", 0, 0, OPT_RELOAD | OPT_NOT_YET,
	    "'Quoted' \\ slash.")
	OPT_GROUP_ROW("Second group")
	OPT_ROW(struct sample, STR, query, NULL, 0, 0, OPT_RELOAD,
	    "Words that go on and on until the line is longer than what a "
	    "manual's source should have, and then a bit.")
	OPT_ENUM_ROW(struct sample, fruit, "pear", fruits, OPT_RELOAD,
	    "Calls f() now.")
};

static const struct opt_table plain = OPT_TABLE("t", NULL, rows,
    struct sample, OPT_PGBOUNCER);
static const struct opt_table indexed = OPT_TABLE("t", "repo", rows,
    struct sample, OPT_PGBACKREST);

static void
expect(void (*print)(const struct opt_table *, struct buf *),
    const struct opt_table *t, const char *want)
{
	struct buf	b = { 0 };

	print(t, &b);
	ck_assert_str_eq(buf_cstr(&b), want);
	buf_release(&b);
}

START_TEST(mdoc)
{
	expect(optdoc_mdoc, &plain,
	    ".Bl -tag -width Ds\n"
	    ".It Ic flag\n"
	    "Before any group.\n"
	    "Default: \\fB1\\fP.\n"
	    ".El\n"
	    ".Ss First group\n"
	    ".Bl -tag -width Ds\n"
	    ".It Ic number\n"
	    "A \\fBbold\\-word\\fP, a well-known *.\n"
	    "Second sentence.\n"
	    "\\&.dot *x.\n"
	    "Default: \\fB0777\\fP.\n"
	    "A change needs a restart.\n"
	    ".It Ic path\n"
	    "\\&'Quoted' \\e slash.\n"
	    "Default: empty.\n"
	    "Not supported yet: accepted with a warning, without effect.\n"
	    ".El\n"
	    ".Ss Second group\n"
	    ".Bl -tag -width Ds\n"
	    ".It Ic query\n"
	    "Words that go on and on until the line is longer than what a "
	    "manual's\nsource should have, and then a bit.\n"
	    "Not set by default.\n"
	    ".It Ic fruit\n"
	    "Calls f(\\&) now.\n"
	    "Default: \\fBpear\\fP.\n"
	    ".El\n");
}
END_TEST

START_TEST(ini)
{
	expect(optdoc_ini, &plain,
	    "\n; Before any group.\n;flag = 1\n"
	    "\n;;;\n;;; First group\n;;;\n"
	    "\n; A bold-word, a well-known *. Second sentence. .dot *x.\n"
	    "; (a change needs a restart)\n;number = 0777\n"
	    "\n; 'Quoted' \\ slash.\n; (not supported yet)\n;path =\n"
	    "\n;;;\n;;; Second group\n;;;\n"
	    "\n; Words that go on and on until the line is longer than what a "
	    "manual's source\n; should have, and then a bit.\n;query =\n"
	    "\n; Calls f() now.\n;fruit = pear\n");
}
END_TEST

/* An index that can be used as it is, and no restart: nothing reloads. */
START_TEST(ini_indexed)
{
	static const struct opt few[] = {
		OPT_ROW(struct sample, INT, number, "7", 0, 9, 0, "A number.")
	};
	static const struct opt_table t = OPT_TABLE("t", "repo", few,
	    struct sample, OPT_PGBACKREST);

	expect(optdoc_ini, &t, "\n; A number.\n;repo1-number = 7\n");
	expect(optdoc_mdoc, &t,
	    ".Bl -tag -width Ds\n"
	    ".It Ic repoN-number\n"
	    "A number.\n"
	    "Default: \\fB7\\fP.\n"
	    ".El\n");
}
END_TEST

START_TEST(pairs)
{
	expect(optdoc_pairs, &plain,
	    "; flag: Before any group.\n"
	    "; number: A bold-word, a well-known *. Second sentence. .dot *x.\n"
	    "; path: 'Quoted' \\ slash.\n"
	    "; query: Words that go on and on until the line is longer than "
	    "what a manual's\n; source should have, and then a bit.\n"
	    "; fruit: Calls f() now.\n");
}
END_TEST

START_TEST(completion)
{
	expect(optdoc_words, &plain,
	    "flag 0 1\nnumber\npath\nquery\nfruit apple pear\n");
	expect(optdoc_words, &indexed,
	    "repoN-flag y n\nrepoN-number\nrepoN-path\nrepoN-query\n"
	    "repoN-fruit apple pear\n");
}
END_TEST

UNIT_MAIN("optdoc", mdoc, ini, ini_indexed, pairs, completion)
