/* SPDX-License-Identifier: MIT */
/*
 * db restore: what is to be done is found out, shown and confirmed; then
 * restore.c does it.
 */
#include "common/base.h"
#include "homelabctl/cli.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/json.h"
#include "common/pgquery.h"
#include "common/text.h"
#include "homelabctl/archiver.h"
#include "homelabctl/connect.h"
#include "homelabctl/interrupt.h"
#include "homelabctl/restore.h"

/* ---- before anything happens ---- */

static int
read_time(struct restore *r, struct err *e)
{
	const char *text = r->cli->time;

	if (text == NULL)
		return 0;
	if (text_parse_rfc3339(text, &r->time) != 0) {
		err_set(e, ERR_USAGE, "--time: \"%s\" is not a time with a "
		    "zone", text);
		return err_hint(e, "write it like '2026-11-20 20:54:00+00'");
	}
	if (r->time > cli_now())
		return err_set(e, ERR_USAGE, "--time: %s is still to come",
		    text);
	text_print_rfc3339(r->time, r->target);
	return 0;
}

static int
find_data(struct restore *r, struct err *e)
{
	const char *set = r->cli->opt.data_directory;
	struct pgquery *q = NULL;
	struct pgquery_result *res = NULL;
	int	rc = 0;

	if (set == NULL || set[0] == '\0') {
		rc = connect_server(r->cli, &q, e);
		if (rc == 0)
			rc = pgquery_run_one(q, "SHOW data_directory", NULL, 0,
			    &res, e);
		if (rc == 0)
			set = pgquery_text(res, 0, 0);
		else
			err_hint(e, "set data_directory in homelabctl.ini");
	}
	if (rc == 0)
		snprintf(r->data, sizeof(r->data), "%s", set);
	pgquery_result_free(res);
	pgquery_close(q);
	return rc;
}

/* Tablespaces lie outside: the directory alone cannot be put aside. */
static bool
has_tablespaces(const char *data)
{
	char	path[4200];
	const struct dirent *d;
	bool	found = false;
	DIR    *dir;

	snprintf(path, sizeof(path), "%s/pg_tblspc", data);
	dir = opendir(path);
	if (dir == NULL)
		return false;
	while (!found && (d = readdir(dir)) != NULL)
		found = d->d_name[0] != '.';
	closedir(dir);
	return found;
}

static int
check_data(const struct restore *r, struct err *e)
{
	if (r->data[0] != '/')
		return err_set(e, ERR_CONFIG, "data_directory %s is not an "
		    "absolute path", r->data);
	if (r->cli->delta || !has_tablespaces(r->data))
		return 0;
	err_set(e, ERR_USAGE, "the cluster has tablespaces outside %s",
	    r->data);
	return err_hint(e, "add --delta, which restores in place");
}

static void
show_plan(const struct restore *r, const struct archiver_info *info)
{
	const struct archiver_backup *b = r->backup;
	char	when[TEXT_STAMP_MAX], size[TEXT_NUMBER_MAX];

	cli_say("Backup      %s  complete %s  %s  from repo%d", b->label,
	    text_print_rfc3339(b->stop, when),
	    text_print_size_short(b->size, size), b->repo);
	if (b->damaged)
		cli_say("            WARN: it has pages with wrong checksums");
	cli_say("Restored to %s%s", r->time != 0 ? r->target :
	    "the end of the archived WAL, segment ",
	    r->time != 0 ? "" : info->wal_max);
	cli_say("            what was written after that is lost");
	cli_say("Directory   %s  %s", r->data, r->cli->delta ?
	    "changed in place" : "moved aside, not deleted");
	cli_say("Clients     %s", r->cli->opt.pooler && !r->cli->no_pooler ?
	    "wait at the pooler meanwhile" : "are disconnected");
}

/* 0, CLI_NOT_CONFIRMED, or ERR_SYS. */
static int
confirm(const struct restore *r)
{
	char	line[256];

	if (r->cli->yes)
		return 0;
	if (!isatty(STDIN_FILENO)) {
		cli_say("homelabctl: nobody to ask\nnext: add --yes");
		return CLI_NOT_CONFIRMED;
	}
	fprintf(stderr, "Type the label of the backup to go on: ");
	if (fgets(line, sizeof(line), stdin) == NULL)
		line[0] = '\0';
	line[strcspn(line, "\n")] = '\0';
	if (strcmp(line, r->backup->label) == 0)
		return 0;
	cli_say("Not confirmed; nothing was done.");
	return CLI_NOT_CONFIRMED;
}

/* ---- afterwards ---- */

static int
report(const struct restore *r, int64_t took, struct err *e)
{
	struct json_build j = { .root = NULL };
	struct buf out = { 0 };
	char	text[TEXT_NUMBER_MAX];
	int	rc = 0;

	if (r->cli->json) {
		json_open(&j, NULL, false);
		json_put_int(&j, "schema", 1);
		json_put_string(&j, "label", r->backup->label);
		json_put_string(&j, "target", r->time != 0 ? r->target : NULL);
		json_put_string(&j, "old_data_directory",
		    r->aside[0] != '\0' ? r->aside : NULL);
		json_put_int(&j, "took_ms", took / 1000);
		json_close(&j);
		rc = json_build_print(&j, &out, e);
		json_build_release(&j);
	} else {
		buf_printf(&out, "Restored %s to %s in %s; PostgreSQL is "
		    "writable%s.\n", r->backup->label, r->time != 0 ?
		    r->target : "the end of the WAL",
		    text_print_time_short(took, text), r->cli->opt.pooler &&
		    !r->cli->no_pooler ?
		    " and the clients go on" : "");
		if (r->aside[0] != '\0')
			buf_printf(&out, "The old data directory is %s: "
			    "delete it when you do not need it.\n", r->aside);
		buf_append_str(&out, "Next: homelabctl db backup full\n");
	}
	fputs(buf_cstr(&out), stdout);
	buf_release(&out);
	return rc;
}

int
verb_restore(struct cli *cli, struct err *e)
{
	struct archiver_info info = { .n = 0 };
	struct restore r = { .cli = cli, .clients = { .cli = cli } };
	int64_t	began;
	int	rc = read_time(&r, e);

	if (rc == 0)
		rc = archiver_info(cli, &info, e);
	if (rc == 0) {
		r.backup = archiver_pick(&info, cli->arg, r.time, e);
		rc = r.backup == NULL ? e->code : 0;
	}
	if (rc == 0)
		rc = find_data(&r, e);
	if (rc == 0)
		rc = check_data(&r, e);
	if (rc == 0) {
		show_plan(&r, &info);
		rc = confirm(&r);
	}
	began = cli_now();
	if (rc == 0) {
		/* Until now Ctrl-C ends us, and nothing was done. */
		interrupt_catch();
		rc = restore_run(&r, e);
	}
	if (rc == 0)
		rc = report(&r, cli_now() - began, e);
	clients_close(&r.clients);
	archiver_info_release(&info);
	return rc;
}
