/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/label.h"
#include "common/err.h"
#include "tests/unit/unit.h"

#include <string.h>

START_TEST(labels)
{
	static const char *const bad[] = {
		"", "20251123-020000", "20251123-020000X", "20251123-020000D",
		"20251323-020000F", "20251123-240000F", "20251123_020000F",
		"20251123-020000F_20251124-020000F", "20251123-020000F_",
		"20251123-020000FI", "20251123-020000F/../x", "../20251123-0",
		"20251123-020000F_20251124-020000",
	};
	enum label_type	t;
	char		out[LABEL_MAX];
	size_t		i;

	label_full(out, 1763863200);
	ck_assert_str_eq(out, "20251123-020000F");
	ck_assert(label_parse(out, &t, NULL) && t == LABEL_FULL);
	ck_assert(label_parse("20251123-020000F_20251124-031500I", &t, out));
	ck_assert_int_eq(t, LABEL_INCR);
	ck_assert_str_eq(out, "20251123-020000F");
	ck_assert(label_parse("20251123-020000F_20251124-031500D", &t, NULL));
	ck_assert_int_eq(t, LABEL_DIFF);
	ck_assert_str_eq(label_type_text(t), "diff");
	for (i = 0; i < ARRAY_LEN(bad); i++)
		ck_assert_msg(!label_parse(bad[i], &t, out), "%s", bad[i]);
}
END_TEST

START_TEST(lsns)
{
	static const char *const bad[] = {
		"", "/", "1/", "/1", "1/2/3", "x/1", "1/1 ", " 1/1",
		"123456789/0", "0/123456789", "-1/0",
	};
	uint64_t	lsn = 9;
	char		out[LSN_MAX];
	size_t		i;

	ck_assert(lsn_parse("1/6A000028", &lsn));
	ck_assert_uint_eq(lsn, 0x16a000028u);
	ck_assert_str_eq(lsn_format(out, lsn), "1/6A000028");
	ck_assert(lsn_parse("FFFFFFFF/ffffffff", &lsn));
	ck_assert_uint_eq(lsn, UINT64_MAX);
	ck_assert_str_eq(lsn_format(out, lsn), "FFFFFFFF/FFFFFFFF");
	for (i = 0; i < ARRAY_LEN(bad); i++)
		ck_assert_msg(!lsn_parse(bad[i], &lsn), "%s", bad[i]);
}
END_TEST

static const char label_15[] =
    "START WAL LOCATION: 0/2000028 (file 000000010000000000000002)\n"
    "CHECKPOINT LOCATION: 0/2000060\n"
    "BACKUP METHOD: streamed\n"
    "BACKUP FROM: primary\n"
    "START TIME: 2026-11-21 04:00:00 UTC\n"
    "LABEL: homelab\n"
    "START TIMELINE: 1\n";

START_TEST(backup_label)
{
	struct backup_label l;
	struct err	e = { 0 };
	size_t		n = sizeof(label_15) - 1;

	ck_assert_int_eq(backup_label_parse(&l, label_15, n, &e), 0);
	ck_assert_uint_eq(l.start_lsn, 0x2000028);
	ck_assert_uint_eq(l.checkpoint_lsn, 0x2000060);
	ck_assert_uint_eq(l.timeline, 1);
	ck_assert_str_eq(l.wal_file, "000000010000000000000002");
	ck_assert(l.streamed && !l.from_standby);
	/* Cut anywhere before its last value it is no label. */
	for (n = sizeof(label_15) - 3; n > 0; n--) {
		ck_assert_int_eq(backup_label_parse(&l, label_15, n, &e),
		    ERR_FORMAT);
	}
}
END_TEST

START_TEST(backup_label_refusals)
{
	static const char *const bad[] = {
		"START WAL LOCATION: 0/2000028 (file 00000001000000000000000)\n",
		"START WAL LOCATION: 0/2000028 (file 00000001000000000000000z)\n",
		"START WAL LOCATION: 0-2000028 (file 000000010000000000000002)\n",
		"CHECKPOINT LOCATION: 0/2000060x\n",
		"START TIMELINE: 99999999999\n",
		"START TIMELINE: 0\n",
		"INCREMENTAL FROM LSN: 0/2000060\n",
	};
	struct backup_label l;
	struct err	e = { 0 };
	size_t		i;

	for (i = 0; i < ARRAY_LEN(bad); i++) {
		ck_assert_msg(backup_label_parse(&l, bad[i], strlen(bad[i]),
		    &e) == ERR_FORMAT, "%s", bad[i]);
		ck_assert_msg(strstr(e.msg, "malformed line") != NULL, "%s",
		    e.msg);
	}
	ck_assert_int_eq(backup_label_parse(&l, "", 0, &e), ERR_FORMAT);
	ck_assert_str_eq(e.msg, "backup_label lacks its start location, "
	    "checkpoint or timeline");
}
END_TEST

START_TEST(tablespace_maps)
{
	static const char nasty[] = "/a b\\c\nd\re";
	char		map[256], path[64];
	size_t		n, pos = 0;
	uint32_t	oid = 0;

	n = tablespace_map_format(map, sizeof(map), 16400, "/srv/fast");
	n += tablespace_map_format(map + n, sizeof(map) - n, 16401, nasty);
	ck_assert_int_eq(memcmp(map, "16400 /srv/fast\n16401 /a b\\\\c", 29), 0);
	ck_assert_int_eq(tablespace_map_next(map, n, &pos, &oid, path, 64), 1);
	ck_assert_uint_eq(oid, 16400);
	ck_assert_str_eq(path, "/srv/fast");
	ck_assert_int_eq(tablespace_map_next(map, n, &pos, &oid, path, 64), 1);
	ck_assert_uint_eq(oid, 16401);
	ck_assert_str_eq(path, nasty);
	ck_assert_int_eq(tablespace_map_next(map, n, &pos, &oid, path, 64), 0);
	/* No room. */
	for (n = 0; n < 16; n++) {
		ck_assert_uint_eq(tablespace_map_format(map, n, 16400,
		    "/srv/fast"), 0);
	}
	pos = 0;
	ck_assert_int_eq(tablespace_map_next("1 /abc\n", 7, &pos, &oid, path,
	    4), ERR_FORMAT);
}
END_TEST

START_TEST(tablespace_map_refusals)
{
	static const char *const bad[] = {
		"x", "1", "1 ", "0 /a\n", " 1 /a\n", "99999999999 /a\n",
		"1 /a\\", "1/a\n",
	};
	char		path[64];
	uint32_t	oid;
	size_t		i, pos;

	for (i = 0; i < ARRAY_LEN(bad); i++) {
		pos = 0;
		ck_assert_msg(tablespace_map_next(bad[i], strlen(bad[i]), &pos,
		    &oid, path, sizeof(path)) == ERR_FORMAT, "%s", bad[i]);
	}
}
END_TEST

UNIT_MAIN("label", labels, lsns, backup_label, backup_label_refusals,
    tablespace_maps, tablespace_map_refusals)
