/* SPDX-License-Identifier: MIT */
/*
 * homelabctl: the command that a person types.
 */
#include "common/base.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/err.h"
#include "homelabctl/cli.h"
#include "homelabctl/connect.h"

static void
usage_flag(const struct cli_flag *f)
{
	char	name[32];

	snprintf(name, sizeof(name), "%s%s%s", f->name, f->value == NULL ?
	    "" : "=", f->value == NULL ? "" : f->value);
	printf("  --%-14s %s%s%s\n", name, f->verb == NULL ? "" : f->verb,
	    f->verb == NULL ? "" : ": ", f->help);
}

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
	printf("\nOptions:\n");
	for (i = 0; i < cli_flag_count; i++)
		usage_flag(&cli_flags[i]);
	printf(
	    "\nExit status: 0 ok, 1 error, 2 usage, 3 degraded, 4 critical, "
	    "5 not found,\n6 locked, 7 not confirmed, 8 damaged, 9 cannot "
	    "connect, 124 timed out,\n130 interrupted.\n");
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

/* What a monitoring system makes of our own troubles. */
static int
unknown(int rc, const struct err *e)
{
	printf("HOMELAB UNKNOWN - %s\n", e->msg[0] != '\0' ? e->msg :
	    err_text(rc));
	return 3;
}

static int
nagios_status(int rc)
{
	return rc == CLI_CRITICAL ? 2 : rc == CLI_DEGRADED ? 1 : rc;
}

/* A terminal without a name cannot be relied on either. */
static bool
is_dumb(void)
{
	const char *term = getenv("TERM");

	return term == NULL || strcmp(term, "dumb") == 0;
}

static bool
colour_wanted(void)
{
	const char *no = getenv("NO_COLOR");

	return (no == NULL || no[0] == '\0') && isatty(STDOUT_FILENO) &&
	    !is_dumb();
}

/* What getopt_long() wants to know. Its letters are not options, but V, h. */
static void
list_options(struct option *out)
{
	size_t	i;

	for (i = 0; i < cli_flag_count; i++)
		out[i] = (struct option){ cli_flags[i].name,
		    cli_flags[i].value == NULL ? no_argument :
		    required_argument, NULL, cli_flags[i].letter };
	out[i] = (struct option){ NULL, 0, NULL, 0 };
}

/* Returns -1 to go on, else the exit status; *used: letters, as bits. */
static int
parse(int argc, char **argv, struct cli *cli, bool *help, uint64_t *used)
{
	struct option names[32];
	int	c;

	assert(cli_flag_count < ARRAY_LEN(names));
	list_options(names);
	while ((c = getopt_long(argc, argv, "Vh", names, NULL)) != -1) {
		*used |= c >= 'A' ? UINT64_C(1) << (c - 'A') : 0;
		switch (c) {
		case 'c': cli->typed_config = optarg; break;
		case 'j': cli->json = true; break;
		case 'n': cli->colour = false; break;
		case 'N': cli->nagios = true; break;
		case 't': cli->time = optarg; break;
		case 'd': cli->delta = true; break;
		case 'p': cli->no_pooler = true; break;
		case 'y': cli->yes = true; break;
		case 'V': puts("homelabctl " HOMELAB_VERSION); return 0;
		case 'h': *help = true; break;
		default:
			fputs("next: homelabctl --help\n", stderr);
			return cli->nagios ? 3 : cli_exit_status(ERR_USAGE);
		}
	}
	return -1;
}

/* A flag that the verb would not look at is a mistake. */
static int
check_flags(const struct cli_verb *verb, uint64_t used, struct err *e)
{
	const struct cli_flag *f;
	size_t	i;

	for (i = 0; i < cli_flag_count; i++) {
		f = &cli_flags[i];
		if ((used >> (f->letter - 'A') & 1) == 0 || f->verb == NULL ||
		    strcmp(f->verb, verb->words) == 0)
			continue;
		err_set(e, ERR_USAGE, "%s does not take --%s", verb->words,
		    f->name);
		return err_hint(e, "it belongs to: homelabctl %s", f->verb);
	}
	return 0;
}

static int
run(int argc, char **argv, struct cli *cli)
{
	const struct cli_verb *verb = NULL;
	struct err e = { 0 };
	bool	help = false;
	uint64_t used = 0;
	int	rc = parse(argc, argv, cli, &help, &used);

	if (rc >= 0)
		return rc;
	if (optind == argc) {
		usage();
		return help ? 0 : cli_exit_status(ERR_USAGE);
	}
	rc = cli_find(argc - optind, (const char *const *)argv + optind,
	    &verb, &cli->arg, &e);
	if (help) {
		if (verb != NULL)
			usage_of(verb);
		else
			usage();
		return 0;
	}
	if (rc == 0)
		rc = check_flags(verb, used, &e);
	if (rc == 0)
		rc = ctloptions_load(cli->typed_config, &cli->opt, &e);
	if (rc == 0)
		rc = connect_check_user(cli, &e);
	if (rc != 0)
		return cli->nagios ? unknown(rc, &e) : fail(rc, &e);
	rc = verb->fn(cli, &e);
	ctloptions_release(&cli->opt);
	if (cli->nagios)
		return rc < 0 ? unknown(rc, &e) : nagios_status(rc);
	return rc < 0 ? fail(rc, &e) : cli_exit_status(rc);
}

/*
 * A descriptor 0 to 2 that is closed would become the next socket, and our
 * words would go there. What takes its place fails when it is used.
 */
static void
open_missing(void)
{
	int	fd;

	for (fd = 0; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null",
		    fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) < 0)
			return;
	}
}

/* Whether the results were written; a reader that has enough may go. */
static int
flush(int status)
{
	int	errnum;

	errno = 0;
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	errnum = errno;
	if (errnum == EPIPE)
		return status;
	fprintf(stderr, "homelabctl: cannot write the result%s%s\n",
	    errnum != 0 ? ": " : "", errnum != 0 ? strerror(errnum) : "");
	return status != 0 ? status : cli_exit_status(ERR_SYS);
}

int
main(int argc, char **argv)
{
	struct cli cli = { .colour = colour_wanted() };

	open_missing();
	/* Nobody who stops reading our words ends a restore by that. */
	(void)signal(SIGPIPE, SIG_IGN);
	cli.progress = isatty(STDERR_FILENO) == 1 && !is_dumb();
	return flush(run(argc, argv, &cli));
}
