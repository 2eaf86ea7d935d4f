/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "pooler/walk.h"

#include "common/list.h"
#include "common/log.h"
#include "pooler/client.h"
#include "pooler/server.h"
#include "pooler/worker.h"

void
walk_clients(struct worker *w, void *arg)
{
	struct walk_clients *k = arg;
	struct client	   **found;
	struct list_node    *n, *tmp;
	size_t		     i, count = 0;

	found = calloc(list_count(&w->clients) + 1, sizeof(struct client *));
	if (found == NULL) {
		log_error("out of memory");
		return;
	}
	LIST_FOREACH(n, tmp, &w->clients) {
		struct client *c = container_of(n, struct client, node);

		if (k->match(c, k->arg))
			found[count++] = c;
	}
	k->n += count;
	for (i = 0; i < count && k->act != NULL; i++) {
		/* Closing one may have closed it, or changed its state. */
		if (found[i]->state != CLIENT_CLOSED &&
		    k->match(found[i], k->arg))
			k->act(found[i], k->arg);
	}
	free(found);
}

void
walk_servers(struct worker *w, void *arg)
{
	struct walk_servers *k = arg;
	struct server	   **found;
	struct list_node    *n, *tmp;
	size_t		     i, count = 0;

	found = calloc(list_count(&w->servers) + 1, sizeof(struct server *));
	if (found == NULL) {
		log_error("out of memory");
		return;
	}
	LIST_FOREACH(n, tmp, &w->servers) {
		struct server *s = container_of(n, struct server, node);

		if (k->match(s, k->arg))
			found[count++] = s;
	}
	k->n += count;
	for (i = 0; i < count && k->act != NULL; i++) {
		if (found[i]->state != SERVER_CLOSED &&
		    k->match(found[i], k->arg))
			k->act(found[i], k->arg);
	}
	free(found);
}
