/* SPDX-License-Identifier: MIT */
/*
 * db list-backups.
 */
#include "common/base.h"
#include "homelabctl/cli.h"

#include <stdio.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/json.h"
#include "common/text.h"
#include "homelabctl/archiver.h"
#include "homelabctl/render.h"

static void
as_text(const struct archiver_info *info, struct buf *out)
{
	struct render_table t = { .columns = 7, .right = 0x18 };
	const struct archiver_backup *b;
	char	a[TEXT_NUMBER_MAX], age[RENDER_AGE_MAX], when[TEXT_STAMP_MAX];
	int64_t	now = cli_now();
	static const char *const heads[] = { "LABEL", "COMPLETE", "AGE",
	    "SIZE", "STORED", "REPO", "" };
	size_t	i;

	for (i = 0; i < ARRAY_LEN(heads); i++)
		render_cell(&t, "%s", heads[i]);
	for (b = info->backups; b < info->backups + info->n; b++) {
		render_cell(&t, "%s", b->label);
		render_cell(&t, "%s", text_print_rfc3339(b->stop, when));
		render_cell(&t, "%s", render_age(b->stop, now, age));
		render_cell(&t, "%s", text_print_size_short(b->size, a));
		render_cell(&t, "%s", text_print_size_short(b->stored, a));
		render_cell(&t, "repo%d", b->repo);
		render_cell(&t, "%s", b->damaged ? "WARN: pages with wrong "
		    "checksums" : "");
	}
	render_table(&t, "", out);
	render_table_release(&t);
}

static int
as_json(const struct cli *cli, const struct archiver_info *info,
    struct buf *out, struct err *e)
{
	struct json_build j = { .root = NULL };
	const struct archiver_backup *b;
	char	when[TEXT_STAMP_MAX];
	int	rc;

	json_open(&j, NULL, false);
	json_put_int(&j, "schema", 1);
	json_put_string(&j, "stanza", cli->opt.stanza);
	json_open(&j, "backups", true);
	for (b = info->backups; b < info->backups + info->n; b++) {
		json_open(&j, NULL, false);
		json_put_string(&j, "label", b->label);
		json_put_string(&j, "type", b->type);
		json_put_string(&j, "started",
		    text_print_rfc3339(b->start, when));
		json_put_string(&j, "complete",
		    text_print_rfc3339(b->stop, when));
		json_put_int(&j, "size_bytes", b->size);
		json_put_int(&j, "stored_bytes", b->stored);
		json_put_int(&j, "repo", b->repo);
		json_put_bool(&j, "damaged", b->damaged);
		json_close(&j);
	}
	json_close(&j);
	json_close(&j);
	rc = json_build_print(&j, out, e);
	json_build_release(&j);
	return rc;
}

int
verb_list(struct cli *cli, struct err *e)
{
	struct archiver_info info;
	struct buf	out = { 0 };
	int	rc = archiver_info(cli, &info, e);

	if (rc != 0)
		return rc;
	if (info.problem[0] != '\0') {
		rc = err_set(e, ERR_STORE, "the repository: %s", info.problem);
		err_hint(e, "homelab-archiver info --config=%s --stanza=%s "
		    "says more", cli->opt.archiver_config, cli->opt.stanza);
	} else if (cli->json) {
		rc = as_json(cli, &info, &out, e);
	} else if (info.n == 0) {
		cli_say("There is no backup yet: homelabctl db backup full "
		    "makes one.");
	} else {
		as_text(&info, &out);
	}
	fputs(buf_cstr(&out), stdout);
	buf_release(&out);
	archiver_info_release(&info);
	return rc;
}
