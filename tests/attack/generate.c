/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "tests/attack/generate.h"

#include <string.h>

#include "tests/attack/peer.h"

struct gen {
	struct script	*s;
	uint64_t	 lot;
	const struct text *named[4];	/* best guess of what a name is */
};

/* For Parse: how many parameters, and values for them. */
struct text {
	const char	*sql;
	int		 params;
	const char	*type;		/* oid of the first, or NULL */
	const char	*value[2];
};

static const struct text texts[] = {
	{ "select 1", 0, NULL, { NULL } },
	{ "select 2", 0, NULL, { NULL } },
	{ "select $1::int + 1", 1, "23", { "41" } },
	{ "select $1::text, $2::text", 2, "25", { "x", NULL } },
	{ "select a, b from t where a <= $1 order by a", 1, NULL, { "3" } },
	{ "select a, b from t order by a", 0, NULL, { NULL } },
	{ "insert into t values ($1, $2)", 2, "23", { "6", "six" } },
	{ "insert into t values (9, 'nine') returning b", 0, NULL, { NULL } },
	{ "select 10 / $1::int", 1, NULL, { "0" } },
	{ "select 10 / $1::int", 1, "23", { "5" } },
	{ "select generate_series(1, $1::int)", 1, NULL, { "4" } },
	{ "select repeat('y', $1::int)", 1, NULL, { "70000" } },
	{ "begin", 0, NULL, { NULL } },
	{ "commit", 0, NULL, { NULL } },
	{ "rollback", 0, NULL, { NULL } },
	{ "savepoint s", 0, NULL, { NULL } },
	{ "rollback to s", 0, NULL, { NULL } },
	{ "declare c cursor for select a from t order by a", 0, NULL,
	    { NULL } },
	{ "fetch 2 from c", 0, NULL, { NULL } },
	{ "copy t from stdin", 0, NULL, { NULL } },
	{ "copy t to stdout", 0, NULL, { NULL } },
	{ "set timezone to 'Asia/Tokyo'", 0, NULL, { NULL } },
	{ "show timezone", 0, NULL, { NULL } },
	{ "deallocate all", 0, NULL, { NULL } },
	{ "discard all", 0, NULL, { NULL } },
	{ "", 0, NULL, { NULL } },
	{ "selec", 0, NULL, { NULL } },
	{ "select 1; select 2", 0, NULL, { NULL } },
	{ "select nothing from nowhere", 0, NULL, { NULL } },
	{ "do $$ begin raise notice 'seen'; end $$", 0, NULL, { NULL } },
	{ "set standard_conforming_strings to off", 0, NULL, { NULL } },
	{ "set datestyle to german, dmy", 0, NULL, { NULL } },
};

static const char *const queries[] = {
	"select 1", "select a, b from t order by a", "select 'x'::int",
	"selec", "", " ; ", "select 1; select 2; select 3",
	"select 1; select 1/0; select 3",
	"insert into t values (7, 'seven') returning a, b",
	"update t set b = b || '!' where a = 1", "delete from t where a > 4",
	"begin", "begin", "commit", "commit", "rollback",
	"start transaction read only", "commit; begin",
	"begin; insert into t values (8, 'eight'); commit",
	"begin; select 1/0; commit", "begin; select 4",
	"savepoint s", "rollback to s", "release s",
	"copy t to stdout", "copy (select a from t order by a) to stdout; "
	"select 3", "declare c cursor for select a from t order by a",
	"fetch 2 from c", "move 1 in c", "close c",
	"set timezone to 'Asia/Tokyo'", "set local timezone to 'UTC'",
	"reset timezone", "show timezone", "set datestyle to german",
	"select date '2020-02-01'", "set application_name to 'x y'",
	"show application_name", "set client_encoding to latin1",
	"set standard_conforming_strings to off", "select 'a\\n'",
	"select set_config('TimeZone', 'UTC', true)",
	"select set_config('TimeZone', 'CET', false)",
	"begin; set timezone to 'EST'; rollback", "reset all",
	"discard all", "deallocate all", "discard plans",
	"discard sequences", "DISCARD ALL; select 1",
	"do $$ begin raise notice 'seen'; end $$",
	"do $$ begin raise exception 'thrown'; end $$",
	"select repeat('z', 300000)", "select generate_series(1, 3000)",
	"begin; create temp table tmp1 (i int) on commit drop; "
	"insert into tmp1 values (1)", "select i + 0 from tmp1", "truncate t",
	"select '{q*100000}'", "copy t from stdin; select 5",
	"lock table t", "vacuum t", "select pg_backend_pid() > 0",
	"/* a comment */ select 6", "values (1), (2)", "table nowhere",
};

static unsigned
draw(struct gen *g, unsigned below)
{
	return peer_draw(&g->lot, below);
}

static bool
chance(struct gen *g, unsigned percent)
{
	return draw(g, 100) < percent;
}

#define add(g, ...)	script_add((g)->s, __VA_ARGS__)

static const char *const names[4] = { "", "s1", "s2", "s3" };
static const char *const portals[3] = { "", "", "p1" };

static void
add_query(struct gen *g)
{
	add(g, 'Q', queries[draw(g, ARRAY_LEN(queries))], SCRIPT_END);
}

static void
add_parse(struct gen *g, unsigned name, const struct text *t)
{
	g->named[name] = t;
	if (t->type != NULL && chance(g, 50))
		add(g, 'P', names[name], t->sql, t->type, SCRIPT_END);
	else
		add(g, 'P', names[name], t->sql, SCRIPT_END);
}

static void
add_bind(struct gen *g, unsigned name, const char *portal)
{
	const struct text *t = g->named[name];
	const char *format = chance(g, 15) ? "b" : "t";
	int	n = t == NULL ? 0 : t->params;

	if (chance(g, 5))
		n = (int)draw(g, 3);	/* too many or too few */
	if (n == 0)
		add(g, 'B', portal, names[name], format, SCRIPT_END);
	else if (n == 1)
		add(g, 'B', portal, names[name], format, chance(g, 5) ?
		    "{w*200000}" : t != NULL && t->value[0] != NULL ?
		    t->value[0] : "1", SCRIPT_END);
	else
		add(g, 'B', portal, names[name], format, t != NULL &&
		    t->value[0] != NULL ? t->value[0] : "1", t != NULL ?
		    t->value[1] : NULL, SCRIPT_END);
}

static const struct text *
any_text(struct gen *g)
{
	return &texts[draw(g, ARRAY_LEN(texts))];
}

/* Was the portal bound in this batch? */
static bool
is_bound(const struct gen *g, const char *portal)
{
	size_t	i;

	for (i = g->s->n; i > 0; i--) {
		const struct step *t = &g->s->step[i - 1];

		if (t->type == 'S' || t->type == 'Q')
			return false;
		if (t->type == 'B' && strcmp(t->field[0], portal) == 0)
			return true;
	}
	return false;
}

/*
 * One message of the extended protocol, whatever it is good for. Rarely it
 * executes a portal of an earlier batch: in a failed transaction that makes
 * PostgreSQL 15 crash.
 */
static void
add_any(struct gen *g)
{
	unsigned name = draw(g, 4), n = draw(g, 100);
	const char *portal = portals[draw(g, 3)];

	if (n < 22)
		add_parse(g, name, any_text(g));
	else if (n < 45)
		add_bind(g, name, portal);
	else if (n < 55)
		add(g, 'D', "S", names[name], SCRIPT_END);
	else if (n < 60)
		add(g, 'D', "P", portal, SCRIPT_END);
	else if (n < 78 && !is_bound(g, portal) && chance(g, 90))
		add_bind(g, name, portal);
	else if (n < 78)
		add(g, 'E', portal, chance(g, 25) ? "2" : "0", SCRIPT_END);
	else if (n < 85)
		add(g, 'C', "S", names[name], SCRIPT_END);
	else if (n < 88)
		add(g, 'C', "P", portal, SCRIPT_END);
	else if (n < 95)
		add(g, 'S', SCRIPT_END);
	else if (n < 97)
		add(g, 'H', SCRIPT_END);
	else if (n < 98)
		add(g, 'c', SCRIPT_END);
	else if (n < 99)
		add(g, 'd', "21\tlate\n", SCRIPT_END);
	else
		add(g, 'f', "late", SCRIPT_END);
}

/* Parse, Bind, Describe, Execute as a driver sends them. */
static void
add_unit(struct gen *g, const struct text *t)
{
	unsigned name = draw(g, 4);
	const char *portal = portals[draw(g, 3)];

	if (g->named[name] == NULL || name == 0 || chance(g, 30)) {
		if (name != 0 && chance(g, 50))
			add(g, 'C', "S", names[name], SCRIPT_END);
		add_parse(g, name, t);
	}
	if (chance(g, 30))
		add(g, 'D', "S", names[name], SCRIPT_END);
	add_bind(g, name, portal);
	if (chance(g, 50))
		add(g, 'D', "P", portal, SCRIPT_END);
	add(g, 'E', portal, chance(g, 15) ? "2" : "0", SCRIPT_END);
}

static void
burst_extended(struct gen *g)
{
	unsigned n = 1 + draw(g, 8);

	while (n-- > 0) {
		if (chance(g, 50))
			add_unit(g, any_text(g));
		else
			add_any(g);
		if (chance(g, 15))
			add(g, 'S', SCRIPT_END);
	}
	if (chance(g, 92))
		add(g, 'S', SCRIPT_END);
	else if (chance(g, 60))
		add(g, 'H', SCRIPT_END);
}

/* The same pipeline with an error at one of its positions. */
static void
burst_error(struct gen *g)
{
	unsigned n = 2 + draw(g, 4), bad = draw(g, n), i;

	for (i = 0; i < n; i++) {
		add_unit(g, any_text(g));
		if (i == bad)
			switch (draw(g, 6)) {
			case 0:
				add(g, 'P', "s1", "selec", SCRIPT_END);
				break;
			case 1:
				add(g, 'B', "", "nobody", "t", SCRIPT_END);
				break;
			case 2:
				add(g, 'E', "nobody", "0", SCRIPT_END);
				break;
			case 3:
				add(g, 'D', "S", "nobody", SCRIPT_END);
				break;
			case 4:
				add(g, 'P', "", "select 1/0", SCRIPT_END);
				add(g, 'B', "", "", "t", SCRIPT_END);
				add(g, 'E', "", "0", SCRIPT_END);
				break;
			default:
				add(g, 'Q', "select 1/0", SCRIPT_END);
				break;
			}
		if (chance(g, 20))
			add(g, 'S', SCRIPT_END);
	}
	add(g, 'S', SCRIPT_END);
}

static void
copy_rows(struct gen *g)
{
	unsigned n = draw(g, 5);

	/* Sync and Flush are passed over, but not behind bad data. */
	for (; n > 0; n--) {
		if (chance(g, 10))
			add(g, 'd', "bad\tline\tof data\n", SCRIPT_END);
		if (chance(g, 12))
			add(g, 'S', SCRIPT_END);
		if (chance(g, 5))
			add(g, 'H', SCRIPT_END);
		add(g, 'd', chance(g, 10) ? "12\t{r*90000}\n" :
		    chance(g, 20) ? "1" : chance(g, 20) ? "3\tc\n14\td\n" :
		    "11\tcopied\n", SCRIPT_END);
	}
}

static void
burst_copy_in(struct gen *g)
{
	bool	extended = chance(g, 50);

	if (extended) {
		add(g, 'P', "", "copy t from stdin", SCRIPT_END);
		add(g, 'B', "", "", "t", SCRIPT_END);
		add(g, 'E', "", "0", SCRIPT_END);
		if (chance(g, 50))
			add(g, 'S', SCRIPT_END);
	} else {
		add(g, 'Q', chance(g, 80) ? "copy t from stdin" :
		    "select 1; copy t from stdin; select 2", SCRIPT_END);
	}
	if (chance(g, 40))
		add(g, 'w', SCRIPT_END);
	copy_rows(g);
	if (chance(g, 10))
		add(g, 'd', "bad\tline\tof data\n", SCRIPT_END);
	if (chance(g, 4))
		add(g, 'Q', "select 'in the middle'", SCRIPT_END);
	if (chance(g, 75))
		add(g, 'c', SCRIPT_END);
	else
		add(g, 'f', "changed my mind", SCRIPT_END);
	if (extended)
		add(g, 'S', SCRIPT_END);
}

/*
 * Literals are read when a statement is parsed. It is closed at once: on
 * another server it would be parsed again, with the settings of then.
 */
static void
burst_literal(struct gen *g)
{
	static const char *const sets[] = {
		"set timezone to 'Asia/Tokyo'", "set timezone to 'UTC'",
		"set datestyle to german, dmy", "set datestyle to iso, mdy",
		"set standard_conforming_strings to off",
		"set standard_conforming_strings to on",
	};
	static const char *const literals[] = {
		"select timestamptz '2020-01-01 00:00'",
		"select date '01/02/2020', 'a\\n'",
	};

	if (chance(g, 60)) {
		if (chance(g, 50)) {
			add(g, 'Q', sets[draw(g, ARRAY_LEN(sets))],
			    SCRIPT_END);
		} else {
			add(g, 'P', "", sets[draw(g, ARRAY_LEN(sets))],
			    SCRIPT_END);
			add(g, 'B', "", "", "t", SCRIPT_END);
			add(g, 'E', "", "0", SCRIPT_END);
		}
		if (chance(g, 50))
			add(g, 'w', SCRIPT_END);
	}
	add(g, 'P', "s4", literals[draw(g, 2)], SCRIPT_END);
	add(g, 'B', "", "s4", "t", SCRIPT_END);
	add(g, 'E', "", "0", SCRIPT_END);
	add(g, 'C', "S", "s4", SCRIPT_END);
	add(g, 'S', SCRIPT_END);
}

static void
burst_function(struct gen *g)
{
	switch (draw(g, 4)) {
	case 0:
		add(g, 'F', "177", "1", "2", SCRIPT_END);
		break;
	case 1:
		add(g, 'F', "154", "1", "0", SCRIPT_END);
		break;
	case 2:
		add(g, 'F', "177", NULL, "2", SCRIPT_END);
		break;
	default:
		add(g, 'F', "99999999", SCRIPT_END);
		break;
	}
}

static void
burst_cancel(struct gen *g)
{
	add(g, 'w', SCRIPT_END);
	if (chance(g, 50)) {
		add(g, 'Q', chance(g, 50) ? "select pg_sleep(30)" :
		    "select 1; select pg_sleep(30); select 2", SCRIPT_END);
	} else {
		if (chance(g, 50))
			add_unit(g, any_text(g));
		add(g, 'P', "", "select pg_sleep(30)", SCRIPT_END);
		add(g, 'B', "", "", "t", SCRIPT_END);
		add(g, 'E', "", "0", SCRIPT_END);
		if (chance(g, 50))
			add_unit(g, any_text(g));
		add(g, 'S', SCRIPT_END);
	}
	if (chance(g, 30))
		add(g, 'Q', "select 'behind'", SCRIPT_END);
	add(g, 'k', SCRIPT_END);
	add(g, 'w', SCRIPT_END);
}

static void
burst(struct gen *g)
{
	unsigned n = draw(g, 100);

	if (n < 25) {
		do {
			add_query(g);
		} while (chance(g, 40));
	} else if (n < 60) {
		burst_extended(g);
	} else if (n < 75) {
		burst_error(g);
	} else if (n < 88) {
		burst_copy_in(g);
	} else if (n < 92) {
		burst_literal(g);
	} else if (n < 97) {
		burst_function(g);
	} else {
		burst_cancel(g);
	}
}

static void
noise(struct gen *g)
{
	static const char *const kinds[] = {
		"hold", "release", "dirty", "dirty", "step", "reconnect"
	};

	add(g, 'n', kinds[draw(g, chance(g, 10) ? 6 : 5)], SCRIPT_END);
}

/* What is left of all that? */
static void
probe(struct gen *g)
{
	static const char *const questions[] = {
		"select a, b from t order by a, b",
		"select current_setting('TimeZone'), "
		"current_setting('DateStyle'), "
		"current_setting('client_encoding'), "
		"current_setting('application_name'), "
		"current_setting('standard_conforming_strings')"
	};
	size_t	i;

	add(g, 'S', SCRIPT_END);
	add(g, 'Q', "rollback", SCRIPT_END);
	for (i = 0; i < ARRAY_LEN(names); i++) {
		add(g, 'D', "S", names[i], SCRIPT_END);
		add(g, 'S', SCRIPT_END);
	}
	for (i = 0; i < ARRAY_LEN(questions); i++)
		add(g, 'Q', questions[i], SCRIPT_END);
}

void
script_generate(struct script *s, uint64_t seed)
{
	struct gen g = { .s = s,
	    .lot = seed * 0x9e3779b97f4a7c15u ^ 0x2545f4914f6cdd1du };
	unsigned n;

	memset(s, 0, sizeof(*s));
	for (n = 0; n < 8; n++)
		(void)draw(&g, 2);
	s->seed = seed + 1;
	n = draw(&g, 10);
	s->piece = n < 6 ? 0 : n < 8 ? 7 : n < 9 ? 60 : 1;
	for (n = 2 + draw(&g, 9); n > 0; n--) {
		burst(&g);
		if (chance(&g, 80)) {
			add(&g, 'w', SCRIPT_END);
			if (chance(&g, 50))
				noise(&g);
		}
	}
	add(&g, 'w', SCRIPT_END);
	probe(&g);
	add(&g, 'w', SCRIPT_END);
	add(&g, 'X', SCRIPT_END);
	add(&g, 'w', SCRIPT_END);
}
