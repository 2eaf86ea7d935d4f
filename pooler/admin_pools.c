/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "pooler/admin_impl.h"

#include <string.h>

#include "pooler/client.h"
#include "pooler/control.h"
#include "pooler/server.h"
#include "pooler/server_cancel.h"
#include "pooler/table.h"

/* ---- POOLS ---- */

struct tally {
	struct dbpool	*pool;
	unsigned	 cl_active, cl_waiting, cl_cancel, cl_waiting_cancel;
	unsigned	 sv_active, sv_being_canceled, sv_idle, sv_used,
			 sv_tested, sv_login;
};

struct tallies {
	struct tally	*row;		/* sorted by address while counting */
	size_t		 n;
};

static int
by_address(const void *a, const void *b)
{
	const struct tally *x = a, *y = b;

	return (uintptr_t)x->pool < (uintptr_t)y->pool ? -1 :
	    (uintptr_t)x->pool > (uintptr_t)y->pool;
}

static int
by_name(const void *a, const void *b)
{
	const struct tally *x = a, *y = b;
	int	r = strcmp(x->pool->db->name, y->pool->db->name);

	return r != 0 ? r : strcmp(x->pool->user->name, y->pool->user->name);
}

/* NULL for a pool that was made after we had begun. */
static struct tally *
tally_of(struct tallies *all, struct dbpool *pool)
{
	struct tally key = { .pool = pool };

	return bsearch(&key, all->row, all->n, sizeof(key), by_address);
}

static void
count_client(struct tallies *all, const struct client *c)
{
	struct tally *t = c->pool == NULL ? NULL : tally_of(all, c->pool);
	const char   *state = client_state_show(c->state);

	if (t == NULL)
		return;
	if (strcmp(state, "waiting") == 0)
		t->cl_waiting++;
	else if (c->logged_in)
		t->cl_active++;
}

static void
count_server(struct tallies *all, const struct server *s, uint64_t now)
{
	struct tally *t = tally_of(all, s->pool);
	const char   *state = server_state_show(s, now);

	if (t == NULL)
		return;
	if (strcmp(state, "active") == 0)
		t->sv_active++;
	else if (strcmp(state, "being_canceled") == 0)
		t->sv_being_canceled++;
	else if (strcmp(state, "idle") == 0)
		t->sv_idle++;
	else if (strcmp(state, "used") == 0)
		t->sv_used++;
	else if (strcmp(state, "tested") == 0)
		t->sv_tested++;
	else
		t->sv_login++;
}

static void
count(struct worker *w, void *arg)
{
	struct tallies	 *all = arg;
	struct list_node *n, *tmp;
	uint64_t	  now = loop_now(&w->loop);

	LIST_FOREACH(n, tmp, &w->clients)
		count_client(all, container_of(n, struct client, node));
	LIST_FOREACH(n, tmp, &w->servers)
		count_server(all, container_of(n, struct server, node), now);
	LIST_FOREACH(n, tmp, &w->cancels) {
		struct cancel *k = container_of(n, struct cancel, node);
		struct tally  *t = k->server == NULL ? NULL :
		    tally_of(all, k->server->pool);

		if (t == NULL)
			continue;
		if (k->waiting)
			t->cl_waiting_cancel++;
		else
			t->cl_cancel++;
		t->cl_waiting_cancel += (unsigned)list_count(&k->riders);
	}
}

static bool
list_pools(struct control *p, struct tallies *all)
{
	struct list_node *n, *tmp;

	all->n = 0;
	pthread_mutex_lock(&p->shared.registry.lock);
	all->row = calloc(list_count(&p->shared.registry.pools) + 1,
	    sizeof(*all->row));
	LIST_FOREACH(n, tmp, &p->shared.registry.pools) {
		if (all->row != NULL)
			all->row[all->n++].pool = container_of(n,
			    struct dbpool, list_node);
	}
	pthread_mutex_unlock(&p->shared.registry.lock);
	return all->row != NULL;
}

static void
put_pool(struct table *t, const struct tally *y, uint64_t now)
{
	struct dbpool		*pool = y->pool;
	const struct config_db	*conf = pool->db->conf;
	uint64_t		 oldest, wait;

	(void)pool_waiting(&pool->core, &oldest);
	wait = oldest < now ? now - oldest : 0;
	table_row(t);
	table_text(t, pool->db->name);
	table_text(t, pool->user->name);
	table_uint(t, y->cl_active);
	table_uint(t, y->cl_waiting);
	table_uint(t, y->cl_cancel);
	table_uint(t, y->cl_waiting_cancel);
	table_uint(t, y->sv_active);
	table_uint(t, y->cl_cancel);	/* one connection each */
	table_uint(t, y->sv_being_canceled);
	table_uint(t, y->sv_idle);
	table_uint(t, y->sv_used);
	table_uint(t, y->sv_tested);
	table_uint(t, y->sv_login);
	table_uint(t, wait / 1000000);
	table_uint(t, wait % 1000000);
	table_text(t, options_pool_mode_name(pool->mode));
	table_text(t, conf == NULL || conf->n_hosts < 2 ? NULL :
	    options_load_balance_name(conf->opt.load_balance_hosts ==
	    OPT_UNSET ? LOAD_BALANCE_ROUND_ROBIN :
	    (enum load_balance)conf->opt.load_balance_hosts));
}

void
admin_show_pools(struct admin_request *r)
{
	struct tallies all;
	struct table   t;
	size_t	       i;

	if (!list_pools(r->control, &all)) {
		admin_error(r, "no mem");
		return;
	}
	if (all.n > 0)
		qsort(all.row, all.n, sizeof(*all.row), by_address);
	workers_call(&r->control->workers, count, &all);
	if (all.n > 0)
		qsort(all.row, all.n, sizeof(*all.row), by_name);
	table_begin(&t, &r->ask.answer, "s:database s:user i:cl_active "
	    "i:cl_waiting i:cl_active_cancel_req i:cl_waiting_cancel_req "
	    "i:sv_active i:sv_active_cancel i:sv_being_canceled i:sv_idle "
	    "i:sv_used i:sv_tested i:sv_login i:maxwait i:maxwait_us "
	    "s:pool_mode s:load_balance_hosts");
	for (i = 0; i < all.n; i++)
		put_pool(&t, &all.row[i], loop_clock());
	table_end(&t, "SHOW");
	free(all.row);
	admin_done(r, NULL);
}

/* ---- WORKERS ---- */

static void
put_worker(struct worker *w, void *arg)
{
	struct table	   *t = arg;
	struct poller_stats s;

	poller_get_stats(w->loop.poller, &s);
	table_row(t);
	table_uint(t, w->id);
	table_uint(t, list_count(&w->clients));
	table_uint(t, list_count(&w->servers));
	table_uint(t, worker_load(w, loop_clock()) / 10);
	table_uint(t, s.conns);
	table_uint(t, s.lent_out);
	table_uint(t, s.lent_all);
	table_uint(t, w->loop.busy_us);
}

void
admin_show_workers(struct admin_request *r)
{
	struct table t;

	table_begin(&t, &r->ask.answer, "i:worker i:clients i:servers "
	    "i:busy_percent i:sockets i:buffers_lent i:buffers_all "
	    "q:busy_us");
	workers_call(&r->control->workers, put_worker, &t);
	table_end(&t, "SHOW");
	admin_done(r, NULL);
}

/* ---- LISTS, MEM ---- */

/* What all workers' slabs have together. */
struct memory {
	struct slab	clients, cancels;	/* only the counts count */
	size_t		lent, lent_free;
};

static void
add_slab(struct slab *sum, const struct slab *s)
{
	sum->name = s->name;
	sum->size = s->size;
	sum->used += s->used;
	sum->free += s->free;
	sum->bytes += s->bytes;
}

static void
add_memory(struct worker *w, void *arg)
{
	struct memory	   *m = arg;
	struct poller_stats s;

	add_slab(&m->clients, &w->clients_slab);
	add_slab(&m->cancels, &w->cancels_slab);
	poller_get_stats(w->loop.poller, &s);
	m->lent += s.lent_out;
	m->lent_free += s.lent_all - s.lent_out;
}

static struct slab
servers_slab(struct control *p)
{
	struct slab copy;

	pthread_mutex_lock(&p->shared.slab_lock);
	copy = p->shared.servers_slab;
	pthread_mutex_unlock(&p->shared.slab_lock);
	return copy;
}

static void
put_item(struct table *t, const char *name, size_t n)
{
	table_row(t);
	table_text(t, name);
	table_uint(t, n);
}

void
admin_show_lists(struct admin_request *r)
{
	struct control	*p = r->control;
	struct registry *reg = &p->shared.registry;
	struct memory	 m = { 0 };
	struct slab	 servers = servers_slab(p);
	struct table	 t;
	size_t		 databases, users, pools;
	int		 logins = atomic_load(&p->shared.login_count);
	const char	**names = admin_list_users(p, &users);

	free(names);
	workers_call(&p->workers, add_memory, &m);
	pthread_mutex_lock(&reg->lock);
	databases = list_count(&reg->databases);
	pools = list_count(&reg->pools);
	pthread_mutex_unlock(&reg->lock);
	table_begin(&t, &r->ask.answer, "s:list i:items");
	put_item(&t, "databases", databases);
	put_item(&t, "users", users);
	put_item(&t, "peers", 0);
	put_item(&t, "pools", pools);
	put_item(&t, "peer_pools", 0);
	put_item(&t, "free_clients", m.clients.free);
	put_item(&t, "used_clients", m.clients.used);
	put_item(&t, "login_clients", logins > 0 ? (size_t)logins : 0);
	put_item(&t, "free_servers", servers.free);
	put_item(&t, "used_servers", servers.used);
	put_item(&t, "dns_names", 0);
	put_item(&t, "dns_zones", 0);
	put_item(&t, "dns_queries", 0);
	put_item(&t, "dns_pending", 0);
	table_end(&t, "SHOW");
	admin_done(r, NULL);
}

static void
put_memory(struct table *t, const char *name, size_t size, size_t used,
    size_t free, size_t bytes)
{
	table_row(t);
	table_text(t, name);
	table_uint(t, size);
	table_uint(t, used);
	table_uint(t, free);
	table_uint(t, bytes);
}

void
admin_show_mem(struct admin_request *r)
{
	struct control	*p = r->control;
	struct registry *reg = &p->shared.registry;
	struct memory	 m = { 0 };
	struct slab	 s = servers_slab(p);
	struct table	 t;
	size_t		 users, dbs, pools;

	workers_call(&p->workers, add_memory, &m);
	pthread_mutex_lock(&reg->lock);
	users = list_count(&reg->users);
	dbs = list_count(&reg->databases);
	pools = list_count(&reg->pools);
	pthread_mutex_unlock(&reg->lock);
	table_begin(&t, &r->ask.answer, "s:name i:size i:used i:free i:memtotal");
	put_memory(&t, "user_cache", sizeof(struct user), users, 0,
	    users * sizeof(struct user));
	put_memory(&t, "db_cache", sizeof(struct database), dbs, 0,
	    dbs * sizeof(struct database));
	put_memory(&t, "pool_cache", sizeof(struct dbpool), pools, 0,
	    pools * sizeof(struct dbpool));
	put_memory(&t, "client_cache", m.clients.size, m.clients.used,
	    m.clients.free, m.clients.bytes);
	put_memory(&t, "server_cache", s.size, s.used, s.free, s.bytes);
	put_memory(&t, "cancel_cache", m.cancels.size, m.cancels.used,
	    m.cancels.free, m.cancels.bytes);
	put_memory(&t, "iobuf_cache", sizeof(struct lent), m.lent,
	    m.lent_free, (m.lent + m.lent_free) * sizeof(struct lent));
	table_end(&t, "SHOW");
	admin_done(r, NULL);
}
