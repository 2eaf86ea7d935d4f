/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "pooler/pooler.h"

#include <gnu/libc-version.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/err.h"
#include "common/log.h"
#include "common/random.h"
#include "common/tls.h"
#include "pooler/admin.h"
#include "pooler/authcache.h"
#include "pooler/client.h"
#include "pooler/deal.h"
#include "pooler/listen.h"
#include "pooler/maintain.h"
#include "pooler/params.h"
#include "pooler/process.h"
#include "pooler/reload.h"
#include "pooler/server.h"
#include "pooler/server_cancel.h"
#include "pooler/signals.h"
#include "pooler/version.h"

/* The first byte of a cancel key is the worker's number. */
#define MAX_WORKERS	256
#define AUTH_CACHE_MAX	10000

/* ---- what workers and listeners are told ---- */

static void
close_all(struct worker *w)
{
	struct list_node *n, *tmp;

	LIST_FOREACH(n, tmp, &w->clients)
		client_close(container_of(n, struct client, node), NULL);
	while ((n = list_first(&w->cancels)) != NULL)
		cancel_end(container_of(n, struct cancel, node));
	while ((n = list_first(&w->servers)) != NULL)
		server_close(container_of(n, struct server, node), NULL);
}

static const struct worker_hooks worker_hooks = {
	.client_size = sizeof(struct client),
	.cancel_size = sizeof(struct cancel),
	.leave = server_leave_all,
	.close_all = close_all,
};

/* A connection was accepted: gives it to a worker. */
static void
deal(struct listen_owner *owner, int fd, const struct addr *remote)
{
	struct control *p = &container_of(owner, struct pooler,
	    listen_owner)->control;
	struct deal_load loads[MAX_WORKERS];
	uint64_t clock = loop_now(&p->workers.all[0].loop);
	uint32_t i;

	for (i = 0; i < p->workers.n; i++) {
		struct worker *w = &p->workers.all[i];

		loads[i] = (struct deal_load){ worker_load(w, clock),
		    atomic_load(&p->dealt[i]), atomic_load(&w->n_clients) };
	}
	i = deal_choose(loads, p->workers.n);
	atomic_fetch_add(&p->dealt[i], 1);
	client_post_accept(&p->workers.all[i], fd, remote);
}

/* ---- birth ---- */

static int
make_names(struct control *p, const struct options *o, struct err *e)
{
	/* Tracked always: contract, section 8.4. */
	static const char *const always[] = { "client_encoding", "DateStyle",
	    "TimeZone", "standard_conforming_strings", "application_name" };
	size_t	i;
	int	r = 0;

	p->shared.names = params_names_new();
	if (p->shared.names == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	for (i = 0; i < ARRAY_LEN(always) && r == 0; i++)
		r = params_names_add(p->shared.names, always[i]);
	for (i = 0; i < o->track_extra_parameters.n && r == 0; i++)
		r = params_names_add(p->shared.names,
		    o->track_extra_parameters.item[i]);
	if (r != 0)
		err_set(e, r, "failed to parse track_extra_parameters in "
		    "config %s", o->track_extra_parameters.text);
	return r;
}

static uint32_t
count_workers(const struct options *o)
{
	long	n = o->worker_threads;

	if (n == 0)
		n = sysconf(_SC_NPROCESSORS_ONLN);
	return (uint32_t)MAX(1, MIN(n, MAX_WORKERS));
}

/*
 * Whether the kernel gives io_uring is found out by asking for it. The
 * control thread has epoll always: it has little to do.
 */
static int
choose_io(const struct options *o, enum poller_io *io, struct err *e)
{
	struct poller *probe;
	int	r;

	*io = POLLER_EPOLL;
	if (o->io_backend == IO_BACKEND_EPOLL)
		return 0;
	r = poller_new(POLLER_URING, &probe);
	if (r == 0) {
		poller_free(probe);
		*io = POLLER_URING;
		return 0;
	}
	if (o->io_backend == IO_BACKEND_AUTO) {
		log_info("io_uring is not available (%s), using epoll",
		    err_text(r));
		return 0;
	}
	err_set(e, r, "io_uring is not available: %s", err_text(r));
	err_hint(e, "io_backend = auto takes epoll then; containers and "
	    "kernel.io_uring_disabled forbid io_uring, kernels before 6.1 "
	    "lack what is needed");
	return r;
}

static int
make_workers(struct control *p, uint32_t n, struct err *e)
{
	enum poller_io io;
	int	r = choose_io(&p->shared.config->opt, &io, e);

	if (r != 0)
		return r;
	p->dealt = calloc(n, sizeof(*p->dealt));
	if (p->dealt == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	return workers_init(&p->workers, n, io, &p->shared, &worker_hooks, e);
}

static int
make_console_pool(struct control *p, struct err *e)
{
	struct user *u = registry_user(&p->shared.registry, CONFIG_ADMIN_DB);

	p->console_pool = u == NULL ? NULL :
	    registry_pool(&p->shared.registry, p->shared.registry.admin, u);
	return p->console_pool != NULL ? 0 :
	    err_set(e, ERR_NOMEM, "out of memory");
}

static int
make_secrets(struct shared *sh, struct err *e)
{
	if (random_fill(&sh->prepared_seed, sizeof(sh->prepared_seed)) != 0 ||
	    random_fill(sh->mock_key, sizeof(sh->mock_key)) != 0)
		return err_set(e, ERR_SYS, "no random numbers");
	sh->auth_cache = authcache_new(AUTH_CACHE_MAX);
	return sh->auth_cache != NULL ? 0 :
	    err_set(e, ERR_NOMEM, "out of memory");
}

/* What the control thread does beside accepting. */
static int
make_duties(struct pooler *p, struct err *e)
{
	p->admin = admin_new(&p->control);
	p->maintain = maintain_new(&p->control, p->admin);
	return p->maintain != NULL && p->admin != NULL ? 0 :
	    err_set(e, ERR_NOMEM, "out of memory");
}

static int
fill(struct pooler *p, struct err *e)
{
	struct control	*k = &p->control;
	struct shared	*sh = &k->shared;
	const struct options *o = &sh->config->opt;
	uint32_t n = count_workers(o);
	int	 r;

	sh->port = (uint16_t)o->listen_port;
	r = reload_tls(o, &sh->client_tls, &sh->server_tls, e);
	if (r == 0)
		r = make_names(k, o, e);
	if (r == 0)
		r = registry_init(&sh->registry, n, sh->names, e);
	if (r == 0) {
		p->registry_ready = true;
		r = registry_apply(&sh->registry, sh->config, e);
	}
	if (r == 0)
		r = make_console_pool(k, e);
	if (r == 0)
		r = make_secrets(sh, e);
	if (r == 0)
		r = make_duties(p, e);
	if (r == 0)
		r = make_workers(k, n, e);
	if (r == 0)
		r = signals_new(k, &p->signals, e);
	p->listen_owner.worker = k->workers.all;
	if (r == 0)
		r = listeners_new(&p->listen_owner, o, &k->listeners, e);
	return r;
}

int
pooler_new(struct config *config, const struct config_source *source,
    struct pooler **out, struct err *e)
{
	struct pooler  *p = calloc(1, sizeof(*p));
	struct control *k;
	int	r;

	if (p == NULL) {
		config_free(config);
		return err_set(e, ERR_NOMEM, "out of memory");
	}
	k = &p->control;
	r = loop_init(&k->loop, POLLER_EPOLL, e);
	if (r != 0) {
		config_free(config);
		free(p);
		return r;
	}
	k->shared.config = config;
	k->source = *source;
	p->listen_owner = (struct listen_owner){ .deal = deal };
	pthread_mutex_init(&k->shared.slab_lock, NULL);
	slab_init(&k->shared.servers_slab, "server_cache",
	    sizeof(struct server), 0);
	r = fill(p, e);
	if (r != 0) {
		pooler_free(p);
		return r;
	}
	*out = p;
	return 0;
}

/* ---- life ---- */

static void
log_start(const struct control *p)
{
	log_info("process up: " POOLER_VERSION ", libuv %s (%s), adns: "
	    "libc-%s, tls: %s, worker threads: %u", loop_library(),
	    poller_name(p->workers.all[0].loop.poller), gnu_get_libc_version(),
	    tls_library(), p->workers.n);
}

static int
start(struct pooler *p, struct err *e)
{
	int	r = listeners_start(p->control.listeners, e);

	if (r == 0)
		r = maintain_start(p->maintain, e);
	if (r == 0)
		r = workers_start(&p->control.workers, e);
	return r;
}

static void
stop_listening(struct worker *w UNUSED, void *arg)
{
	struct control *k = arg;

	listeners_free(k->listeners);
	k->listeners = NULL;
}

/*
 * Every console command comes back to its worker, and its worker's last
 * messages to us, before either's loop is released.
 */
static void
stop(struct pooler *p)
{
	struct control *k = &p->control;

	if (k->workers.started > 0)
		worker_call(&k->workers.all[0], stop_listening, k);
	admin_end(p->admin);
	workers_end(&k->workers);
	loop_turn(&k->loop, 0);
	admin_end(p->admin);
}

int
pooler_run(struct pooler *p)
{
	struct err e = { 0 };
	int	   status = 0;

	if (start(p, &e) != 0) {
		log_fatal("%s", e.msg);
		status = 1;
	} else {
		log_start(&p->control);
		loop_run(&p->control.loop);
	}
	stop(p);
	return status;
}

static void
release_shared(struct shared *sh)
{
	authcache_free(sh->auth_cache);
	params_names_free(sh->names);
	tls_context_unref(sh->client_tls);
	tls_context_unref(sh->server_tls);
	slab_release(&sh->servers_slab);
	pthread_mutex_destroy(&sh->slab_lock);
	config_free(sh->config);
}

void
pooler_free(struct pooler *p)
{
	struct control *k;

	if (p == NULL)
		return;
	k = &p->control;
	listeners_free(k->listeners);
	signals_free(p->signals);
	workers_release(&k->workers);
	free(k->dealt);
	admin_free(p->admin);
	maintain_free(p->maintain);
	loop_release(&k->loop);
	if (k->console_pool != NULL)
		dbpool_unref(k->console_pool);
	if (p->registry_ready)
		registry_release(&k->shared.registry);
	release_shared(&k->shared);
	free(p);
}
