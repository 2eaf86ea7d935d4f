/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/pgcontrol.h"
#include "common/crc32c.h"
#include "common/err.h"
#include "tests/unit/control_sample.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

static unsigned char	file[PGCONTROL_SIZE];

static void
load(void)
{
	control_sample(file);
}

static void
put32(size_t at, uint32_t v)
{
	memcpy(file + at, &v, sizeof(v));
}

START_TEST(recorded_file)
{
	struct pgcontrol c;
	struct err	e = { 0 };

	load();
	ck_assert_int_eq(pgcontrol_parse(&c, file, sizeof(file), &e), 0);
	ck_assert_int_eq(c.version, 15);
	ck_assert_uint_eq(c.system_id, 7710469758564292716u);
	ck_assert_uint_eq(c.control_version, 1300);
	ck_assert_uint_eq(c.catalog_version, 202209061);
	ck_assert_uint_eq(c.checkpoint, 0x17529b0);
	ck_assert_uint_eq(c.redo, 0x17529b0);
	ck_assert_uint_eq(c.min_recovery, 0);
	ck_assert_uint_eq(c.timeline, 1);
	ck_assert_uint_eq(c.block_size, 8192);
	ck_assert_uint_eq(c.relseg_blocks, 131072);
	ck_assert_uint_eq(c.wal_block_size, 8192);
	ck_assert_uint_eq(c.wal_segment_size, 16u << 20);
	ck_assert_uint_eq(c.checksum_version, 1);
	ck_assert_int_eq(c.state, PGCONTROL_IN_PRODUCTION);
}
END_TEST

START_TEST(layout_of_18)
{
	struct pgcontrol c;
	struct err	e = { 0 };

	load();
	put32(8, 1800);
	put32(12, 202506291);
	put32(292, crc32c(0, file, 292));
	ck_assert_int_eq(pgcontrol_parse(&c, file, sizeof(file), &e), 0);
	ck_assert_int_eq(c.version, 18);
}
END_TEST

START_TEST(refusals)
{
	struct pgcontrol c;
	struct err	e = { 0 };
	size_t		i;

	load();
	ck_assert_int_eq(pgcontrol_parse(&c, file, 100, &e), ERR_FORMAT);
	ck_assert_str_eq(e.msg, "pg_control is too short (100 bytes)");
	for (i = 16; i < 292; i++) {	/* a flipped bit anywhere is found */
		file[i] ^= 0x10;
		ck_assert_int_eq(pgcontrol_parse(&c, file, sizeof(file), &e),
		    ERR_CHECKSUM);
		file[i] ^= 0x10;
	}
	ck_assert_str_eq(e.msg, "pg_control has a wrong CRC");
	put32(12, 202007201);	/* 13: the same control version */
	ck_assert_int_eq(pgcontrol_parse(&c, file, sizeof(file), &e),
	    ERR_NOT_YET);
	ck_assert_str_eq(e.msg, "pg_control version 1300, catalog version "
	    "202007201 is not supported");
	ck_assert_str_eq(e.hint,
	    "supported are PostgreSQL 14, 15, 16, 17 and 18");
	put32(8, 0x14050000);
	ck_assert_int_eq(pgcontrol_parse(&c, file, sizeof(file), &e),
	    ERR_FORMAT);
	ck_assert_str_eq(e.msg,
	    "pg_control has the byte order of another machine");
	load();
	put32(228, 3u << 20);
	put32(288, crc32c(0, file, 288));
	ck_assert_int_eq(pgcontrol_parse(&c, file, sizeof(file), &e),
	    ERR_FORMAT);
}
END_TEST

START_TEST(invalid_checkpoint)
{
	struct pgcontrol c;
	struct err	e = { 0 };

	load();
	ck_assert_int_eq(pgcontrol_invalidate_checkpoint(file, sizeof(file),
	    &e), 0);
	ck_assert_int_eq(pgcontrol_parse(&c, file, sizeof(file), &e), 0);
	ck_assert_uint_eq(c.checkpoint, 40);
	ck_assert_uint_eq(c.redo, 0x17529b0);
	file[20] ^= 1;
	ck_assert_int_eq(pgcontrol_invalidate_checkpoint(file, sizeof(file),
	    &e), ERR_CHECKSUM);
}
END_TEST

UNIT_MAIN("pgcontrol", recorded_file, layout_of_18, refusals,
    invalid_checkpoint)
