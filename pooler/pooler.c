/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "pooler/pooler.h"

#include <gnu/libc-version.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/err.h"
#include "common/log.h"
#include "common/random.h"
#include "common/tls.h"
#include "pooler/admin.h"
#include "pooler/authcache.h"
#include "pooler/deal.h"
#include "pooler/listen.h"
#include "pooler/maintain.h"
#include "pooler/params.h"
#include "pooler/pause.h"
#include "pooler/process.h"
#include "pooler/reload.h"
#include "pooler/server.h"
#include "pooler/signals.h"

/* The first byte of a cancel key is the worker's number. */
#define MAX_WORKERS	256
#define AUTH_CACHE_MAX	10000

/* ---- small services for all threads ---- */

uint64_t
pooler_next_id(struct pooler *p)
{
	return atomic_fetch_add(&p->next_id, 1) + 1;
}

uint64_t
pooler_wall_clock(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

void
pooler_kick(struct pooler *p)
{
	maintain_kick(p->maintain);
}

unsigned
pooler_clients(struct pooler *p)
{
	unsigned n = 0;
	uint32_t i;

	for (i = 0; i < p->n_workers; i++)
		n += atomic_load(&p->workers[i].n_clients);
	return n;
}

/* ---- dealing clients out ---- */

void
pooler_deal(struct pooler *p, int fd, const struct addr *remote)
{
	struct deal_load loads[MAX_WORKERS];
	uint64_t clock = loop_now(&p->workers[0].loop);
	uint32_t i;

	for (i = 0; i < p->n_workers; i++) {
		struct worker *w = &p->workers[i];

		loads[i] = (struct deal_load){ worker_load(w, clock),
		    atomic_load(&p->dealt[i]), atomic_load(&w->n_clients) };
	}
	i = deal_choose(loads, p->n_workers);
	atomic_fetch_add(&p->dealt[i], 1);
	worker_accept(&p->workers[i], fd, remote);
}

void
pooler_forget_dealt(struct pooler *p)
{
	uint32_t i;

	for (i = 0; i < p->n_workers; i++)
		atomic_fetch_sub(&p->dealt[i],
		    (atomic_load(&p->dealt[i]) + 1) / 2);
}

/* ---- birth ---- */

static int
make_names(struct pooler *p, const struct options *o, struct err *e)
{
	/* Tracked always: contract, section 8.4. */
	static const char *const always[] = { "client_encoding", "DateStyle",
	    "TimeZone", "standard_conforming_strings", "application_name" };
	size_t	i;
	int	r = 0;

	p->names = params_names_new();
	if (p->names == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	for (i = 0; i < ARRAY_LEN(always) && r == 0; i++)
		r = params_names_add(p->names, always[i]);
	for (i = 0; i < o->track_extra_parameters.n && r == 0; i++)
		r = params_names_add(p->names,
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
choose_io(struct pooler *p, const struct options *o, struct err *e)
{
	struct poller *probe;
	int	r;

	p->io = POLLER_EPOLL;
	if (o->io_backend == IO_BACKEND_EPOLL)
		return 0;
	r = poller_new(POLLER_URING, &probe);
	if (r == 0) {
		poller_free(probe);
		p->io = POLLER_URING;
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
make_workers(struct pooler *p, uint32_t n, struct err *e)
{
	uint32_t i;
	int	r = choose_io(p, &p->config->opt, e);

	if (r != 0)
		return r;
	p->workers = calloc(n, sizeof(*p->workers));
	p->dealt = calloc(n, sizeof(*p->dealt));
	if (p->workers == NULL || p->dealt == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	for (i = 0; i < n; i++) {
		r = worker_init(&p->workers[i], p, i, e);
		if (r != 0)
			return r;
		p->n_workers++;
	}
	return 0;
}

static int
make_console_pool(struct pooler *p, struct err *e)
{
	struct user *u = registry_user(&p->registry, CONFIG_ADMIN_DB);

	p->console_pool = u == NULL ? NULL :
	    registry_pool(&p->registry, p->registry.admin, u);
	return p->console_pool != NULL ? 0 :
	    err_set(e, ERR_NOMEM, "out of memory");
}

static int
make_secrets(struct pooler *p, struct err *e)
{
	if (random_fill(&p->prepared_seed, sizeof(p->prepared_seed)) != 0 ||
	    random_fill(p->mock_key, sizeof(p->mock_key)) != 0)
		return err_set(e, ERR_SYS, "no random numbers");
	p->auth_cache = authcache_new(AUTH_CACHE_MAX);
	p->maintain = maintain_new(p);
	p->admin = admin_new(p);
	if (p->auth_cache == NULL || p->maintain == NULL || p->admin == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	return 0;
}

static int
fill(struct pooler *p, struct err *e)
{
	const struct options *o = &p->config->opt;
	uint32_t n = count_workers(o);
	int	 r;

	p->port = (uint16_t)o->listen_port;
	r = reload_tls(o, &p->client_tls, &p->server_tls, e);
	if (r == 0)
		r = make_names(p, o, e);
	if (r == 0)
		r = registry_init(&p->registry, n, p->names, e);
	if (r == 0) {
		p->registry_ready = true;
		r = registry_apply(&p->registry, p->config, e);
	}
	if (r == 0)
		r = make_console_pool(p, e);
	if (r == 0)
		r = make_secrets(p, e);
	if (r == 0)
		r = make_workers(p, n, e);
	if (r == 0)
		r = signals_new(p, &p->signals, e);
	if (r == 0)
		r = listeners_new(p, o, &p->listeners, e);
	return r;
}

int
pooler_new(struct config *config, const struct config_source *source,
    struct pooler **out, struct err *e)
{
	struct pooler *p = calloc(1, sizeof(*p));
	int	r;

	if (p == NULL) {
		config_free(config);
		return err_set(e, ERR_NOMEM, "out of memory");
	}
	r = loop_init(&p->loop, POLLER_EPOLL, e);
	if (r != 0) {
		config_free(config);
		free(p);
		return r;
	}
	p->config = config;
	p->source = *source;
	pthread_mutex_init(&p->slab_lock, NULL);
	pthread_mutex_init(&p->stop_lock, NULL);
	pthread_cond_init(&p->stop_cond, NULL);
	slab_init(&p->servers_slab, "server_cache", sizeof(struct server), 0);
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
log_start(struct pooler *p)
{
	log_info("process up: " ADMIN_VERSION ", libuv %s (%s), adns: "
	    "libc-%s, tls: %s, worker threads: %u", loop_library(),
	    poller_name(p->workers[0].loop.poller), gnu_get_libc_version(),
	    tls_library(), p->n_workers);
}

static int
start(struct pooler *p, struct err *e)
{
	int	r = listeners_start(p->listeners, e);

	if (r == 0)
		r = maintain_start(p->maintain, e);
	while (r == 0 && p->started < p->n_workers) {
		r = worker_start(&p->workers[p->started], e);
		if (r == 0)
			p->started++;
	}
	return r;
}

static void
close_tcp(struct worker *w, void *arg UNUSED)
{
	listeners_close_tcp(w->pooler->listeners);
}

static void
close_all(struct worker *w, void *arg UNUSED)
{
	listeners_free(w->pooler->listeners);
	w->pooler->listeners = NULL;
}

/*
 * Every console command comes back to its worker, and its worker's last
 * messages to us, before either's loop is released.
 */
static void
stop(struct pooler *p)
{
	if (p->started > 0)
		worker_call(&p->workers[0], close_all, NULL);
	admin_end(p->admin);
	while (p->started > 0)
		worker_stop(&p->workers[--p->started]);
	loop_turn(&p->loop, 0);
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
		log_start(p);
		loop_run(&p->loop);
	}
	stop(p);
	return status;
}

void
pooler_shutdown(struct pooler *p, enum shutdown_mode mode)
{
	if ((int)mode <= atomic_load(&p->shutdown))
		return;
	atomic_store(&p->shutdown, mode);
	if (mode == SHUTDOWN_IMMEDIATE) {
		loop_stop(&p->loop);
		return;
	}
	worker_call(&p->workers[0], close_tcp, NULL);
	if (mode == SHUTDOWN_WAIT_FOR_SERVERS)
		pause_apply(p);
	pooler_kick(p);
}

void
pooler_free(struct pooler *p)
{
	uint32_t i;

	if (p == NULL)
		return;
	listeners_free(p->listeners);
	signals_free(p->signals);
	for (i = 0; i < p->n_workers; i++)
		worker_release(&p->workers[i]);
	free(p->workers);
	free(p->dealt);
	admin_free(p->admin);
	maintain_free(p->maintain);
	loop_release(&p->loop);
	if (p->console_pool != NULL)
		dbpool_unref(p->console_pool);
	if (p->registry_ready)
		registry_release(&p->registry);
	authcache_free(p->auth_cache);
	params_names_free(p->names);
	tls_context_unref(p->client_tls);
	tls_context_unref(p->server_tls);
	slab_release(&p->servers_slab);
	pthread_mutex_destroy(&p->slab_lock);
	pthread_mutex_destroy(&p->stop_lock);
	pthread_cond_destroy(&p->stop_cond);
	config_free(p->config);
	free(p);
}
