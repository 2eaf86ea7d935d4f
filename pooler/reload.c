/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "pooler/reload.h"

#include <string.h>

#include "common/err.h"
#include "common/log.h"
#include "common/tls.h"
#include "pooler/client.h"
#include "pooler/maintain.h"
#include "pooler/pooler.h"
#include "pooler/server.h"
#include "pooler/walk.h"

static const struct opt_table *const table = &pooler_option_table;

/* ---- what is made out of options ---- */

static int
client_context(const struct options *o, struct tls_context **out,
    struct err *e)
{
	struct tls_settings s = {
		.side = TLS_ACCEPT,
		.verify = o->client_tls_sslmode >= SSLMODE_VERIFY_CA ?
		    TLS_VERIFY_CA : TLS_VERIFY_NONE,
		.key_file = o->client_tls_key_file,
		.cert_file = o->client_tls_cert_file,
		.ca_file = o->client_tls_ca_file,
		.protocols = o->client_tls_protocols,
		.ciphers = o->client_tls_ciphers,
		.tls13_ciphers = o->client_tls13_ciphers,
		.dheparams = o->client_tls_dheparams,
		.ecdhcurve = o->client_tls_ecdhcurve,
	};

	if (o->client_tls_sslmode == SSLMODE_DISABLE)
		return 0;
	if (s.verify != TLS_VERIFY_NONE && o->client_tls_ca_file[0] == '\0')
		return err_set(e, ERR_CONFIG,
		    "client_tls_sslmode requires client_tls_ca_file");
	return tls_context_new(&s, out, e);
}

static int
server_context(const struct options *o, struct tls_context **out,
    struct err *e)
{
	struct tls_settings s = {
		.side = TLS_CONNECT,
		.verify = o->server_tls_sslmode == SSLMODE_VERIFY_FULL ?
		    TLS_VERIFY_FULL : o->server_tls_sslmode ==
		    SSLMODE_VERIFY_CA ? TLS_VERIFY_CA : TLS_VERIFY_NONE,
		.key_file = o->server_tls_key_file,
		.cert_file = o->server_tls_cert_file,
		.ca_file = o->server_tls_ca_file,
		.protocols = o->server_tls_protocols,
		.ciphers = o->server_tls_ciphers,
		.tls13_ciphers = o->server_tls13_ciphers,
	};

	if (o->server_tls_sslmode == SSLMODE_DISABLE)
		return 0;
	return tls_context_new(&s, out, e);
}

int
reload_tls(const struct options *o, struct tls_context **client,
    struct tls_context **server, struct err *e)
{
	struct tls_context *c = NULL, *s = NULL;
	int	r = client_context(o, &c, e);

	if (r == 0)
		r = server_context(o, &s, e);
	if (r != 0) {
		tls_context_unref(c);
		return r;
	}
	*client = c;
	*server = s;
	return 0;
}

int
reload_log(const struct options *o, bool to_stderr, struct err *e)
{
	struct log_target t = {
		.to_stderr = to_stderr,
		.file = o->logfile,
		.to_syslog = o->syslog,
		.syslog_ident = o->syslog_ident,
		.syslog_facility = options_facility_name(o->syslog_facility),
	};
	int	r = log_open(&t, e);

	if (r == 0)
		log_set_verbose(o->verbose);
	return r;
}

/* ---- after the swap ---- */

/* Does a setting towards servers differ? Files' contents do not count. */
static bool
server_tls_differs(const struct options *a, const struct options *b)
{
	const struct opt *o;

	OPT_FOREACH(o, table) {
		if (strncmp(o->name, "server_tls", 10) == 0 &&
		    !opt_equal(o, a, b))
			return true;
	}
	return false;
}

/* All servers are of another time now. Workers stand still. */
static void
replace_all_servers(struct pooler *p)
{
	struct list_node *n, *tmp;

	LIST_FOREACH(n, tmp, &p->registry.pools)
		atomic_fetch_add(&container_of(n, struct dbpool,
		    list_node)->epoch, 1);
}

static bool
is_gone(const struct database *db)
{
	return db != NULL && db->conf == NULL && !db->admin;
}

static bool
client_is_gone(const struct client *c, void *arg UNUSED)
{
	return is_gone(c->db) || (c->pool != NULL && is_gone(c->pool->db));
}

static void
end_client(struct client *c, void *arg UNUSED)
{
	client_fail(c, "database removed");
}

/* Of a database that is gone, or idle and of another time. */
static bool
server_is_gone(const struct server *s, void *arg UNUSED)
{
	return is_gone(s->pool->db) || (s->state == SERVER_IDLE &&
	    s->epoch != atomic_load(&s->pool->epoch));
}

static void
end_server(struct server *s, void *arg UNUSED)
{
	server_close(s, is_gone(s->pool->db) ? "database removed" :
	    "close_needed");
}

static void
clean_up(struct pooler *p)
{
	struct walk_clients clients = { .match = client_is_gone,
	    .act = end_client };
	struct walk_servers servers = { .match = server_is_gone,
	    .act = end_server };

	workers_call(p, walk_clients, &clients);
	workers_call(p, walk_servers, &servers);
	maintain_kick(p->maintain);
}

/* ---- reload ---- */

void
reload_log_lines(struct buf *lines, enum log_level level)
{
	const char *s = buf_cstr(lines);

	while (*s != '\0') {
		size_t n = strcspn(s, "\n");

		log_line(level, "%.*s", (int)n, s);
		s += n + (s[n] == '\n');
	}
}

static void
swap_tls(struct pooler *p, struct tls_context *client,
    struct tls_context *server)
{
	tls_context_unref(p->client_tls);
	tls_context_unref(p->server_tls);
	p->client_tls = client;
	p->server_tls = server;
}

/* The last step that may fail, and the swap. */
static int
put_into_force(struct pooler *p, struct config *fresh,
    struct tls_context *client, struct tls_context *server, struct err *e)
{
	struct config *old = p->config;
	int	r;

	r = reload_log(&fresh->opt, p->log_stderr, e);
	if (r != 0)
		return r;
	workers_stop(p);
	r = registry_apply(&p->registry, fresh, e);
	if (r == 0) {
		p->config = fresh;
		swap_tls(p, client, server);
		if (server_tls_differs(&old->opt, &fresh->opt))
			replace_all_servers(p);
	}
	workers_go(p);
	if (r != 0) {
		struct err ignored = { 0 };

		(void)!reload_log(&old->opt, p->log_stderr, &ignored);
		return r;
	}
	config_free(old);
	return 0;
}

int
reload_files(struct pooler *p, struct err *e)
{
	struct config_source source = p->source;
	struct config	    *fresh = NULL;
	struct tls_context  *client, *server;
	int	r;

	source.path = p->config->opt.conffile;
	source.running = p->config;
	r = config_load(&source, &fresh, e);
	if (r != 0) {
		log_error("%s", e->msg);
		log_warning("config file loading failed");
		return r;
	}
	r = reload_tls(&fresh->opt, &client, &server, e);
	if (r != 0) {
		log_error("%s", e->msg);
		log_error("TLS configuration could not be reloaded, keeping "
		    "old configuration");
		config_free(fresh);
		return r;
	}
	r = put_into_force(p, fresh, client, server, e);
	if (r != 0) {
		log_error("%s", e->msg);
		tls_context_unref(client);
		tls_context_unref(server);
		config_free(fresh);
		return r;
	}
	reload_log_lines(&fresh->warnings, LV_WARNING);
	reload_log_lines(&fresh->changes, LV_LOG);
	clean_up(p);
	return 0;
}

/* ---- SET ---- */

static bool
is_tls(const struct opt *o)
{
	return strstr(o->name, "_tls_") != NULL ||
	    strstr(o->name, "_tls13_") != NULL;
}

/* The present snapshot gets other options while the workers stand still. */
static int
change_options(struct pooler *p, struct options *fresh, struct err *e)
{
	struct options old;
	int	r;

	workers_stop(p);
	old = p->config->opt;
	p->config->opt = *fresh;
	/* Pools settle anew; the entries are the same. */
	r = registry_apply(&p->registry, p->config, e);
	if (r != 0)
		p->config->opt = old;
	else if (server_tls_differs(&old, fresh))
		replace_all_servers(p);
	workers_go(p);
	if (r == 0)
		opt_release(table, &old);
	return r;
}

int
reload_set(struct pooler *p, const char *key, const char *value,
    struct err *e)
{
	const struct opt   *o = opt_find(table, key, NULL);
	struct options	    fresh;
	struct tls_context *client = NULL, *server = NULL;
	bool	tls;
	int	r;

	if (o == NULL)
		return err_set(e, ERR_NOT_FOUND, "unknown parameter: "
		    "pgbouncer/%s", key);
	r = opt_copy(table, &fresh, &p->config->opt, e);
	if (r != 0)
		return r;
	r = opt_set(table, o, &fresh, value, e);
	tls = is_tls(o);
	if (r == 0 && (o->flags & OPT_RELOAD) == 0) {
		opt_release(table, &fresh);
		return 0;
	}
	if (r == 0 && tls) {
		r = reload_tls(&fresh, &client, &server, e);
		if (r != 0) {
			log_error("%s", e->msg);
			r = ERR_TLS;
		}
	}
	if (r == 0)
		r = reload_log(&fresh, p->log_stderr, e);
	if (r == 0)
		r = change_options(p, &fresh, e);
	if (r != 0) {
		tls_context_unref(client);
		tls_context_unref(server);
		opt_release(table, &fresh);
		return r;
	}
	if (tls) {
		/* Connections hold references; others take the new ones. */
		workers_stop(p);
		swap_tls(p, client, server);
		workers_go(p);
	}
	clean_up(p);
	return 0;
}
