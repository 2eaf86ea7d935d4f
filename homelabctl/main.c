/* SPDX-License-Identifier: MIT */
/*
 * homelabctl: the command that a person types.
 */
#include "common/base.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/err.h"
#include "homelabctl/cli.h"

static void
usage(void)
{
	size_t	i;

	printf("homelabctl - PostgreSQL, its pooler and its backups\n\n"
	    "Examples:\n"
	    "  homelabctl db status\n"
	    "  homelabctl db backup full\n"
	    "  homelabctl db restore latest --time '2026-11-20 20:54:00+00'\n"
	    "\nCommands:\n");
	for (i = 0; i < cli_verb_count; i++) {
		printf("  %s %-*s %s\n", cli_verbs[i].words,
		    (int)(28 - strlen(cli_verbs[i].words)),
		    cli_verbs[i].arg == NULL ? "" : cli_verbs[i].arg,
		    cli_verbs[i].help);
	}
	printf("\nOptions:\n"
	    "  --config=FILE   instead of " OPTIONS_FILE "\n"
	    "  --json          results as JSON\n"
	    "  --no-color      no colours; so does NO_COLOR\n"
	    "  --time=TIME     restore: to this moment, with its zone\n"
	    "  --delta         restore: in place, keeping files that match\n"
	    "  --no-pooler     restore: without holding the clients\n"
	    "  --yes           restore: do not ask\n"
	    "  -V, --version   print the version\n"
	    "  -h, --help      print this, or the help of a command\n"
	    "\nExit status: 0 ok, 1 error, 2 usage, 3 degraded, 4 critical, "
	    "5 not found,\n6 locked, 7 not confirmed, 8 damaged, 9 cannot "
	    "connect, 124 timed out.\n");
}

static void
usage_of(const struct cli_verb *v)
{
	printf("Examples:\n%s\n%s\n\nUsage: homelabctl %s%s%s [OPTION]...\n"
	    "homelabctl --help lists the options.\n", v->examples, v->help,
	    v->words, v->arg == NULL ? "" : " ", v->arg == NULL ? "" : v->arg);
}

static int
fail(int rc, const struct err *e)
{
	fprintf(stderr, "homelabctl: %s\n", e->msg[0] != '\0' ? e->msg :
	    err_text(rc));
	if (e->hint[0] != '\0')
		fprintf(stderr, "next: %s\n", e->hint);
	return cli_exit_status(rc);
}

static bool
colour_wanted(void)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return (no == NULL || no[0] == '\0') && isatty(STDOUT_FILENO) &&
	    term != NULL && strcmp(term, "dumb") != 0;
}

/* Returns -1 to go on, else the exit status. */
static int
parse(int argc, char **argv, struct cli *cli, bool *help)
{
	static const struct option names[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "json", no_argument, NULL, 'j' },
		{ "no-color", no_argument, NULL, 'n' },
		{ "time", required_argument, NULL, 't' },
		{ "delta", no_argument, NULL, 'd' },
		{ "no-pooler", no_argument, NULL, 'p' },
		{ "yes", no_argument, NULL, 'y' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 }
	};
	int	c;

	while ((c = getopt_long(argc, argv, "Vh", names, NULL)) != -1) {
		switch (c) {
		case 'c': cli->typed_config = optarg; break;
		case 'j': cli->json = true; break;
		case 'n': cli->colour = false; break;
		case 't': cli->time = optarg; break;
		case 'd': cli->delta = true; break;
		case 'p': cli->no_pooler = true; break;
		case 'y': cli->yes = true; break;
		case 'V': puts("homelabctl " HOMELAB_VERSION); return 0;
		case 'h': *help = true; break;
		default:
			fputs("next: homelabctl --help\n", stderr);
			return cli_exit_status(ERR_USAGE);
		}
	}
	return -1;
}

int
main(int argc, char **argv)
{
	struct cli cli = { .colour = colour_wanted(),
	    .progress = isatty(STDERR_FILENO) == 1 };
	const struct cli_verb *verb = NULL;
	struct err e = { 0 };
	bool	help = false;
	int	rc = parse(argc, argv, &cli, &help);

	if (rc >= 0)
		return rc;
	if (optind == argc) {
		usage();
		return help ? 0 : cli_exit_status(ERR_USAGE);
	}
	rc = cli_find(argc - optind, (const char *const *)argv + optind,
	    &verb, &cli.arg, &e);
	if (help) {
		if (verb != NULL)
			usage_of(verb);
		else
			usage();
		return 0;
	}
	if (rc != 0)
		return fail(rc, &e);
	rc = ctloptions_load(cli.typed_config, &cli.opt, &e);
	if (rc != 0)
		return fail(rc, &e);
	rc = verb->fn(&cli, &e);
	if (rc >= 0 && fflush(stdout) != 0)
		rc = err_set(&e, ERR_SYS, "cannot write the result");
	ctloptions_release(&cli.opt);
	return rc < 0 ? fail(rc, &e) : cli_exit_status(rc);
}
