/* SPDX-License-Identifier: MIT */
/*
 * cli - one run of the command: what was typed, and the verbs.
 *
 * main.c fills a struct cli and calls the handler that verbs.def names for
 * the words. Results go to stdout, messages to stderr. A handler returns 0,
 * an error code with *e set, or one of the CLI_* states; main.c makes the
 * exit status of it.
 */
#ifndef HOMELABCTL_CLI_H
#define HOMELABCTL_CLI_H

#include "common/base.h"

#include "homelabctl/ctloptions.h"

struct err;

/* Ends that are no errors; what they say is printed already. */
#define CLI_DEGRADED		3
#define CLI_CRITICAL		4
#define CLI_NOT_CONFIRMED	7
#define CLI_INTERRUPTED		130	/* see interrupt.h */

struct cli {
	struct ctloptions	 opt;
	const char	*arg;		/* the word behind the verb, or NULL */
	const char	*time;		/* --time */
	const char	*typed_config;	/* --config, for hints; or NULL */
	bool	json, nagios, yes, delta, no_pooler;
	bool	colour;			/* stdout is a terminal that has it */
	bool	progress;		/* stderr is a terminal */
};

typedef int cli_fn(struct cli *, struct err *e);

cli_fn	verb_status;
cli_fn	verb_backup;
cli_fn	verb_list;
cli_fn	verb_restore;
cli_fn	verb_check;

struct cli_verb {
	const char	*words;		/* "db backup full" */
	const char	*arg;		/* of the argument, NULL: takes none */
	cli_fn		*fn;
	const char	*help;		/* one line */
	const char	*examples;	/* lines */
};

extern const struct cli_verb cli_verbs[];
extern const size_t cli_verb_count;

/* What flags.def lists. */
struct cli_flag {
	const char	*name;
	const char	*value;		/* what it is called, NULL: takes none */
	char		 letter;
	const char	*verb;		/* the words; NULL: of every verb */
	const char	*help;
};

extern const struct cli_flag cli_flags[];
extern const size_t cli_flag_count;

/*
 * The verb that n words mean; *arg is set to the word behind it, or NULL.
 * ERR_USAGE says what is wrong and hints at the nearest verb; *out is set
 * nevertheless if only the words behind the verb are wrong.
 */
int	cli_find(int n, const char *const *words, const struct cli_verb **out,
	    const char **arg, struct err *e) MUST_CHECK;

/* The exit status for what a handler returned. */
int	cli_exit_status(int rc);

/* A message for a person, on stderr, at once. */
void	cli_say(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* Microseconds since 1970. */
int64_t	cli_now(void);

#endif /* HOMELABCTL_CLI_H */
