/* SPDX-License-Identifier: MIT */
/*
 * opt - option tables: one line of a table is everything about an option.
 *
 * A program lists its options once, in a .def file of OPT(), OPT_ENUM() and
 * OPT_GROUP() lines. Included in a header the lines are the members of a
 * struct; included in a .c they are the table that parses, bounds, prints,
 * compares and copies these members, and that man page, sample file and
 * completion are made from (common/optdoc). Defaults go through the same
 * parser as the file does. Pure: no files, no clock.
 *
 * Calling sequence:
 *
 *	struct options { OPT lines };		(see OPT_CTYPE_*)
 *	const struct opt_table my_table = OPT_TABLE(...);
 *	opt_init(&my_table, &o, &e);		every member has its default
 *	opt_set(...) any number of times;	from file, environment, argv
 *	opt_release(&my_table, &o);		after which opt_init() is legal
 *
 * A struct belongs to its table: strings and lists in it are owned by it
 * and change only through the functions here. A zeroed struct may be
 * released. An option without a default is *unset* until it is set.
 */
#ifndef COMMON_OPT_H
#define COMMON_OPT_H

#include "common/base.h"

struct buf;
struct err;

/* What a value is: the word in OPT(), its C type, its syntax. */
enum opt_kind {
	OPT_KIND_GROUP,		/* no option: the title of those below it */
	OPT_KIND_BOOL,		/* bool; a number or y/n by dialect; never unset */
	OPT_KIND_INT,		/* int; C syntax (0777) or decimal by dialect */
	OPT_KIND_UINT,		/* unsigned; the same; never unset */
	OPT_KIND_TIME,		/* int64_t microseconds; bare = seconds */
	OPT_KIND_SIZE,		/* int64_t bytes */
	OPT_KIND_STR,		/* char *, NULL = unset */
	OPT_KIND_ENUM,		/* int: the value of one of the choices */
	OPT_KIND_LIST		/* struct opt_list */
};

/* How the members of the struct are declared. */
#define OPT_CTYPE_BOOL	bool
#define OPT_CTYPE_INT	int
#define OPT_CTYPE_UINT	unsigned
#define OPT_CTYPE_TIME	int64_t
#define OPT_CTYPE_SIZE	int64_t
#define OPT_CTYPE_STR	char *
#define OPT_CTYPE_ENUM	int
#define OPT_CTYPE_LIST	struct opt_list

/* The unset values of INT and ENUM, and of TIME and SIZE. */
#define OPT_UNSET	INT32_MIN
#define OPT_UNSET64	INT64_MIN

/* An upper bound for TIME that stands for none: 10000 years. */
#define OPT_TIME_MAX	(INT64_C(10000) * 365 * 86400 * 1000000)

/*
 * Several values. In the PgBouncer dialect they are written with commas,
 * blanks around them do not count, and text is the value as written. In
 * the pgBackRest dialect each opt_add() brings one, commas included.
 */
struct opt_list {
	char	 *text;		/* NULL = unset */
	char	**item;		/* n of them, NULL if none */
	size_t	  n;
};

/* Flags of an option. */
#define OPT_RELOAD	0x1	/* may change while the program runs */
#define OPT_SECRET	0x2	/* never shown, overwritten when freed */
#define OPT_NOT_YET	0x4	/* a key of the peer's; accepted, no effect */
#define OPT_OCTAL	0x8	/* INT: permissions, dumped in octal */

/* One word of an ENUM; the first of equal values is the one printed. */
struct opt_choice {
	const char	*word;	/* NULL ends the array; any case matches */
	int		 value;
	bool		 not_yet; /* refused: "not supported yet" */
};

struct opt {
	const char	*name;	/* as in C: pool_mode; a group's title */
	const char	*def;	/* as in a file; NULL = unset */
	const char	*help;	/* whole sentences; *x* marks a key or value */
	const struct opt_choice *choices;	/* ENUM only */
	size_t		 offset;
	int64_t		 min, max;	/* of the stored number, else 0, 0 */
	enum opt_kind	 kind;
	unsigned	 flags;
};

/* The syntax of names, booleans, numbers and lists. */
enum opt_dialect {
	OPT_PGBOUNCER,		/* pool_mode; 0/1; C integers; comma lists */
	OPT_PGBACKREST		/* process-max; y/n; decimal; repeated keys */
};

struct opt_table {
	const char	*name;	/* "pgbouncer": what messages call it */
	const char	*prefix; /* "repo": keys are repo1-path, repo2-path, … */
	const struct opt *opts;
	size_t		 n;	/* rows, groups included */
	size_t		 size;	/* of the struct */
	enum opt_dialect dialect;
};

/*
 * Makes the rows and the table. In the program's options.c:
 *
 *	static const struct opt rows[] = {
 *	#define OPT(kind, name, def, min, max, flags, help) \
 *		OPT_ROW(struct options, kind, name, def, min, max, flags, help)
 *	#define OPT_ENUM(name, def, choices, flags, help) \
 *		OPT_ENUM_ROW(struct options, name, def, choices, flags, help)
 *	#define OPT_GROUP(title) OPT_GROUP_ROW(title)
 *	#include "program/options.def"
 *	};
 *	const struct opt_table t = OPT_TABLE("global", NULL, rows,
 *	    struct options, OPT_PGBACKREST);
 *
 * and in the header, with OPT_GROUP(title) empty:
 *
 *	#define OPT(kind, name, def, min, max, flags, help) \
 *		OPT_CTYPE_##kind name;
 */
#define OPT_ROW(type, kind, name, def, min, max, flags, help) \
	{ #name, def, help, NULL, offsetof(type, name), min, max, \
	    OPT_KIND_##kind, flags },
#define OPT_ENUM_ROW(type, name, def, choices, flags, help) \
	{ #name, def, help, choices, offsetof(type, name), 0, 0, \
	    OPT_KIND_ENUM, flags },
#define OPT_GROUP_ROW(title) \
	{ title, NULL, NULL, NULL, 0, 0, 0, OPT_KIND_GROUP, 0 },
#define OPT_TABLE(name, prefix, rows, type, dialect) \
	{ name, prefix, rows, ARRAY_LEN(rows), sizeof(type), dialect }

/* for each option of the table, groups left out: const struct opt *o; */
#define OPT_FOREACH(o, t) \
	for ((o) = (t)->opts; (o) < (t)->opts + (t)->n; (o)++) \
		if ((o)->kind != OPT_KIND_GROUP)

/*
 * Checks the table against itself: defaults parse and lie within bounds,
 * names are unique, every option has help that ends in a full stop. For
 * unit tests; the first flaw is described in *e (ERR_CONFIG).
 */
int	opt_check(const struct opt_table *, struct err *e) MUST_CHECK;

/*
 * Sets every member to its default; the struct's former content is taken
 * for rubbish and not freed. On failure (ERR_NOMEM; a broken default is a
 * bug that opt_check() finds) the struct is zeroed.
 */
int	opt_init(const struct opt_table *, void *values, struct err *e)
	    MUST_CHECK;

/* Frees what the struct owns, secrets after overwriting, and zeroes it. */
void	opt_release(const struct opt_table *, void *values);

/*
 * A deep copy into *dst, whose former content is not freed. On failure
 * (ERR_NOMEM) *dst is zeroed.
 */
int	opt_copy(const struct opt_table *, void *dst, const void *src,
	    struct err *e) MUST_CHECK;

/*
 * The option of a key as users write it, NULL if there is none. For a table
 * with a prefix the key is <prefix><n>-<name>, n from 1 to 256 without
 * leading zeros, and *index (may be NULL) becomes n; else *index becomes 0.
 */
const struct opt *opt_find(const struct opt_table *, const char *key,
	    int *index);

/*
 * For a key that opt_find() does not know: the option whose key it looks
 * most like, NULL if none is near (two letters changed, missing or extra,
 * or two neighbours swapped). For a hint.
 */
const struct opt *opt_nearest(const struct opt_table *, const char *key);

/* The key of an option (the reverse of opt_find()), cut to size. */
char	*opt_key(const struct opt_table *, const struct opt *, int index,
	    char *out, size_t size);

/*
 * Parses text and stores it. Nothing changes on failure: ERR_CONFIG
 * (`invalid value "x" for parameter pool_mode`, with a hint that says what
 * would be right), ERR_NOT_YET for a choice that is not done yet, ERR_NOMEM.
 * The value of a secret is not repeated in the message. OPT_NOT_YET options
 * are stored like any other; ask opt_has_no_effect().
 */
int	opt_set(const struct opt_table *, const struct opt *, void *values,
	    const char *text, struct err *e) MUST_CHECK;

/*
 * As opt_set(), but a LIST keeps what it has and gets more: for keys that
 * may be repeated. Of another kind the last value wins.
 */
int	opt_add(const struct opt_table *, const struct opt *, void *values,
	    const char *text, struct err *e) MUST_CHECK;

/* Back to the default. */
int	opt_reset(const struct opt_table *, const struct opt *, void *values,
	    struct err *e) MUST_CHECK;

/* False if it has no value (never so for BOOL and UINT). */
bool	opt_is_set(const struct opt *, const void *values);

/* True if an OPT_NOT_YET option has another value than its default. */
bool	opt_has_no_effect(const struct opt_table *, const struct opt *,
	    const void *values);

/*
 * Appends the value as opt_set() would read it back; nothing if it is
 * unset. Never hides a secret: for what a program itself reads again.
 */
void	opt_print(const struct opt_table *, const struct opt *,
	    const void *values, struct buf *out);

/* As opt_print(), for people: a secret that is set shows as "****". */
void	opt_show(const struct opt_table *, const struct opt *,
	    const void *values, struct buf *out);

/* True if both structs have the same value (or both none). */
bool	opt_equal(const struct opt *, const void *a, const void *b);

/*
 * For a reload: where an option without OPT_RELOAD differs, fresh gets
 * running's value, and *warnings (may be NULL) a line that says so, ending
 * in '\n'. ERR_NOMEM leaves fresh valid but mixed: throw it away.
 */
int	opt_keep_fixed(const struct opt_table *, const void *running,
	    void *fresh, struct buf *warnings, struct err *e) MUST_CHECK;

/* Appends a line "pool_mode: session -> transaction" per difference. */
void	opt_changes(const struct opt_table *, const void *before,
	    const void *after, struct buf *out);

/* Appends what a value of this option may be: "0 or 1", "1 to 65535", … */
void	opt_describe(const struct opt_table *, const struct opt *,
	    struct buf *out);

/* True if the list has this very item. */
bool	opt_list_has(const struct opt_list *, const char *item);

#endif /* COMMON_OPT_H */
