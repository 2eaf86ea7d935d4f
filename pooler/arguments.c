/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "pooler/arguments.h"

#include <getopt.h>
#include <gnu/libc-version.h>
#include <stdio.h>

#include "common/loop.h"
#include "common/tls.h"
#include "pooler/version.h"

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
	printf(POOLER_VERSION "\nlibuv %s\nadns: libc-%s\ntls: %s\n",
	    loop_library(), gnu_get_libc_version(), tls_library());
}

int
arguments_parse(int argc, char **argv, struct arguments *a)
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
