/* SPDX-License-Identifier: MIT */
#include "common/base.h"

#include <stdio.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/log.h"
#include "pooler/arguments.h"
#include "pooler/config.h"
#include "pooler/listen.h"
#include "pooler/pooler.h"
#include "pooler/process.h"
#include "pooler/reload.h"

static int
fail(const struct err *e)
{
	log_fatal("%s", e->msg);
	if (e->hint[0] != '\0')
		log_info("%s", e->hint);
	return 1;
}

/* A daemon does not log to stderr, but whoever started it waits for this. */
static int
fail_start(const struct arguments *a, const struct err *e)
{
	if (a->daemon && !a->quiet)
		fprintf(stderr, "homelab-pooler: %s\n", e->msg);
	return fail(e);
}

/* -t and -T. */
static int
look_only(const struct arguments *a, const struct config *config)
{
	struct err e = { 0 };
	struct buf out = { 0 };
	int	   r = 0;

	if (a->dump)
		config_dump(config, &out);
	else
		r = config_test(a->source.path, &out, &e);
	if (r == 0)
		fputs(buf_cstr(&out), stdout);
	buf_release(&out);
	return r == 0 ? 0 : fail(&e);
}

/* Everything between reading the configuration and serving. */
static int
prepare(const struct arguments *a, struct config *config, struct err *e)
{
	const struct options *o = &config->opt;
	int	r = process_become(o->user, e);

	if (r == 0)
		r = reload_log(o, !a->quiet, e);
	if (r == 0 && listen_unix_in_use(o)) {
		r = err_set(e, ERR_EXISTS, "unix socket is in use, cannot "
		    "continue");
		err_hint(e, "a process listens on %s/.s.PGSQL.%d: stop it, or "
		    "choose another listen_port", o->unix_socket_dir,
		    o->listen_port);
	}
	if (r == 0)
		r = process_pidfile_check(o->pidfile, e);
	if (r == 0 && a->daemon && (o->pidfile == NULL ||
	    o->pidfile[0] == '\0'))
		r = err_set(e, ERR_CONFIG, "daemon needs pidfile configured");
	if (r == 0 && a->daemon)
		r = process_background(e);
	if (r == 0 && a->daemon)
		r = reload_log(o, false, e);
	if (r == 0) {
		process_raise_limits(o);
		reload_log_lines(&config->warnings, LV_WARNING);
	}
	return r;
}

static int
serve(const struct arguments *a, struct config *config)
{
	struct err     e = { 0 };
	struct pooler *p;
	int	       status;

	if (prepare(a, config, &e) != 0) {
		config_free(config);
		return fail(&e);
	}
	if (pooler_new(config, &a->source, &p, &e) != 0)
		return fail_start(a, &e);
	p->control.log_stderr = !a->quiet && !a->daemon;
	if (process_pidfile_write(p->control.shared.config->opt.pidfile, &e) != 0) {
		pooler_free(p);
		return fail_start(a, &e);
	}
	process_ready();
	status = pooler_run(p);
	process_pidfile_remove(p->control.shared.config->opt.pidfile);
	log_close();
	pooler_free(p);
	return status;
}

int
main(int argc, char **argv)
{
	struct arguments a = { 0 };
	struct config	*config;
	struct err	 e = { 0 };
	int		 status = arguments_parse(argc, argv, &a);

	if (status >= 0)
		return status;
	log_set_verbose(a.source.verbose);
	if (config_load(&a.source, &config, &e) != 0) {
		log_error("%s", e.msg);
		if (e.hint[0] != '\0')
			log_info("%s", e.hint);
		log_fatal("cannot load config file");
		return 1;
	}
	if (a.test || a.dump) {
		status = look_only(&a, config);
		config_free(config);
		return status;
	}
	return serve(&a, config);
}
