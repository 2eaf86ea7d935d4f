/* SPDX-License-Identifier: MIT */
/*
 * What prepared statements a server has, and by it its client, when something
 * of what it was sent was not done or was undone: by an error, by DISCARD ALL.
 * The other half, what a client's messages add, is client_statements.c. See
 * prepared.h, requests.h.
 */
#include "common/base.h"
#include "pooler/server.h"

#include "common/wire.h"
#include "pooler/client.h"

/* ---- an error ---- */

/* The names follow what the server has not done. False without memory. */
static bool
undo(struct server *s, struct request *r)
{
	struct client *c = server_listener(s);
	struct ps_entry *e = r->entry;

	if (!r->named)
		return true;
	if (r->type == WIRE_FE_CLOSE && r->kind == REQUEST_SKIP)
		return ps_set_add(&s->known, &r->digest,
		    (enum ps_trust)r->trust) == 0;
	if (r->type == WIRE_FE_CLOSE)
		return c == NULL || e == NULL ||
		    ps_map_put_back(&c->statements, e) == 0;
	if (r->kind != REQUEST_FAKE)
		ps_set_remove(&s->known, &r->digest);
	if (e != NULL) {
		e->gone = true;
		if (c != NULL)
			ps_map_take(&c->statements, e);
	}
	return true;
}

/*
 * The client's unnamed statement is what it was before the messages that an
 * error dropped. If one that was sent later has changed it since, then that
 * is what it was before that one.
 */
static void
undo_unnamed(struct server *s, struct ps_statement *before)
{
	struct client *c = server_listener(s);
	size_t	i;

	for (i = 0; i < s->requests.count; i++) {
		struct request *r = requests_at(&s->requests, i);

		if (r->sets_unnamed) {
			ps_unref(r->unnamed);
			r->unnamed = before;
			return;
		}
	}
	if (c == NULL) {
		ps_unref(before);
		return;
	}
	ps_unref(c->unnamed);
	c->unnamed = before;
}

/*
 * The server's likewise: it is what it was before the oldest message that was
 * dropped, unless one behind the Sync has changed it since.
 */
static void
undo_server_unnamed(struct server *s, const struct request *oldest)
{
	size_t	i;

	for (i = 0; i < s->requests.count; i++) {
		struct request *r = requests_at(&s->requests, i);

		if (r->moves_unnamed) {
			r->was_unnamed = oldest->was_unnamed;
			r->digest = oldest->digest;
			r->trust = oldest->trust;
			return;
		}
	}
	s->unnamed_state = (enum unnamed_state)oldest->was_unnamed;
	s->unnamed = oldest->digest;
	/* What was told since then is not known any more. */
	s->unnamed_trust = PS_SURE;
	if (oldest->trust != PS_SURE && s->unnamed_state == UNNAMED_IS)
		s->unnamed_state = UNNAMED_UNKNOWN;
}

bool
server_undo_dropped(struct server *s, const struct request *failed)
{
	struct ps_statement *before = NULL;
	struct request r, oldest = { 0 };
	bool	ok = true, unnamed = false;

	while (requests_drop(&s->requests, &r)) {
		ok = undo(s, &r) && ok;
		if (r.moves_unnamed)
			oldest = r;
		if (r.sets_unnamed) {
			ps_unref(before);
			before = r.unnamed;
			r.unnamed = NULL;
			unnamed = true;
		}
		server_forget_request(&r);
	}
	/* PostgreSQL has dropped its unnamed statement before anything in the
	 * message that failed could fail. */
	if (failed->sets_unnamed) {
		ps_unref(before);
		before = NULL;
	}
	if (failed->moves_unnamed)
		oldest.was_unnamed = UNNAMED_NONE;
	if (unnamed)
		undo_unnamed(s, before);
	if (oldest.moves_unnamed)
		undo_server_unnamed(s, &oldest);
	return ok;
}

/* ---- DISCARD ALL, DEALLOCATE ALL ---- */

/* The server knows only what it will be told by messages in the queue; its
 * unnamed statement stays. */
static bool
forget_known(struct server *s)
{
	size_t	i;

	ps_set_release(&s->known);
	ps_set_init(&s->known);
	for (i = 0; i < s->requests.count; i++) {
		struct request *r = requests_at(&s->requests, i);

		if (!r->named || r->kind == REQUEST_FAKE)
			continue;
		/* A Close has nothing to undo any more. */
		if (r->type == WIRE_FE_CLOSE)
			r->named = false;
		else if (!ps_set_use(&s->known, &r->digest) &&
		    ps_set_add(&s->known, &r->digest,
		    (enum ps_trust)r->trust) != 0)
			return false;
	}
	return true;
}

/* And the client has only the names that such messages give. */
static bool
forget_names(struct server *s)
{
	struct client *c = server_listener(s);
	struct ps_entry *e;
	size_t	i;

	if (c == NULL || c->state != CLIENT_ACTIVE)
		return true;
	for (i = 0; i < s->requests.count; i++) {
		e = requests_at(&s->requests, i)->entry;
		if (e != NULL)
			e->gone = true;
	}
	for (i = 0; i < s->requests.count; i++) {
		struct request *r = requests_at(&s->requests, i);

		/* Only a Parse in the queue can bring it back. */
		if (r->entry != NULL && r->type == WIRE_FE_PARSE) {
			r->entry->gone = false;
			r->entry->keep = r->entry->in_map;
		}
	}
	ps_map_release(&c->statements);
	for (i = 0; i < s->requests.count; i++) {
		e = requests_at(&s->requests, i)->entry;
		if (e == NULL || !e->keep)
			continue;
		e->keep = false;
		if (ps_map_put_back(&c->statements, e) != 0)
			return false;
	}
	return true;
}

bool
server_forget_statements(struct server *s)
{
	return forget_names(s) && forget_known(s);
}

/* ---- settings ---- */

/*
 * Were statements behind an Execute parsed before the change or after it?
 * Nobody knows, so nobody is to have them.
 */
void
server_settings_told(struct server *s, bool changed)
{
	if (!changed)
		s->executes = false;
	else if (s->unnamed_trust == PS_BEHIND &&
	    s->unnamed_state == UNNAMED_IS)
		s->unnamed_state = UNNAMED_UNKNOWN;
	s->unnamed_trust = PS_SURE;
	ps_set_judge(&s->known, changed ? PS_STALE : PS_SURE);
}
