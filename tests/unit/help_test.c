/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/help.h"
#include "tests/unit/unit.h"

#include <string.h>

#include "common/buf.h"

static const char *const verbs[] = {
#define VERB(name, fn, flags, args, options, help) name,
#include "archiver/verbs.def"
#undef VERB
};

/* Each verb has help, with options that exist, in lines that fit. */
START_TEST(all_verbs)
{
	struct buf	out = { 0 };
	const char	*line;
	size_t		 i, n;

	for (i = 0; i < ARRAY_LEN(verbs); i++) {
		buf_clear(&out);
		ck_assert_msg(help_verb(verbs[i], &out), "%s", verbs[i]);
		ck_assert_ptr_nonnull(strstr(buf_cstr(&out), verbs[i]));
		ck_assert_ptr_null(strchr(buf_cstr(&out), '*'));
		for (line = buf_cstr(&out); *line != '\0'; line += n + 1) {
			n = strcspn(line, "\n");
			ck_assert_uint_le(n, 79);
		}
	}
	ck_assert(!help_verb("bogus", &out));
	buf_release(&out);
}
END_TEST

START_TEST(one_verb)
{
	struct buf	out = { 0 };

	ck_assert(help_verb("expire", &out));
	ck_assert_ptr_nonnull(strstr(buf_cstr(&out), "usage: homelab-archiver "
	    "--stanza=NAME [--option=value ...] expire\n\n"
	    "Remove backups and WAL that retention gives up.\n"));
	ck_assert_ptr_nonnull(strstr(buf_cstr(&out), "\n  --dry-run\n      "
	    "Say what expire would do, and do nothing.\n      Takes y or n; "
	    "default n.\n"));
	buf_clear(&out);
	ck_assert(help_verb("archive-get", &out));
	ck_assert_ptr_nonnull(strstr(buf_cstr(&out), "archive-get %f %p\n"));
	buf_release(&out);
}
END_TEST

UNIT_MAIN("help", all_verbs, one_verb)
