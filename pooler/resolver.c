/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "pooler/resolver.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "common/err.h"
#include "pooler/registry.h"

/* A Unix socket: "/dir" or "@abstract", with PostgreSQL's file name. */
static int
unix_address(struct resolver *r, const char *dir)
{
	struct resolver_address *a = &r->addresses[0];
	struct sockaddr_un	 un = { .sun_family = AF_UNIX };
	int	n;

	n = snprintf(un.sun_path, sizeof(un.sun_path), "%s/.s.PGSQL.%u", dir,
	    r->port);
	if (n < 0 || (size_t)n >= sizeof(un.sun_path)) {
		r->result = EAI_FAIL;
		snprintf(r->error, sizeof(r->error),
		    "socket path too long: %s", dir);
		return 0;
	}
	a->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
	    (size_t)n + 1);
	if (dir[0] == '@') {
		un.sun_path[0] = '\0';
		a->len--;
	}
	memcpy(&a->sa, &un, sizeof(un));
	r->n = 1;
	return 0;
}

/* An IPv4 or IPv6 address as text. */
static bool
literal_address(struct resolver *r, const char *host)
{
	struct resolver_address *a = &r->addresses[0];
	struct sockaddr_in	 in = { .sin_family = AF_INET };
	struct sockaddr_in6	 in6 = { .sin6_family = AF_INET6 };

	if (inet_pton(AF_INET, host, &in.sin_addr) == 1) {
		in.sin_port = htons(r->port);
		memcpy(&a->sa, &in, sizeof(in));
		a->len = sizeof(in);
	} else if (inet_pton(AF_INET6, host, &in6.sin6_addr) == 1) {
		in6.sin6_port = htons(r->port);
		memcpy(&a->sa, &in6, sizeof(in6));
		a->len = sizeof(in6);
	} else {
		return false;
	}
	snprintf(a->host, sizeof(a->host), "%s", host);
	r->n = 1;
	return true;
}

static void
look_up(struct loop_work *w)
{
	struct resolver *r = container_of(w, struct resolver, work);
	struct addrinfo  hints = { .ai_socktype = SOCK_STREAM,
	    .ai_flags = AI_ADDRCONFIG };
	struct addrinfo *list = NULL, *ai;
	char	service[8];

	snprintf(service, sizeof(service), "%u", r->port);
	r->result = getaddrinfo(r->addresses[0].host, service, &hints, &list);
	if (r->result != 0) {
		snprintf(r->error, sizeof(r->error), "%.128s: %.64s",
		    r->addresses[0].host, gai_strerror(r->result));
		return;
	}
	for (ai = list; ai != NULL && r->n < ARRAY_LEN(r->addresses);
	    ai = ai->ai_next) {
		struct resolver_address *a = &r->addresses[r->n++];

		if (a != &r->addresses[0])
			memcpy(a->host, r->addresses[0].host, sizeof(a->host));
		memcpy(&a->sa, ai->ai_addr, ai->ai_addrlen);
		a->len = ai->ai_addrlen;
	}
	freeaddrinfo(list);
}

static void
looked_up(struct loop_work *w)
{
	struct resolver *r = container_of(w, struct resolver, work);

	r->done(r);
}

static void
at_once(struct loop_task *t)
{
	struct resolver *r = container_of(t, struct resolver, task);

	r->done(r);
}

int
resolver_start(struct resolver *r, struct loop *loop, struct database *db,
    const struct options *o, resolver_fn *done)
{
	const struct config_db *conf = db->conf;
	const char *host = NULL;

	memset(r, 0, sizeof(*r));
	r->done = done;
	r->port = (uint16_t)(conf->opt.port != OPT_UNSET ? conf->opt.port :
	    CONFIG_DEFAULT_PORT);
	if (conf->n_hosts > 0) {
		unsigned next = conf->opt.load_balance_hosts ==
		    LOAD_BALANCE_DISABLE ? atomic_load(&db->next_host) :
		    atomic_fetch_add(&db->next_host, 1);

		host = conf->hosts[next % conf->n_hosts];
	}
	r->task.fn = at_once;
	if (host == NULL || host[0] == '/' || host[0] == '@') {
		int rc = unix_address(r, host != NULL ? host :
		    o->unix_socket_dir);

		if (rc != 0)
			return rc;
		loop_post(loop, &r->task);
		return 0;
	}
	if (literal_address(r, host)) {
		loop_post(loop, &r->task);
		return 0;
	}
	if (strlen(host) >= sizeof(r->addresses[0].host))
		return ERR_LIMIT;
	memcpy(r->addresses[0].host, host, strlen(host) + 1);
	r->work.work = look_up;
	r->work.done = looked_up;
	return loop_work(loop, &r->work);
}

void
resolver_failed(struct database *db)
{
	if (db->conf != NULL && db->conf->opt.load_balance_hosts ==
	    LOAD_BALANCE_DISABLE)
		atomic_fetch_add(&db->next_host, 1);
}
