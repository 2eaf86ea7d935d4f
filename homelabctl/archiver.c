/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "homelabctl/archiver.h"

#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/ctlask.h"
#include "common/err.h"
#include "common/json.h"
#include "common/progress.h"
#include "common/text.h"
#include "homelabctl/cli.h"
#include "homelabctl/interrupt.h"
#include "homelabctl/run.h"

/* What a daemon may take beyond the time that it asks for. */
#define GRACE_US	(10 * TEXT_USEC_PER_SEC)

/* A socket that nobody listens on: the program does not ask again. */
#define NO_DAEMON	"--socket-path=/dev/null"

/* Words before the program's when root runs it as another user. */
#define SWITCH		4

/* Where the words of a verb go. */
struct sink {
	struct progress	bar;
	struct buf	*out;		/* NULL: stdout */
};

static void
put_result(void *arg, const char *text)
{
	struct sink *s = arg;

	progress_clear(&s->bar);
	if (s->out != NULL)
		buf_append_str(s->out, text);
	else
		fputs(text, stdout);
}

static void
put_warning(void *arg, const char *text)
{
	progress_clear(&((struct sink *)arg)->bar);
	cli_say("%s", text);
}

static void
draw(void *arg, const char *what, int64_t done, int64_t total)
{
	progress_draw(&((struct sink *)arg)->bar, what, done, total);
}

/* Has the daemon do it; argv is NULL-terminated. */
static enum ctlask_result
ask(const struct cli *cli, const char *verb, const char *const *argv,
    struct buf *out, struct err *e)
{
	struct sink	sink = { .out = out };
	struct ctlask	q = { .socket = cli->opt.archiver_socket,
	    .verb = verb, .config = cli->opt.archiver_config, .argv = argv,
	    .fd = -1, .grace_us = GRACE_US, .output = put_result,
	    .warn = put_warning, .progress = draw,
	    .cancelled = interrupt_came, .arg = &sink };
	enum ctlask_result result;
	int	code;

	if (q.socket == NULL || q.socket[0] == '\0')
		return CTLASK_NOT;
	while (argv[q.argc] != NULL)
		q.argc++;
	progress_init(&sink.bar, cli->progress);
	result = ctlask(&q, &code, e);
	progress_clear(&sink.bar);
	if (result == CTLASK_LOST)
		err_hint(e, "the daemon may still be at it: look at its log");
	return result;
}

/* A program has only its exit status to say what kind of error it was. */
static int
code_of(int status)
{
	static const int codes[] = { ERR_USAGE, ERR_CHECKSUM, ERR_CONFIG,
	    ERR_RUNNING, ERR_EXISTS, ERR_CONNECT, ERR_LOCKED, ERR_NOT_FOUND,
	    ERR_DB_CONNECT, ERR_TIMEOUT };
	size_t	i;

	for (i = 0; i < ARRAY_LEN(codes); i++) {
		if (err_exit_status(codes[i]) == status)
			return codes[i];
	}
	return ERR_GENERAL;
}

/*
 * What root runs, another user runs: files that root restored would not be
 * PostgreSQL's, and the server would not let root in. Fills SWITCH words.
 */
static int
switch_user(const char *user, const char **words, char gid[32],
    char uid[32], struct err *e)
{
	struct passwd *pw = getpwnam(user);

	if (pw == NULL)
		return err_set(e, ERR_CONFIG, "system_user: there is no user "
		    "%s", user);
	snprintf(uid, 32, "--reuid=%u", (unsigned)pw->pw_uid);
	snprintf(gid, 32, "--regid=%u", (unsigned)pw->pw_gid);
	words[0] = "setpriv";
	words[1] = uid;
	words[2] = gid;
	words[3] = "--init-groups";
	return 0;
}

/* words: "setpriv ..." of SWITCH words, then the program and its own. */
static int
run_words(const struct cli *cli, const char **words, struct buf *out,
    int *status, struct err *e)
{
	char	gid[32], uid[32];
	const char *user = cli->opt.system_user;
	int	rc = 0;

	if (geteuid() != 0 || user == NULL || user[0] == '\0')
		return run_program(words + SWITCH, out, status, e);
	rc = switch_user(user, words, gid, uid, e);
	return rc != 0 ? rc : run_program(words, out, status, e);
}

int
archiver_run(const struct cli *cli, const char *verb, const char *const *args,
    struct buf *out, struct err *e)
{
	const char *words[SWITCH + ARCHIVER_ARGS_MAX + 6];
	const char **argv = words + SWITCH;
	char	config[4200], stanza[300];
	size_t	n = 0;
	enum ctlask_result asked;
	int	rc, status;

	snprintf(config, sizeof(config), "--config=%s",
	    cli->opt.archiver_config);
	snprintf(stanza, sizeof(stanza), "--stanza=%s", cli->opt.stanza);
	argv[n++] = cli->opt.archiver_program;
	argv[n++] = verb;
	argv[n++] = config;
	argv[n++] = stanza;
	for (; *args != NULL; args++) {
		assert(n < ARCHIVER_ARGS_MAX + 4);
		argv[n++] = *args;
	}
	argv[n] = NULL;
	asked = ask(cli, verb, argv + 3, out, e);
	if (asked == CTLASK_DONE || asked == CTLASK_LOST)
		return e->code;
	if (asked == CTLASK_SILENT) {
		cli_say("WARNING: the archiver's daemon does not answer, "
		    "working without it");
		argv[n++] = NO_DAEMON;
		argv[n] = NULL;
	}
	memset(e, 0, sizeof(*e));
	fflush(stdout);
	rc = run_words(cli, words, out, &status, e);
	if (rc == ERR_NOT_FOUND)
		return err_hint(e, "set archiver_program in homelabctl.ini");
	if (rc != 0 || status == 0)
		return rc;
	if (status == 126 || status == 127) {
		/* By setpriv, which says this for what it cannot start. */
		err_set(e, ERR_NOT_FOUND, "cannot run %s as %s",
		    cli->opt.archiver_program, cli->opt.system_user);
		return err_hint(e, "set archiver_program and system_user in "
		    "homelabctl.ini");
	}
	err_set(e, code_of(status), "the archiver could not do it (%s, exit "
	    "status %d)", verb, status);
	return err_hint(e, "its own words are above");
}

/* ---- info ---- */

static void
copy(char *out, size_t size, const struct json *j)
{
	const char *s = json_text(j);

	snprintf(out, size, "%s", s == NULL ? "" : s);
}

static void
read_backup(const struct json *j, struct archiver_backup *b)
{
	const struct json *info = json_get(j, "info");
	const struct json *at = json_get(j, "timestamp");

	copy(b->label, sizeof(b->label), json_get(j, "label"));
	copy(b->type, sizeof(b->type), json_get(j, "type"));
	b->start = json_int(json_get(at, "start")) * TEXT_USEC_PER_SEC;
	b->stop = json_int(json_get(at, "stop")) * TEXT_USEC_PER_SEC;
	b->size = json_int(json_get(info, "size"));
	b->stored = json_int(json_get(json_get(info, "repository"), "delta"));
	b->repo = (int)json_int(json_get(json_get(j, "database"), "repo-key"));
	b->damaged = json_yes(json_get(j, "error"));
}

/* pgBackRest's codes 0 and "no valid backups" are no problem of a store. */
static void
note_problem(const struct json *status, int repo, struct archiver_info *info)
{
	int64_t	code = json_int(json_get(status, "code"));
	const char *why = json_text(json_get(status, "message"));
	char	where[16] = "";

	if (code == 0 || code == 2 || info->problem[0] != '\0')
		return;
	if (repo != 0)
		snprintf(where, sizeof(where), "repo%d: ", repo);
	snprintf(info->problem, sizeof(info->problem), "%s%s", where,
	    why == NULL ? "unknown state" : why);
}

/* Of several repositories each one's: "different" says nothing. */
static void
read_problem(const struct json *stanza, struct archiver_info *info)
{
	const struct json *repos = json_get(stanza, "repo"), *repo;
	size_t	i;

	if (json_count(repos) < 2)
		note_problem(json_get(stanza, "status"), 0, info);
	for (i = 0; json_count(repos) > 1 && i < json_count(repos); i++) {
		repo = json_at(repos, i);
		note_problem(json_get(repo, "status"),
		    (int)json_int(json_get(repo, "key")), info);
	}
}

/* First and last WAL of the newest cluster, over all repositories. */
static void
read_wal(const struct json *list, struct archiver_info *info)
{
	const struct json *one;
	const char *min, *max;
	int64_t	id, newest = -1;
	size_t	i;

	for (i = 0; i < json_count(list); i++) {
		one = json_at(list, i);
		id = json_int(json_get(json_get(one, "database"), "id"));
		min = json_text(json_get(one, "min"));
		max = json_text(json_get(one, "max"));
		if (id < newest || min == NULL || max == NULL)
			continue;
		if (id > newest || strcmp(min, info->wal_min) < 0)
			copy(info->wal_min, sizeof(info->wal_min),
			    json_get(one, "min"));
		if (id > newest || strcmp(max, info->wal_max) > 0)
			copy(info->wal_max, sizeof(info->wal_max),
			    json_get(one, "max"));
		newest = id;
	}
}

static int
read_stanza(const struct json *stanza, struct archiver_info *info,
    struct err *e)
{
	const struct json *list = json_get(stanza, "backup");
	struct archiver_backup *grown;
	size_t	i, n = json_count(list);

	read_problem(stanza, info);
	read_wal(json_get(stanza, "archive"), info);
	if (n == 0)
		return 0;
	grown = realloc(info->backups, (info->n + n) * sizeof(*grown));
	if (grown == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	info->backups = grown;
	for (i = 0; i < n; i++)
		read_backup(json_at(list, i), &grown[info->n++]);
	return 0;
}

int
archiver_parse_info(const char *text, size_t len, const char *stanza,
    struct archiver_info *info, struct err *e)
{
	const struct json *one;
	struct json *all;
	const char *name;
	size_t	i;
	int	rc;

	*info = (struct archiver_info){ .n = 0 };
	rc = json_parse(text, len, &all, e);
	if (rc != 0)
		return err_wrap(e, "the archiver's answer");
	for (i = 0; rc == 0 && i < json_count(all); i++) {
		one = json_at(all, i);
		name = json_text(json_get(one, "name"));
		if (name != NULL && strcmp(name, stanza) == 0)
			rc = read_stanza(one, info, e);
	}
	json_free(all);
	if (rc != 0)
		archiver_info_release(info);
	return rc;
}

int
archiver_info(const struct cli *cli, struct archiver_info *info,
    struct err *e)
{
	static const char *const args[] = { "--output=json", NULL };
	struct buf out = { 0 };
	int	rc;

	rc = archiver_run(cli, "info", args, &out, e);
	if (rc == 0)
		rc = archiver_parse_info(buf_bytes(&out), buf_len(&out),
		    cli->opt.stanza, info, e);
	buf_release(&out);
	return rc;
}

void
archiver_info_release(struct archiver_info *info)
{
	free(info->backups);
	info->backups = NULL;
	info->n = 0;
}

const struct archiver_backup *
archiver_pick(const struct archiver_info *info, const char *label,
    int64_t before, struct err *e)
{
	const struct archiver_backup *b, *best = NULL;
	bool	latest = strcmp(label, "latest") == 0;
	char	stamp[TEXT_STAMP_MAX];

	for (b = info->backups; b < info->backups + info->n; b++) {
		if (!latest && strcmp(b->label, label) != 0)
			continue;
		if (before != 0 && b->stop >= before)
			continue;
		if (best == NULL || b->stop > best->stop)
			best = b;
	}
	if (best != NULL)
		return best;
	if (info->n == 0 && info->problem[0] != '\0') {
		err_set(e, ERR_STORE, "no backup can be seen: %s",
		    info->problem);
		err_hint(e, "homelabctl db check tries the repositories");
	} else if (info->n == 0) {
		err_set(e, ERR_NOT_FOUND, "there is no backup");
		err_hint(e, "homelabctl db backup full makes one");
	} else if (before != 0) {
		err_set(e, ERR_NOT_FOUND, "no backup %s%swas complete before "
		    "%s", latest ? "" : label, latest ? "" : " ",
		    text_print_rfc3339(before, stamp));
		err_hint(e, "homelabctl db list-backups shows since when a "
		    "restore is possible");
	} else {
		err_set(e, ERR_NOT_FOUND, "there is no backup %s", label);
		err_hint(e, "homelabctl db list-backups shows the labels");
	}
	return NULL;
}
