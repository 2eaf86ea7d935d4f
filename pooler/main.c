/* SPDX-License-Identifier: MIT */
#include "common/base.h"

#include <getopt.h>
#include <gnu/libc-version.h>
#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/tls.h"
#include "pooler/admin.h"
#include "pooler/config.h"
#include "pooler/listen.h"
#include "pooler/pooler.h"
#include "pooler/process.h"
#include "pooler/reload.h"

struct arguments {
	struct config_source source;
	bool	daemon, quiet, test, dump;
};

static void
usage(const char *name)
{
	printf("%s is a connection pooler for PostgreSQL.\n\n"
	    "Usage:\n  %s [OPTION]... CONFIG_FILE\n\nOptions:\n"
	    "  -d, --daemon         run in the background\n"
	    "  -q, --quiet          do not log to stderr\n"
	    "  -u, --user=USERNAME  become this user\n"
	    "  -v, --verbose        log more; may be repeated\n"
	    "  -t, --test           check the configuration, and exit\n"
	    "  -T, --dump           print the effective configuration, and "
	    "exit\n"
	    "  -V, --version        print the version, and exit\n"
	    "  -h, --help           print this, and exit\n", name, name);
}

static void
version(void)
{
	printf(ADMIN_VERSION "\nlibuv %s\nadns: libc-%s\ntls: %s\n",
	    loop_library(), gnu_get_libc_version(), tls_library());
}

/* Returns -1 to go on, else the exit status. */
static int
parse(int argc, char **argv, struct arguments *a)
{
	static const struct option names[] = {
		{ "daemon", no_argument, NULL, 'd' },
		{ "quiet", no_argument, NULL, 'q' },
		{ "user", required_argument, NULL, 'u' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "test", no_argument, NULL, 't' },
		{ "dump", no_argument, NULL, 'T' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 }
	};
	int	c;

	while ((c = getopt_long(argc, argv, "dqu:vtTVh", names, NULL)) != -1) {
		switch (c) {
		case 'd': a->daemon = true; break;
		case 'q': a->quiet = true; break;
		case 'u': a->source.user = optarg; break;
		case 'v': a->source.verbose++; break;
		case 't': a->test = true; break;
		case 'T': a->dump = true; break;
		case 'V': version(); return 0;
		case 'h': usage(argv[0]); return 0;
		default:
			fprintf(stderr, "Try \"%s --help\" for more "
			    "information.\n", argv[0]);
			return 1;
		}
	}
	if (optind == argc - 1) {
		a->source.path = argv[optind];
		return -1;
	}
	fprintf(stderr, "%s: %s\nTry \"%s --help\" for more information.\n",
	    argv[0], optind == argc ? "no configuration file specified" :
	    "too many arguments", argv[0]);
	return 1;
}

static int
fail(const struct err *e)
{
	log_fatal("%s", e->msg);
	if (e->hint[0] != '\0')
		log_info("%s", e->hint);
	return 1;
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
		return fail(&e);
	p->log_stderr = !a->quiet && !a->daemon;
	if (process_pidfile_write(p->config->opt.pidfile, &e) != 0) {
		pooler_free(p);
		return fail(&e);
	}
	process_ready();
	status = pooler_run(p);
	process_pidfile_remove(p->config->opt.pidfile);
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
	int		 status = parse(argc, argv, &a);

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
