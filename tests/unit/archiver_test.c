/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "tests/unit/unit.h"

#include <string.h>

#include "common/err.h"
#include "common/text.h"
#include "homelabctl/archiver.h"

static const char two[] = "[{\"archive\":[{\"database\":{\"id\":1,"
    "\"repo-key\":1},\"id\":\"15-1\",\"max\":\"000000010000000000000009\","
    "\"min\":\"000000010000000000000002\"}],\"backup\":["
    "{\"database\":{\"id\":1,\"repo-key\":1},\"error\":false,"
    "\"info\":{\"size\":1000,\"repository\":{\"delta\":300,\"size\":300}},"
    "\"label\":\"20261120-020000F\",\"timestamp\":{\"start\":100,"
    "\"stop\":200},\"type\":\"full\"},"
    "{\"database\":{\"id\":1,\"repo-key\":1},\"error\":true,"
    "\"info\":{\"size\":2000,\"repository\":{\"delta\":600,\"size\":600}},"
    "\"label\":\"20261121-020000F\",\"timestamp\":{\"start\":300,"
    "\"stop\":400},\"type\":\"full\"}],\"name\":\"main\","
    "\"status\":{\"code\":0,\"message\":\"ok\"}}]";

static int
parse(const char *text, struct archiver_info *info, struct err *e)
{
	*e = (struct err){ 0 };
	return archiver_parse_info(text, strlen(text), "main", info, e);
}

START_TEST(what_info_says)
{
	struct archiver_info info;
	struct err e;

	ck_assert_int_eq(parse(two, &info, &e), 0);
	ck_assert_uint_eq(info.n, 2);
	ck_assert_str_eq(info.wal_max, "000000010000000000000009");
	ck_assert_str_eq(info.problem, "");
	ck_assert_str_eq(info.backups[0].label, "20261120-020000F");
	ck_assert_int_eq(info.backups[0].stop, 200 * TEXT_USEC_PER_SEC);
	ck_assert_int_eq(info.backups[0].stored, 300);
	ck_assert_int_eq(info.backups[1].repo, 1);
	ck_assert(info.backups[1].damaged);
	archiver_info_release(&info);
}
END_TEST

START_TEST(wal_of_two_repositories)
{
	struct archiver_info info;
	struct err e;

	ck_assert_int_eq(parse("[{\"name\":\"main\",\"archive\":["
	    "{\"database\":{\"id\":1,\"repo-key\":1},\"min\":\"A0\","
	    "\"max\":\"F9\"},"
	    "{\"database\":{\"id\":2,\"repo-key\":1},\"min\":\"B2\","
	    "\"max\":\"B8\"},"
	    "{\"database\":{\"id\":2,\"repo-key\":2},\"min\":\"B1\","
	    "\"max\":\"B7\"}]}]", &info, &e), 0);
	ck_assert_str_eq(info.wal_min, "B1");
	ck_assert_str_eq(info.wal_max, "B8");
	archiver_info_release(&info);
}
END_TEST

START_TEST(problems)
{
	static const struct {
		const char *text, *problem;
	} samples[] = {
		{ "[{\"name\":\"main\",\"status\":{\"code\":1,"
		    "\"message\":\"missing stanza path\"}}]",
		    "missing stanza path" },
		/* No backup yet is not the store's fault. */
		{ "[{\"name\":\"main\",\"status\":{\"code\":2,"
		    "\"message\":\"no valid backups\"}}]", "" },
		{ "[{\"name\":\"other\",\"status\":{\"code\":99,"
		    "\"message\":\"x\"}}]", "" },
		/* Two repositories: that one is empty is no problem, */
		{ "[{\"name\":\"main\",\"repo\":[{\"key\":1,\"status\":"
		    "{\"code\":0}},{\"key\":2,\"status\":{\"code\":2}}],"
		    "\"status\":{\"code\":4,\"message\":\"different\"}}]",
		    "" },
		/* that one cannot be read is. */
		{ "[{\"name\":\"main\",\"repo\":[{\"key\":1,\"status\":"
		    "{\"code\":0}},{\"key\":2,\"status\":{\"code\":99,"
		    "\"message\":\"away\"}}],"
		    "\"status\":{\"code\":4,\"message\":\"different\"}}]",
		    "repo2: away" },
		{ "[]", "" },
	};
	struct archiver_info info;
	struct err e;
	size_t	i;

	for (i = 0; i < ARRAY_LEN(samples); i++) {
		ck_assert_int_eq(parse(samples[i].text, &info, &e), 0);
		ck_assert_str_eq(info.problem, samples[i].problem);
		ck_assert_uint_eq(info.n, 0);
		archiver_info_release(&info);
	}
	ck_assert_int_eq(parse("oops", &info, &e), ERR_FORMAT);
}
END_TEST

static const char *
pick(const struct archiver_info *info, const char *label, int64_t before)
{
	static struct err e;
	const struct archiver_backup *b;

	e = (struct err){ 0 };
	b = archiver_pick(info, label, before * TEXT_USEC_PER_SEC, &e);
	if (b != NULL)
		return b->label;
	ck_assert_int_eq(e.code, ERR_NOT_FOUND);
	ck_assert_int_ne(e.hint[0], '\0');
	return e.msg;
}

START_TEST(picking)
{
	struct archiver_info info, none = { .n = 0 };
	struct err e;

	ck_assert_int_eq(parse(two, &info, &e), 0);
	ck_assert_str_eq(pick(&info, "latest", 0), "20261121-020000F");
	ck_assert_str_eq(pick(&info, "latest", 500), "20261121-020000F");
	/* Not complete before that moment: the one before it. */
	ck_assert_str_eq(pick(&info, "latest", 400), "20261120-020000F");
	ck_assert_str_eq(pick(&info, "20261120-020000F", 0),
	    "20261120-020000F");
	ck_assert_str_eq(pick(&info, "latest", 200),
	    "no backup was complete before 1970-01-01T00:03:20Z");
	ck_assert_str_eq(pick(&info, "20261121-020000F", 400), "no backup "
	    "20261121-020000F was complete before 1970-01-01T00:06:40Z");
	ck_assert_str_eq(pick(&info, "x", 0), "there is no backup x");
	ck_assert_str_eq(pick(&none, "latest", 0), "there is no backup");
	archiver_info_release(&info);
}
END_TEST

UNIT_MAIN("archiver", what_info_says, wal_of_two_repositories, problems, picking)
