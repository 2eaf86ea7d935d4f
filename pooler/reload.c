/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "pooler/reload.h"

#include <string.h>

#include "common/err.h"
#include "common/log.h"
#include "common/tls.h"
#include "pooler/client.h"
#include "pooler/control.h"
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
replace_all_servers(struct control *p)
{
	struct list_node *n, *tmp;

	LIST_FOREACH(n, tmp, &p->shared.registry.pools)
		pool_renew(&container_of(n, struct dbpool, list_node)->core);
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

/* Of a database that is gone, or of another time and in nobody's use. */
static bool
server_is_gone(const struct server *s, void *arg UNUSED)
{
	return is_gone(s->pool->db) || server_is_replaceable(s);
}

static void
end_server(struct server *s, void *arg UNUSED)
{
	server_close(s, is_gone(s->pool->db) ? "database removed" :
	    SERVER_REPLACED);
}

static bool
every_client(const struct client *c UNUSED, void *arg UNUSED)
{
	return true;
}

static void
arm_client(struct client *c, void *arg UNUSED)
{
	client_arm(c);
}

static bool
every_server(const struct server *s UNUSED, void *arg UNUSED)
{
	return true;
}

static void
arm_server(struct server *s, void *arg UNUSED)
{
	server_arm(s);
}

/* New time-outs hold for those who are waiting or idle already, too. */
static void
clean_up(struct control *p)
{
	struct walk_clients clients = { .match = client_is_gone,
	    .act = end_client };
	struct walk_servers servers = { .match = server_is_gone,
	    .act = end_server };
	struct walk_clients all_clients = { .match = every_client,
	    .act = arm_client };
	struct walk_servers all_servers = { .match = every_server,
	    .act = arm_server };

	workers_call(&p->workers, walk_clients, &clients);
	workers_call(&p->workers, walk_servers, &servers);
	workers_call(&p->workers, walk_clients, &all_clients);
	workers_call(&p->workers, walk_servers, &all_servers);
	shared_kick(&p->shared);
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
swap_tls(struct control *p, struct tls_context *client,
    struct tls_context *server)
{
	tls_context_unref(p->shared.client_tls);
	tls_context_unref(p->shared.server_tls);
	p->shared.client_tls = client;
	p->shared.server_tls = server;
}

/* The last step that may fail, and the swap. */
static int
put_into_force(struct control *p, struct config *fresh,
    struct tls_context *client, struct tls_context *server, struct err *e)
{
	struct config *old = p->shared.config;
	int	r;

	r = reload_log(&fresh->opt, p->log_stderr, e);
	if (r != 0)
		return r;
	workers_stop(&p->workers);
	r = registry_apply(&p->shared.registry, fresh, e);
	if (r == 0) {
		p->shared.config = fresh;
		swap_tls(p, client, server);
		if (server_tls_differs(&old->opt, &fresh->opt))
			replace_all_servers(p);
	}
	workers_go(&p->workers);
	if (r != 0) {
		struct err ignored = { 0 };

		(void)!reload_log(&old->opt, p->log_stderr, &ignored);
		return r;
	}
	config_free(old);
	return 0;
}

int
reload_files(struct control *p, struct err *e)
{
	struct config_source source = p->source;
	struct config	    *fresh = NULL;
	struct tls_context  *client, *server;
	int	r;

	source.path = p->shared.config->opt.conffile;
	source.running = p->shared.config;
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

/* What SET puts in the place of what there is; parts may be missing. */
struct change {
	struct options	 opt;
	struct config	*secrets;	/* of another auth_file, or NULL */
	bool		 tls;		/* the next two count */
	bool		 tls_refused;	/* e says why */
	struct tls_context *client, *server;
};

static void
release_change(struct change *k)
{
	opt_release(table, &k->opt);
	config_free(k->secrets);
	tls_context_unref(k->client);
	tls_context_unref(k->server);
}

/* Everything that may fail but the last step. */
static int
prepare_change(struct control *p, struct change *k, const struct opt *o,
    const char *value, struct err *e)
{
	int	r = opt_set(table, o, &k->opt, value, e);

	if (r == 0 && strcmp(o->name, "auth_file") == 0)
		r = config_load_secrets(value, &k->secrets, e);
	/*
	 * A key and its certificate come in two commands, and do not fit
	 * between them: the old contexts stay until a command makes all fit.
	 */
	if (r == 0 && is_tls(o)) {
		k->tls = reload_tls(&k->opt, &k->client, &k->server, e) == 0;
		k->tls_refused = !k->tls;
		if (k->tls_refused)
			log_error("%s", e->msg);
	}
	return r == 0 ? reload_log(&k->opt, p->log_stderr, e) : r;
}

/*
 * The present snapshot gets other options while the workers stand still.
 * What they replace is in *k afterwards.
 */
static int
change_options(struct control *p, struct change *k, struct err *e)
{
	struct config  *c = p->shared.config;
	struct options	old = c->opt;
	int	r;

	workers_stop(&p->workers);
	c->opt = k->opt;
	if (k->secrets != NULL)
		config_swap_secrets(c, k->secrets);
	/* Pools settle anew; the entries are the same. */
	r = registry_apply(&p->shared.registry, c, e);
	if (r != 0) {
		c->opt = old;
		if (k->secrets != NULL)
			config_swap_secrets(c, k->secrets);
	} else {
		k->opt = old;
		if (server_tls_differs(&old, &c->opt))
			replace_all_servers(p);
		if (k->tls) {
			/* Connections hold references to the old ones. */
			swap_tls(p, k->client, k->server);
			k->client = k->server = NULL;
		}
	}
	workers_go(&p->workers);
	return r;
}

int
reload_set(struct control *p, const char *key, const char *value,
    struct err *e)
{
	const struct opt *o = opt_find(table, key, NULL);
	struct change	  k = { 0 };
	int	r;

	if (o == NULL)
		return err_set(e, ERR_NOT_FOUND, "unknown parameter: "
		    "pgbouncer/%s", key);
	r = opt_copy(table, &k.opt, &p->shared.config->opt, e);
	if (r != 0)
		return r;
	if ((o->flags & OPT_RELOAD) == 0) {
		/* A wrong value is an error, a right one has no effect. */
		r = opt_set(table, o, &k.opt, value, e);
		release_change(&k);
		return r;
	}
	r = prepare_change(p, &k, o, value, e);
	if (r == 0)
		r = change_options(p, &k, e);
	if (r == 0 && k.secrets != NULL)
		reload_log_lines(&k.secrets->warnings, LV_WARNING);
	release_change(&k);
	if (r == 0) {
		clean_up(p);
		r = k.tls_refused ? ERR_TLS : 0;
	}
	return r;
}
