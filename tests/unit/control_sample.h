/* SPDX-License-Identifier: MIT */
/* A pg_control as PostgreSQL wrote it, for tests that need a cluster. */
#ifndef TESTS_UNIT_CONTROL_SAMPLE_H
#define TESTS_UNIT_CONTROL_SAMPLE_H

#include "common/base.h"

#include <stdio.h>
#include <string.h>

#include "archiver/pgcontrol.h"
#include "tests/unit/unit.h"

#define CONTROL_SYSTEM_ID	UINT64_C(7710469758564292716)

/* The start of the file of a running PostgreSQL 15 with checksums on. */
static const char control_recorded[] =
    "6cd89dc26417016b1405000025770d0c06000000000000006517016b0000"
    "0000b029750100000000b029750100000000010000000100000001000000"
    "00000000d402000000000000053500000100000000000000cc0200000100"
    "00000100000001000000000000006517016b000000000000000000000000"
    "0000000000000000e8030000000000000000000000000000000000000000"
    "000000000000000000000000000000000000000000000100000000000000"
    "64000000080000000a000000000000004000000000000000080000000000"
    "000087d63241002000000000020000200000000000014000000020000000"
    "cc0700000008000001000000010000009e0bbd13bbcdbf26c5fc049eb830"
    "de169ec19d3dbd513c932c6484fc3e164ac5406ae9f9";

/* Fills a file of PGCONTROL_SIZE bytes. */
static inline void
control_sample(unsigned char *file)
{
	unsigned	byte;
	size_t		i;

	memset(file, 0, PGCONTROL_SIZE);
	for (i = 0; control_recorded[2 * i] != '\0'; i++) {
		ck_assert_int_eq(sscanf(control_recorded + 2 * i, "%2x",
		    &byte), 1);
		file[i] = (unsigned char)byte;
	}
	ck_assert_uint_eq(i, 292);
}

#endif /* TESTS_UNIT_CONTROL_SAMPLE_H */
