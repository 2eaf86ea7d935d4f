/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "tests/attack/run.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/wire.h"
#include "tests/attack/model.h"

#define SHOWN		60

struct run {
	const struct script *script;
	const struct stage  *stage;
	const struct transcript *like;
	struct transcript   *out;
	struct peer	     peer;
	struct model	     model;
	struct buf	     unsent;
	uint64_t	     lot;
};

/* ---- words for messages ---- */

static void
put_value(struct buf *b, const char *v, size_t n)
{
	uint32_t sum = 0;
	size_t	i;

	for (i = 0; i < n; i++) {
		sum = sum * 31 + (unsigned char)v[i];
		if (i < SHOWN)
			buf_append_u8(b, isprint((unsigned char)v[i]) ?
			    (uint8_t)v[i] : '?');
	}
	buf_printf(b, "(%zu %08x)", n, sum);
}

static void
put_row(struct buf *b, const struct peer_message *m)
{
	struct wire_in in;
	unsigned n;
	int32_t	len;

	wire_in_init(&in, m->body, m->n);
	for (n = wire_get_u16(&in); n > 0 && !in.failed; n--) {
		len = wire_get_i32(&in);
		buf_append_u8(b, '|');
		if (len < 0) {
			buf_append_str(b, "NULL");
			continue;
		}
		put_value(b, in.p, MIN((size_t)len, in.left));
		(void)wire_get_bytes(&in, (size_t)len);
	}
	if (!wire_in_done(&in))
		buf_append_str(b, " BROKEN");
}

/* "...prepared statement "x" requires..." names it as the server does. */
static void
put_error_text(struct buf *b, const char *text)
{
	static const char *const before = "but prepared statement \"";
	const char *name = strstr(text, before), *end;

	if (name != NULL && (end = strstr(name, "\" requires")) != NULL) {
		buf_append(b, text, (size_t)(name - text) + strlen(before));
		buf_append_str(b, "?");
		text = end;
	}
	buf_append_str(b, text);
}

static void
put_error(struct buf *b, const struct peer_message *m)
{
	struct wire_in in;
	uint8_t	field;

	wire_in_init(&in, m->body, m->n);
	while ((field = wire_get_u8(&in)) != 0) {
		const char *text = wire_get_cstr(&in);

		if (strchr("FLR", field) != NULL)
			continue;
		buf_printf(b, " %c=", field);
		put_error_text(b, text);
	}
	if (!wire_in_done(&in))
		buf_append_str(b, " BROKEN");
}

static void
put_message(struct buf *b, const struct peer_message *m)
{
	if (m->type == 0) {
		buf_append_str(b, "end of the connection");
		return;
	}
	buf_append_u8(b, (uint8_t)m->type);
	switch (m->type) {
	case WIRE_BE_DATA_ROW:
		put_row(b, m);
		break;
	case WIRE_BE_ERROR:
	case WIRE_BE_NOTICE:
		put_error(b, m);
		break;
	default:
		buf_append_u8(b, ' ');
		put_value(b, m->body, m->n);
		break;
	}
}

static void
write_down(struct transcript *t, const struct peer_message *m)
{
	struct buf b = { 0 };

	if (t->n == t->cap) {
		t->cap = t->cap == 0 ? 64 : 2 * t->cap;
		t->line = realloc(t->line, t->cap * sizeof(t->line[0]));
	}
	put_message(&b, m);
	if (m->type == WIRE_BE_ERROR && strstr(buf_cstr(&b),
	    "unexpected message type") != NULL)
		t->broken = true;
	if (t->broken) {
		buf_release(&b);
		return;
	}
	if (t->line == NULL || buf_failed(&b) ||
	    (t->line[t->n++] = strdup(buf_cstr(&b))) == NULL) {
		fputs("differ: out of memory\n", stderr);
		exit(2);
	}
	buf_release(&b);
}

void
transcript_release(struct transcript *t)
{
	while (t->n > 0)
		free(t->line[--t->n]);
	free(t->line);
	memset(t, 0, sizeof(*t));
}

/*
 * What is known to differ: a server that lacks a statement cannot be taught
 * it in a failed transaction, so 25P02 comes instead of what else is wrong
 * with the message, or of the description of what returns no rows.
 */
static bool
is_known(const char *postgres, const char *pooler)
{
	return (postgres[0] == WIRE_BE_PARAMETER_DESCRIPTION ||
	    postgres[0] == WIRE_BE_ERROR) && pooler[0] == WIRE_BE_ERROR &&
	    strstr(pooler, "C=25P02") != NULL;
}

size_t
transcript_compare(const struct transcript *a, const struct transcript *b)
{
	size_t	i;

	for (i = 0; i < a->n && i < b->n; i++) {
		if (strcmp(a->line[i], b->line[i]) == 0)
			continue;
		if (!is_known(a->line[i], b->line[i]))
			return i;
	}
	if (b->out_of_step)
		return SIZE_MAX;
	if (!b->complete)
		return i;
	return a->n == b->n || (a->broken && i == a->n) ? SIZE_MAX : i;
}

/* A description is more than one message: the rest lies one further on. */
static bool
falls_out(const struct transcript *postgres, const struct transcript *pooler)
{
	size_t	i = pooler->n - 1;

	return pooler->n > 0 && i < postgres->n && !pooler->broken &&
	    is_known(postgres->line[i], pooler->line[i]) &&
	    postgres->line[i][0] != WIRE_BE_ERROR;
}

/* ---- playing ---- */

static void
send_unsent(struct run *r)
{
	peer_send(&r->peer, buf_bytes(&r->unsent), buf_len(&r->unsent),
	    r->script->piece, &r->lot);
	buf_clear(&r->unsent);
}

/* Takes one message, if it comes in time. */
static bool
listen_for(struct run *r, int ms)
{
	struct peer_message m;

	if (!peer_next(&r->peer, ms, &m))
		return false;
	if (m.type == 0 && r->model.ended)
		return false;
	model_got(&r->model, m.type);
	write_down(r->out, &m);
	if (r->like != NULL && falls_out(r->like, r->out))
		r->out->out_of_step = true;
	return true;
}

static bool
answered(const struct run *r, size_t step)
{
	if (r->model.ended || r->out->broken || r->out->out_of_step)
		return true;
	return r->like != NULL ? r->out->n >= r->like->after[step] :
	    model_done(&r->model);
}

static bool
somebody_sleeps(const struct run *r)
{
	char	value[16] = "";

	peer_query(r->stage->control, "select count(*) from pg_stat_activity "
	    "where datname = current_database() and wait_event = 'PgSleep'",
	    value, sizeof(value));
	return strcmp(value, "0") != 0;
}

/* Cancels the sleep, if the script gets to it. */
static bool
cancel_sleep(struct run *r, size_t step)
{
	int	tries;

	for (tries = r->stage->patience / 5; tries > 0; tries--) {
		if (r->like == NULL && (r->out->broken ||
		    model_done(&r->model)))
			return true;
		if (r->out->out_of_step ||
		    (r->like != NULL && !r->like->slept[step]))
			return true;
		if (somebody_sleeps(r)) {
			r->out->slept[step] = true;
			peer_cancel(&r->peer);
			return true;
		}
		(void)listen_for(r, 5);
	}
	return false;
}

/* Generated data is bad if it says so. */
static char
type_for_model(const struct step *t)
{
	return t->type == WIRE_FE_COPY_DATA && t->n > 0 &&
	    t->field[0] != NULL && strncmp(t->field[0], "bad", 3) == 0 ?
	    MODEL_BAD_DATA : t->type;
}

static bool
play_step(struct run *r, size_t at)
{
	const struct step *t = &r->script->step[at];

	if (step_is_message(t)) {
		step_encode(t, &r->unsent);
		model_sent(&r->model, type_for_model(t));
		return true;
	}
	send_unsent(r);
	if (t->type == 'k')
		return cancel_sleep(r, at);
	if (t->type == 'n') {
		if (r->stage->noise != NULL && t->n > 0 && t->field[0] != NULL)
			r->stage->noise(t->field[0]);
		return true;
	}
	while (!answered(r, at))
		if (!listen_for(r, r->stage->patience))
			return false;
	r->out->after[at] = r->out->n;
	return true;
}

void
run_script(const struct script *script, const struct peer_address *address,
    const struct stage *stage, const struct transcript *like,
    struct transcript *out)
{
	struct run *r = calloc(1, sizeof(*r));
	size_t	i;

	if (r == NULL)
		exit(2);
	memset(out, 0, sizeof(*out));
	r->script = script;
	r->stage = stage;
	r->like = like;
	r->out = out;
	r->lot = script->seed;
	if (peer_open(&r->peer, address)) {
		out->complete = true;
		for (i = 0; i < script->n && out->complete && !out->broken &&
		    !out->out_of_step &&
		    (like == NULL || !like->broken || i <= like->last); i++) {
			out->complete = play_step(r, i);
			out->last = i;
		}
		while (like != NULL && like->broken && out->complete &&
		    !out->out_of_step && out->n < like->n)
			out->complete = listen_for(r, stage->patience);
		peer_close(&r->peer);
	}
	buf_release(&r->unsent);
	free(r);
}
