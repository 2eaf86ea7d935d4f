/* SPDX-License-Identifier: MIT */
/*
 * db backup full, db check: the archiver's verbs.
 */
#include "common/base.h"
#include "homelabctl/cli.h"

#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/json.h"
#include "common/text.h"
#include "homelabctl/archiver.h"
#include "homelabctl/interrupt.h"

static int
print_backup_json(const struct archiver_info *info, int64_t took,
    struct err *e)
{
	const struct archiver_backup *b = archiver_pick(info, "latest", 0, e);
	struct json_build j = { .root = NULL };
	struct buf	out = { 0 };
	int	rc;

	if (b == NULL)
		return e->code;
	json_open(&j, NULL, false);
	json_put_int(&j, "schema", 1);
	json_put_string(&j, "label", b->label);
	json_put_int(&j, "size_bytes", b->size);
	json_put_int(&j, "stored_bytes", b->stored);
	json_put_int(&j, "repo", b->repo);
	json_put_int(&j, "took_ms", took / 1000);
	json_close(&j);
	rc = json_build_print(&j, &out, e);
	if (rc == 0)
		fputs(buf_cstr(&out), stdout);
	buf_release(&out);
	json_build_release(&j);
	return rc;
}

int
verb_backup(struct cli *cli, struct err *e)
{
	static const char *const args[] = { "--type=full", NULL };
	struct archiver_info info;
	struct buf	out = { 0 };
	char	text[TEXT_NUMBER_MAX];
	int64_t	began = cli_now();
	int	rc;

	cli_say("Backing up stanza %s; a checkpoint comes first and may take "
	    "a while.", cli->opt.stanza);
	interrupt_catch();
	rc = archiver_run(cli, "backup", args, &out, e);
	if (rc != 0 && interrupt_came(NULL)) {
		cli_say("The backup was interrupted. PostgreSQL and its "
		    "clients do not notice; what was\nstored belongs to no "
		    "backup, and expire removes it later.\n"
		    "next: homelabctl db backup full");
		rc = CLI_INTERRUPTED;
	}
	if (rc == 0 && cli->json) {
		rc = archiver_info(cli, &info, e);
		if (rc == 0) {
			rc = print_backup_json(&info, cli_now() - began, e);
			archiver_info_release(&info);
		}
	} else if (rc == 0) {
		printf("%sTook %s.\n", buf_cstr(&out),
		    text_print_time_short(cli_now() - began, text));
	}
	buf_release(&out);
	return rc;
}

int
verb_check(struct cli *cli, struct err *e)
{
	static const char *const args[] = { NULL };
	struct json_build j = { .root = NULL };
	struct buf	said = { 0 }, out = { 0 };
	int	rc;

	rc = archiver_run(cli, "check", args, &said, e);
	if (!cli->json) {
		fputs(buf_cstr(&said), stdout);
	} else {
		json_open(&j, NULL, false);
		json_put_int(&j, "schema", 1);
		json_put_bool(&j, "ok", rc == 0);
		json_put_string(&j, "message", rc == 0 ? buf_cstr(&said) :
		    e->msg);
		json_close(&j);
		if (json_build_print(&j, &out, rc == 0 ? e : NULL) == 0)
			fputs(buf_cstr(&out), stdout);
		json_build_release(&j);
	}
	buf_release(&said);
	buf_release(&out);
	return rc;
}
