/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "pooler/server_cancel.h"

#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/log.h"
#include "common/wire.h"
#include "pooler/server.h"
#include "pooler/worker.h"

static void on_stream(struct stream *, enum stream_event, struct lent *,
    const char *, size_t);
static void on_deadline(struct deadline *);

static void
close_requester(int fd)
{
	if (fd >= 0)
		close(fd);
}

static void
free_cancel(struct loop_corpse *corpse)
{
	struct cancel *k = container_of(corpse, struct cancel, corpse);

	slab_give(&k->worker->cancels_slab, k);
}

static void
bury(struct cancel *k)
{
	close_requester(k->requester);
	k->requester = -1;
	k->corpse.fn = free_cancel;
	loop_free_later(&k->worker->loop, &k->corpse);
}

void
cancel_end(struct cancel *k)
{
	struct server *s = k->server;
	struct worker *w = k->worker;
	struct list_node *n;

	stream_close(&k->stream);
	k->server = NULL;
	list_remove(&w->cancels, &k->node);
	deadline_remove(&w->loop.deadlines, &k->deadline);
	while ((n = list_pop(&k->riders)) != NULL)
		bury(container_of(n, struct cancel, node));
	bury(k);
	if (s != NULL)
		server_cancel_over(s);
}

void
cancel_forget_server(struct server *s)
{
	struct list_node *n, *tmp;

	if (s->cancels == 0)
		return;
	LIST_FOREACH(n, tmp, &s->worker->cancels) {
		struct cancel *k = container_of(n, struct cancel, node);

		if (k->server != s)
			continue;
		k->server = NULL;
		if (k->waiting)
			cancel_end(k);
	}
	s->cancels = 0;
}

/* Would a cancel hit a query of ours now? */
static bool
runs_ours(const struct server *s)
{
	return !requests_empty(&s->requests) &&
	    requests_at(&s->requests, 0)->internal;
}

/* Its request that has not been sent yet, or (sent) the one that has been. */
static struct cancel *
find(struct server *s, bool sent)
{
	struct list_node *n, *tmp;

	if (s->cancels == 0)
		return NULL;
	LIST_FOREACH(n, tmp, &s->worker->cancels) {
		struct cancel *k = container_of(n, struct cancel, node);

		if (k->server == s && k->sent == sent)
			return k;
	}
	return NULL;
}

static void
set_off(struct cancel *k)
{
	struct server *s = k->server;

	k->waiting = false;
	k->tls = s->stream.tls != NULL;
	if (stream_connect(&k->stream, k->worker->loop.poller,
	    (struct sockaddr *)&s->target.sa, s->target.len, on_stream) != 0) {
		server_log(s, LV_LOG, "failed cancel request");
		cancel_end(k);
	}
}

void
cancel_server(struct server *s, int fd)
{
	struct worker	     *w = s->worker;
	const struct options *o = worker_options(w);
	struct cancel	     *k = slab_take(&w->cancels_slab), *other;
	uint64_t	      now = loop_now(&w->loop);

	if (k == NULL) {
		close_requester(fd);
		return;
	}
	k->worker = w;
	k->requester = fd;
	k->id = shared_next_id(w->shared);
	k->deadline.fn = on_deadline;
	list_init(&k->riders);
	other = find(s, false);
	if (other != NULL) {
		list_append(&other->riders, &k->node);
		return;
	}
	k->waiting = runs_ours(s) || find(s, true) != NULL;
	k->server = s;
	s->cancels++;
	list_append(&w->cancels, &k->node);
	if (o->cancel_wait_timeout > 0 && deadline_set(&w->loop.deadlines,
	    &k->deadline, now + (uint64_t)o->cancel_wait_timeout) != 0)
		cancel_end(k);
	else if (!k->waiting)
		set_off(k);
}

void
cancel_go_on(struct server *s)
{
	struct cancel *k = find(s, false);

	if (k == NULL || !k->waiting || runs_ours(s))
		return;
	if (!requests_empty(&s->requests)) {
		if (find(s, true) == NULL)
			set_off(k);
		return;
	}
	/* Who calls goes on by itself: it is not told. */
	k->server = NULL;
	s->cancels--;
	cancel_end(k);
}

static void
send_request(struct cancel *k)
{
	struct buf	b = { 0 };
	struct wire_key key;

	if (k->server == NULL) {
		/* Its server went away: there is nothing to cancel. */
		cancel_end(k);
		return;
	}
	key = (struct wire_key){ k->server->pid,
	    (const char *)k->server->key, k->server->key_len };
	wire_put_cancel_request(&b, &key);
	k->sent = true;
	if (buf_failed(&b) || stream_send_copy(&k->stream, buf_bytes(&b),
	    buf_len(&b)) != 0)
		cancel_end(k);
	buf_release(&b);
}

static void
on_connected(struct cancel *k)
{
	struct buf b = { 0 };

	stream_recv_start(&k->stream);
	if (!k->tls) {
		send_request(k);
		return;
	}
	wire_put_ssl_request(&b);
	if (buf_failed(&b) || stream_send_copy(&k->stream, buf_bytes(&b),
	    buf_len(&b)) != 0)
		cancel_end(k);
	buf_release(&b);
}

/* On the terms of the connection whose query is to be cancelled: they may have
 * been changed since. */
static bool
start_tls(struct cancel *k)
{
	struct server *s = k->server;

	return s != NULL && stream_start_tls(&k->stream,
	    stream_tls_context(&s->stream), false, s->target.host) == 0;
}

static void
on_stream(struct stream *stream, enum stream_event ev, struct lent *l UNUSED,
    const char *bytes, size_t n)
{
	struct cancel *k = container_of(stream, struct cancel, stream);

	switch (ev) {
	case SE_CONNECTED:
		on_connected(k);
		return;
	case SE_TLS_READY:
		send_request(k);
		return;
	case SE_DATA:
		/* Only the answer to SSLRequest is expected. */
		if (!k->tls || k->sent || n != 1 || bytes[0] != 'S' ||
		    !start_tls(k))
			cancel_end(k);
		return;
	case SE_DEAF:
	case SE_EOF:
	case SE_ERROR:
		cancel_end(k);
		return;
	case SE_BLOCKED:
	case SE_DRAINED:
	case SE_HANGUP:
		return;
	}
}

static void
on_deadline(struct deadline *d)
{
	struct cancel *k = container_of(d, struct cancel, deadline);

	log_info("closing because: cancel_wait_timeout");
	/* It may be delivered yet, whoever has the server then. */
	if (k->sent && k->server != NULL)
		k->server->close_needed = true;
	cancel_end(k);
}
