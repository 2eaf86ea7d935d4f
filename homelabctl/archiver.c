/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "homelabctl/archiver.h"

#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/ctlclient.h"
#include "common/err.h"
#include "common/frame.h"
#include "common/json.h"
#include "common/text.h"
#include "homelabctl/cli.h"
#include "homelabctl/render.h"
#include "homelabctl/run.h"

/* How long a daemon may take to accept; and beyond what it then asks for. */
#define ACCEPT_US	(5 * TEXT_USEC_PER_SEC)
#define GRACE_US	(10 * TEXT_USEC_PER_SEC)

/* Words before the program's when root runs it as another user. */
#define SWITCH		4

/* One line, drawn over itself. */
static void
draw(const struct cli *cli, const struct frame *f)
{
	struct buf	line = { 0 };
	const char     *what = frame_get(f, "what");

	if (!cli->progress)
		return;
	render_progress(&line, what == NULL ? "" : what,
	    frame_get_int(f, "done"), frame_get_int(f, "total"));
	fprintf(stderr, "\r%s\033[K", buf_cstr(&line));
	buf_release(&line);
}

static void
put_result(struct buf *out, const char *text)
{
	if (out != NULL)
		buf_append_str(out, text);
	else
		fputs(text, stdout);
}

static int
verdict(const struct frame *f, struct err *e)
{
	const char *msg = frame_get(f, "msg"), *hint = frame_get(f, "hint");
	int	code = (int)frame_get_int(f, "code");

	if (code == 0)
		return 0;
	err_set(e, code, "%s", msg == NULL ? err_text(code) : msg);
	if (hint != NULL)
		err_hint(e, "%s", hint);
	return code;
}

/* Reads up to the verdict. */
static int
listen_to(const struct cli *cli, struct ctlclient *c, struct buf *out,
    bool *declined, struct err *e)
{
	struct frame	f;
	const char     *text;
	int64_t		limit, due = ctlclient_clock() + ACCEPT_US;
	int		rc;

	while ((rc = ctlclient_receive(c, &f, due, e)) == 0) {
		text = frame_get(&f, "text");
		switch (f.type) {
		case FRAME_ACCEPTED:
			limit = frame_get_int(&f, "timeout_us");
			due = limit == 0 ? 0 :
			    ctlclient_clock() + limit + GRACE_US;
			break;
		case FRAME_OUTPUT:
			if (cli->progress)
				fputs("\r\033[K", stderr);
			put_result(out, text == NULL ? "" : text);
			break;
		case FRAME_WARNING:
			cli_say("%s", text == NULL ? "" : text);
			break;
		case FRAME_PROGRESS:
			draw(cli, &f);
			break;
		case FRAME_VERDICT:
			if (cli->progress)
				fputs("\r\033[K", stderr);
			*declined = frame_get_int(&f, "declined") != 0;
			return *declined ? 0 : verdict(&f, e);
		case FRAME_REQUEST:
			break;
		}
	}
	return err_hint(e, "the daemon may still be at it: look at its log");
}

/* *declined stays true if there is no daemon that does it. */
static int
ask(const struct cli *cli, const char *verb, const char *const *argv,
    struct buf *out, bool *declined, struct err *e)
{
	struct ctlclient c;
	struct buf	request = { 0 };
	struct err	why = { 0 };
	size_t		start;
	int64_t		due = ctlclient_clock() + ACCEPT_US;
	int		rc;

	if (cli->opt.archiver_socket == NULL ||
	    cli->opt.archiver_socket[0] == '\0' ||
	    ctlclient_connect(&c, cli->opt.archiver_socket, due, &why) != 0)
		return 0;
	start = frame_begin(&request, FRAME_REQUEST);
	frame_add(&request, "version", HOMELAB_VERSION);
	frame_add(&request, "verb", verb);
	frame_add(&request, "config", cli->opt.archiver_config);
	for (; *argv != NULL; argv++)
		frame_add(&request, "arg", *argv);
	frame_end(&request, start);
	rc = ctlclient_send(&c, &request, -1, due, e);
	if (rc == 0)
		rc = listen_to(cli, &c, out, declined, e);
	if (rc != 0)
		*declined = false;
	buf_release(&request);
	ctlclient_close(&c);
	return rc;
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
	const char *words[SWITCH + ARCHIVER_ARGS_MAX + 5];
	const char **argv = words + SWITCH;
	char	config[4200], stanza[300];
	size_t	n = 0;
	bool	declined = true;
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
	rc = ask(cli, verb, argv + 3, out, &declined, e);
	if (!declined)
		return rc;
	fflush(stdout);
	rc = run_words(cli, words, out, &status, e);
	if (rc == ERR_NOT_FOUND)
		return err_hint(e, "set archiver_program in homelabctl.ini");
	if (rc != 0 || status == 0)
		return rc;
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
read_problem(const struct json *stanza, struct archiver_info *info)
{
	const struct json *status = json_get(stanza, "status");
	int64_t	code = json_int(json_get(status, "code"));
	const char *why = json_text(json_get(status, "message"));

	if (code != 0 && code != 2 && info->problem[0] == '\0')
		snprintf(info->problem, sizeof(info->problem), "%s",
		    why == NULL ? "unknown state" : why);
}

static int
read_stanza(const struct json *stanza, struct archiver_info *info,
    struct err *e)
{
	const struct json *list = json_get(stanza, "backup");
	const struct json *wal = json_get(stanza, "archive");
	struct archiver_backup *grown;
	size_t	i, n = json_count(list);

	read_problem(stanza, info);
	if (json_count(wal) > 0) {
		wal = json_at(wal, json_count(wal) - 1);
		copy(info->wal_min, sizeof(info->wal_min),
		    json_get(wal, "min"));
		copy(info->wal_max, sizeof(info->wal_max),
		    json_get(wal, "max"));
	}
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
	if (info->n == 0) {
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
