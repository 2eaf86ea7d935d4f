/* SPDX-License-Identifier: MIT */
/*
 * What the clients of a worker are told from elsewhere: a new one was
 * accepted, a cancel request came in, a login to a pool's server failed or
 * succeeded.
 */
#include "common/base.h"
#include "pooler/client.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "pooler/server.h"
#include "pooler/server_cancel.h"
#include "pooler/worker.h"

static void
take_accepted(struct worker *w, int fd, const struct addr *remote)
{
	if (w->ending)
		close(fd);
	else
		client_accept(w, fd, remote);
}

static void
on_accept(struct loop_task *t)
{
	struct worker_message *m = container_of(t, struct worker_message,
	    task);

	take_accepted(m->to, m->fd, &m->addr);
	worker_message_free(m);
}

void
client_post_accept(struct worker *w, int fd, const struct addr *remote)
{
	struct worker_message *m;

	/* Who accepts keeps its own, without a message to itself. */
	if (w->id == 0) {
		take_accepted(w, fd, remote);
		return;
	}
	m = worker_message_new(w, NULL, on_accept);
	if (m == NULL) {
		close(fd);
		return;
	}
	m->fd = fd;
	m->addr = *remote;
	worker_message_post(m);
}

static void
on_login(struct loop_task *t)
{
	struct worker_message *m = container_of(t, struct worker_message,
	    task);
	struct list_node *n, *tmp;

	LIST_FOREACH(n, tmp, &m->to->clients) {
		struct client *c = container_of(n, struct client, node);

		if (c->pool != m->pool)
			continue;
		if (m->text != NULL)
			client_pool_failed(c, m->sqlstate, m->text);
		else if (c->state == CLIENT_WELCOME)
			client_welcome(c);
	}
	worker_message_free(m);
}

void
client_post_login(struct workers *ws, struct dbpool *pool,
    const char *sqlstate, const char *text)
{
	uint32_t i;

	for (i = 0; i < ws->n; i++) {
		struct worker_message *m = worker_message_new(&ws->all[i],
		    pool, on_login);

		if (m == NULL)
			continue;
		if (text != NULL) {
			m->text = strdup(text);
			snprintf(m->sqlstate, sizeof(m->sqlstate), "%s",
			    sqlstate);
		}
		worker_message_post(m);
	}
}

/* ---- cancel requests ---- */

struct client *
client_find_key(struct worker *w, uint64_t key)
{
	struct hash_node *n = hash_first(&w->cancel_keys, key);

	/* Keys are random, and unique in their table. */
	return n == NULL ? NULL : container_of(n, struct client, key_node);
}

/* A request with this key came in on socket `fd`: what does it stop? */
static void
cancel_by_key(struct worker *w, uint64_t key, int fd)
{
	struct client *c = client_find_key(w, key);

	if (c == NULL || w->ending) {
		close(fd);
		return;
	}
	switch (c->state) {
	case CLIENT_COMMAND:
		client_console_cancel(c);
		break;
	case CLIENT_WAITING:
	case CLIENT_LINKING:
		client_refuse(c);
		break;
	case CLIENT_ACTIVE:
		/* Nothing in flight: the query ended before its cancel came. */
		if (c->server == NULL || requests_empty(&c->server->requests))
			break;
		cancel_server(c->server, fd);
		return;
	case CLIENT_FIRST:
	case CLIENT_TLS:
	case CLIENT_AUTH:
	case CLIENT_WORK:
	case CLIENT_AUTH_QUERY:
	case CLIENT_WELCOME:
	case CLIENT_IDLE:
	case CLIENT_REFUSED:
	case CLIENT_CONSOLE:
	case CLIENT_CLOSED:
	case CLIENT_STATES_:
		break;
	}
	close(fd);
}

static void
on_cancel(struct loop_task *t)
{
	struct worker_message *m = container_of(t, struct worker_message,
	    task);

	cancel_by_key(m->to, m->key, m->fd);
	worker_message_free(m);
}

void
client_post_cancel(struct workers *ws, uint64_t key, int fd)
{
	/* The first byte of a key is its owner's number. */
	uint32_t owner = (uint32_t)(key >> 56);
	struct worker_message *m = NULL;

	if (owner < ws->n)
		m = worker_message_new(&ws->all[owner], NULL, on_cancel);
	if (m == NULL) {
		close(fd);
		return;
	}
	m->key = key;
	m->fd = fd;
	worker_message_post(m);
}
