/* SPDX-License-Identifier: MIT */
/*
 * differ - the same client on PostgreSQL itself and through a pooler: are the
 * answers the same, message by message?
 *
 *	differ [-n] dir port pooler-dir pooler-port database seed count
 *	differ [-n] dir port pooler-dir pooler-port database file...
 *
 * Plays the scripts that the seeds make (generate.h), or those in the files
 * (script.h). The database is this process's own; its table t is filled anew
 * before each run. User alice is a superuser; the pooler's console is at
 * user pgbouncer. While the script's client goes through the pooler, others
 * of its pool hold servers, leave their statements and settings on them, or
 * have the console close them, so that the next transaction is somewhere
 * else. With -n the pool is narrow, one server is enough: nobody holds one,
 * and the others ask but do not wait, so that they take turns with the client
 * on its own server.
 *
 * A script whose answers differ twice is shrunk: messages are taken away as
 * long as it still differs. Then it is printed with both transcripts, and
 * can be kept as a file. Exit status 1 if any differed, 2 for trouble.
 */
#include "common/base.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/attack/generate.h"
#include "tests/attack/peer.h"
#include "tests/attack/run.h"
#include "tests/attack/script.h"

/* For one message, and while a script that differs is shrunk. */
#define PATIENT_MS	60000
#define SHRINKING_MS	4000

static struct peer_address direct, pooled, console;
static struct peer control, admin, holder, other;
static bool	held, narrow;
static int	patience = PATIENT_MS;
static int	unread;		/* answers that the other is still to get */
static bool	refused;	/* there was an error among them */
static unsigned long n_played, n_messages, n_answers, n_crashes, n_differ;

/* ---- the others in the pool ---- */

/* The other's answers, if they come in time. It asks for nothing wrong. */
static bool
read_answers(int ms)
{
	struct peer_message m;

	while (unread > 0 && peer_next(&other, ms, &m) && m.type != 0) {
		refused = refused || m.type == 'E';
		unread -= m.type == 'Z';
	}
	if (refused && unread == 0) {
		fputs("differ: an error for the other client\n", stderr);
		exit(2);
	}
	return unread == 0 || other.eof;
}

static void
wait_for_other(void)
{
	if (!read_answers(20000)) {
		fputs("differ: the other client has no answer\n", stderr);
		exit(2);
	}
}

/* The other client asks, unless what it asked before has no answer yet. */
static void
send_script(const struct script *s)
{
	struct buf b = { 0 };
	uint64_t lot = 1;
	size_t	i;

	if (!read_answers(0))
		return;
	for (i = 0; i < s->n; i++) {
		step_encode(&s->step[i], &b);
		unread += s->step[i].type == 'S' || s->step[i].type == 'Q';
	}
	peer_send(&other, buf_bytes(&b), buf_len(&b), 0, &lot);
	buf_release(&b);
	if (!narrow)
		wait_for_other();
}

static void
step(void)
{
	static struct script s;

	script_add(&s, 'Q', "select 1", SCRIPT_END);
	send_script(&s);
	script_release(&s);
}

/* The names and settings that scripts use, with another meaning. */
static void
dirty(void)
{
	static struct script s;

	script_add(&s, 'C', "S", "s1", SCRIPT_END);
	script_add(&s, 'C', "S", "s2", SCRIPT_END);
	script_add(&s, 'C', "S", "s4", SCRIPT_END);
	script_add(&s, 'P', "s1", "select 'another''s'", SCRIPT_END);
	script_add(&s, 'P', "s2", "select 'another''s', $1::text",
	    SCRIPT_END);
	script_add(&s, 'P', "", "select 'another''s unnamed'", SCRIPT_END);
	script_add(&s, 'S', SCRIPT_END);
	script_add(&s, 'Q', "set timezone to 'America/Lima'; "
	    "set datestyle to sql; set application_name to 'other'",
	    SCRIPT_END);
	script_add(&s, 'P', "s4", "select timestamptz '2020-01-01 00:00'",
	    SCRIPT_END);
	script_add(&s, 'P', "", "select timestamptz '2020-01-01 00:00'",
	    SCRIPT_END);
	script_add(&s, 'S', SCRIPT_END);
	send_script(&s);
	script_release(&s);
}

static void
noise(const char *kind)
{
	bool	ok = true;

	if (strcmp(kind, "hold") == 0 || strcmp(kind, "release") == 0) {
		if (narrow)
			return;
		held = strcmp(kind, "hold") == 0;
		ok = peer_query(&holder, held ? "begin" : "rollback", NULL, 0);
	} else if (strcmp(kind, "dirty") == 0) {
		dirty();
	} else if (strcmp(kind, "reconnect") == 0) {
		ok = peer_query(&admin, "RECONNECT", NULL, 0);
	} else {
		step();
	}
	if (!ok && !holder.eof) {
		fprintf(stderr, "differ: %s fails\n", kind);
		exit(2);
	}
}

/* ---- comparing ---- */

struct outcome {
	struct transcript direct, pooled;
	bool	crashed;	/* PostgreSQL did: nothing can be said */
};

static bool
open_all(void)
{
	held = refused = false;
	unread = 0;
	return peer_open(&control, &direct) && peer_open(&admin, &console) &&
	    peer_open(&holder, &pooled) && peer_open(&other, &pooled);
}

static void
close_all(void)
{
	peer_close(&control);
	peer_close(&admin);
	peer_close(&holder);
	peer_close(&other);
}

/*
 * A client that has left may have asked for more than it waited for: on a
 * busy machine that was done after the next one's table was filled.
 */
static void
let_others_end(void)
{
	char	busy[16];
	int	tries, quiet = 0;

	for (tries = 0; tries < 2000 && quiet < 2; tries++) {
		if (!peer_query(&control, "select count(*) from "
		    "pg_stat_activity where datname = current_database() and "
		    "pid <> pg_backend_pid() and state <> 'idle' and "
		    "backend_type = 'client backend'", busy, sizeof(busy)))
			return;
		quiet = strcmp(busy, "0") == 0 ? quiet + 1 : 0;
		poll(NULL, 0, quiet > 0 ? 1 : 10);
	}
}

static bool
fill_table(void)
{
	let_others_end();
	return peer_query(&control, "truncate t; insert into t select i, "
	    "'row ' || i from generate_series(1, 5) i", NULL, 0);
}

/* PostgreSQL itself has crashed (yes: it is random input for it, too). */
static void
recover(void)
{
	int	tries = 0;

	n_crashes++;
	close_all();
	while (!open_all()) {
		close_all();
		if (++tries == 60) {
			fputs("differ: PostgreSQL does not come back\n",
			    stderr);
			exit(2);
		}
		poll(NULL, 0, 1000);
	}
}

/* Returns true if the answers differ. */
static bool
play(const struct script *s, struct outcome *o)
{
	struct stage quiet = { &control, NULL, patience },
	    loud = { &control, noise, patience };

	memset(o, 0, sizeof(*o));
	if (!fill_table()) {
		recover();
		if (!fill_table()) {
			fputs("differ: cannot fill t\n", stderr);
			exit(2);
		}
	}
	run_script(s, &direct, &quiet, NULL, &o->direct);
	if (!o->direct.complete)
		return false;
	if (!fill_table()) {
		o->crashed = true;
		recover();
		return false;
	}
	run_script(s, &pooled, &loud, &o->direct, &o->pooled);
	if (!peer_query(&control, "select 1", NULL, 0)) {
		o->crashed = true;
		recover();
		return false;
	}
	if (held)
		noise("release");
	wait_for_other();
	return transcript_compare(&o->direct, &o->pooled) != SIZE_MAX;
}

static void
release(struct outcome *o)
{
	transcript_release(&o->direct);
	transcript_release(&o->pooled);
}

static bool
differs(const struct script *s)
{
	struct outcome o;
	bool	yes = play(s, &o);

	release(&o);
	return yes;
}

/*
 * A sleep goes together with its cancel or not at all, and all scripts end
 * with an answered query: what a client that leaves has not waited for may
 * be lost on either side.
 */
static bool
may_go(const struct script *s, size_t at, size_t n)
{
	size_t	i;

	if (s->step[s->n - 2].type == 'X' && at + n + 4 > s->n)
		return false;
	for (i = at; i < at + n; i++)
		if (s->step[i].type == 'k' || (s->step[i].n > 0 &&
		    s->step[i].field[s->step[i].n - 1] != NULL &&
		    strstr(s->step[i].field[s->step[i].n - 1], "sleep") !=
		    NULL))
			return n > 1;
	return true;
}

/* Takes away what is not needed: large pieces first, then single steps. */
static void
shrink(struct script *s)
{
	struct script *less = malloc(sizeof(*less));
	size_t	n, at;
	bool	again = true;

	if (less == NULL)
		exit(2);
	while (again) {
		again = false;
		for (n = s->n / 2; n > 0; n /= 2)
			for (at = 0; at + n <= s->n;) {
				script_copy(less, s);
				script_remove(less, at, n);
				if (may_go(s, at, n) && differs(less)) {
					script_release(s);
					script_copy(s, less);
					again = true;
				} else {
					at += n;
				}
				script_release(less);
			}
	}
	script_copy(less, s);
	less->piece = 0;
	if (s->piece != 0 && differs(less))
		s->piece = 0;
	script_release(less);
	free(less);
}

static void
print_transcript(const char *title, const struct transcript *t, size_t from)
{
	size_t	i;

	printf("# %s%s:\n", title, t->complete ? "" : " (no more came)");
	for (i = from > 8 ? from - 8 : 0; i < t->n && i < from + 6; i++)
		printf("#%s %s\n", i == from ? " >" : "  ", t->line[i]);
}

static void
report(const char *name, const struct script *s, const struct outcome *o,
    const char *how)
{
	size_t	at = transcript_compare(&o->direct, &o->pooled);

	printf("# %s differs%s\n", name, how);
	script_print(s, stdout);
	if (at == SIZE_MAX)
		at = o->direct.n;
	print_transcript("PostgreSQL", &o->direct, at);
	print_transcript("pooler", &o->pooled, at);
	fflush(stdout);
}

static bool
is_cancel(const char *line)
{
	return strstr(line, "C=57014 M=canceling statement due to user") != NULL;
}

/*
 * PostgreSQL signals a backend twice for one cancel request (its process, then
 * its group). On a busy machine the second may come when the next query runs,
 * which is cancelled, too: with a pooler or without.
 */
static bool
cancelled_twice(const struct outcome *o)
{
	size_t at = transcript_compare(&o->direct, &o->pooled);

	return at >= 2 && at < o->direct.n && at < o->pooled.n &&
	    is_cancel(o->direct.line[at - 2]) &&
	    is_cancel(o->direct.line[at]) != is_cancel(o->pooled.line[at]);
}

static void
judge(const char *name, struct script *s)
{
	struct outcome first, again;
	bool	bad = play(s, &first);

	if (first.crashed) {
		/* By this script, or by one that ran beside it? */
		release(&first);
		bad = play(s, &first);
		if (first.crashed) {
			printf("# %s: PostgreSQL crashes\n", name);
			script_print(s, stdout);
		}
	}
	n_played++;
	n_messages += s->n;
	n_answers += first.direct.n;
	if (!first.direct.complete && !first.crashed) {
		printf("# %s: PostgreSQL does not answer: mend the model\n",
		    name);
		script_print(s, stdout);
		print_transcript("PostgreSQL", &first.direct, first.direct.n);
		bad = true;
	} else if (bad && differs(s)) {
		patience = SHRINKING_MS;
		shrink(s);
		patience = PATIENT_MS;
		if (play(s, &again))
			report(name, s, &again, "");
		else
			report(name, s, &first, ", not always");
		release(&again);
	} else if (bad && cancelled_twice(&first)) {
		printf("# %s: one cancel, two signals\n", name);
		bad = false;
	} else if (bad) {
		report(name, s, &first, ", but not the second time");
	}
	n_differ += bad;
	release(&first);
}

static void
judge_seed(unsigned long long seed)
{
	static struct script s;
	char	name[64];

	snprintf(name, sizeof(name), "seed %llu", seed);
	script_generate(&s, seed);
	judge(name, &s);
	script_release(&s);
}

static void
judge_file(const char *name)
{
	static struct script s;
	FILE	*f = fopen(name, "r");

	if (f == NULL || !script_parse(&s, f)) {
		fprintf(stderr, "differ: cannot read %s\n", name);
		exit(2);
	}
	fclose(f);
	judge(name, &s);
	script_release(&s);
}

int
main(int argc, char **argv)
{
	unsigned long long seed, count;
	char	*end;
	int	i;

	if (argc > 1 && strcmp(argv[1], "-n") == 0) {
		narrow = true;
		argc--;
		argv++;
	}
	if (argc < 7) {
		fputs("usage: differ [-n] dir port pooler-dir pooler-port "
		    "database seed count|file...\n", stderr);
		return 2;
	}
	direct = (struct peer_address){ argv[1], atoi(argv[2]), "alice",
	    argv[5] };
	pooled = (struct peer_address){ argv[3], atoi(argv[4]), "alice",
	    argv[5] };
	console = pooled;
	console.user = console.database = "pgbouncer";
	if (!open_all())
		return 2;
	seed = strtoull(argv[6], &end, 10);
	if (*end == '\0' && argc == 8) {
		for (count = strtoull(argv[7], NULL, 10); count > 0; count--)
			judge_seed(seed++);
	} else {
		for (i = 6; i < argc; i++)
			judge_file(argv[i]);
	}
	printf("# %lu scripts, %lu steps, %lu answers, PostgreSQL crashed "
	    "%lu times, %lu differ\n", n_played, n_messages, n_answers,
	    n_crashes, n_differ);
	return n_differ > 0;
}
