/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "homelabctl/cli.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/buf.h"
#include "common/err.h"

const struct cli_verb cli_verbs[] = {
#define VERB(words, arg, fn, help, examples) { words, arg, fn, help, examples },
#include "homelabctl/verbs.def"
#undef VERB
};
const size_t cli_verb_count = ARRAY_LEN(cli_verbs);

const struct cli_flag cli_flags[] = {
#define FLAG(name, value, letter, verb, help) \
	{ name, value, letter, verb, help },
#include "homelabctl/flags.def"
#undef FLAG
};
const size_t cli_flag_count = ARRAY_LEN(cli_flags);

#define TEXT_MAX	64	/* of what was typed, as far as compared */

/* How many letters must change, appear or vanish to make b of a. */
static size_t
distance(const char *a, const char *b)
{
	size_t	row[TEXT_MAX + 1], i, j, corner, up;
	size_t	n = MIN(strlen(b), (size_t)TEXT_MAX);

	for (j = 0; j <= n; j++)
		row[j] = j;
	for (i = 0; a[i] != '\0'; i++) {
		corner = row[0];
		row[0] = i + 1;
		for (j = 1; j <= n; j++) {
			up = row[j];
			row[j] = MIN(MIN(up, row[j - 1]) + 1,
			    corner + (a[i] != b[j - 1]));
			corner = up;
		}
	}
	return row[n];
}

static void
hint_nearest(const char *typed, struct err *e)
{
	const struct cli_verb *best = NULL;
	size_t	i, d, least = 6;

	for (i = 0; i < cli_verb_count; i++) {
		d = distance(typed, cli_verbs[i].words);
		/* "backup" for "db backup full": words are missing. */
		if (strstr(cli_verbs[i].words, typed) != NULL)
			d = MIN(d, (size_t)3);
		if (d < least) {
			least = d;
			best = &cli_verbs[i];
		}
	}
	if (best != NULL)
		err_hint(e, "did you mean: homelabctl %s%s%s", best->words,
		    best->arg == NULL ? "" : " ",
		    best->arg == NULL ? "" : best->arg);
	else
		err_hint(e, "homelabctl --help lists the commands");
}

/* The words of a verb that begin these n words; how many, or 0. */
static int
match(const struct cli_verb *v, int n, const char *const *words)
{
	const char *at = v->words;
	size_t	len;
	int	i = 0;

	while (*at != '\0') {
		len = strcspn(at, " ");
		if (i == n || strlen(words[i]) != len ||
		    strncmp(words[i], at, len) != 0)
			return 0;
		at += len + (at[len] == ' ');
		i++;
	}
	return i;
}

int
cli_find(int n, const char *const *words, const struct cli_verb **out,
    const char **arg, struct err *e)
{
	const struct cli_verb *v;
	struct buf typed = { 0 };
	size_t	i;
	int	used, w;

	for (i = 0; i < cli_verb_count; i++) {
		v = &cli_verbs[i];
		used = match(v, n, words);
		if (used == 0)
			continue;
		*out = v;
		if (n > used + (v->arg != NULL))
			return err_set(e, ERR_USAGE, "%s: one word too many: "
			    "%s", v->words, words[used + (v->arg != NULL)]);
		if (v->arg != NULL && n == used) {
			err_set(e, ERR_USAGE, "%s: %s is missing", v->words,
			    v->arg);
			return err_hint(e, "homelabctl db list-backups shows "
			    "the labels");
		}
		*arg = v->arg != NULL ? words[used] : NULL;
		return 0;
	}
	for (w = 0; w < n; w++)
		buf_printf(&typed, "%s%s", w == 0 ? "" : " ", words[w]);
	err_set(e, ERR_USAGE, "no such command: %s", buf_cstr(&typed));
	hint_nearest(buf_cstr(&typed), e);
	buf_release(&typed);
	return ERR_USAGE;
}

int
cli_exit_status(int rc)
{
	switch (rc) {
	case 0:
	case CLI_DEGRADED:
	case CLI_CRITICAL:
	case CLI_NOT_CONFIRMED:
	case CLI_INTERRUPTED:
		return rc;
	case ERR_USAGE:
		return 2;
	case ERR_NOT_FOUND:
	case ERR_ABSENT:
		return 5;
	case ERR_LOCKED:
		return 6;
	case ERR_CHECKSUM:
		return 8;
	case ERR_CONNECT:
	case ERR_DB_CONNECT:
	case ERR_STORE:
		return 9;
	case ERR_TIMEOUT:
		return 124;
	default:
		return 1;
	}
}

void
cli_say(const char *fmt, ...)
{
	va_list	ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

int64_t
cli_now(void)
{
	struct timespec	t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}
