/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/retention.h"
#include "tests/unit/unit.h"

#define FULL_1	"20260101-000000F"
#define INCR_1	FULL_1 "_20260102-000000I"
#define FULL_2	"20260103-000000F"
#define FULL_3	"20260104-000000F"
#define DIFF_3	FULL_3 "_20260105-000000D"

START_TEST(by_count)
{
	struct retention_backup b[] = {
		{ .label = FULL_1 }, { .label = INCR_1 }, { .label = FULL_2 },
		{ .label = FULL_3 }, { .label = DIFF_3 },
	};

	retention_by_count(b, ARRAY_LEN(b), 0);
	retention_by_count(b, ARRAY_LEN(b), 3);
	ck_assert(!b[0].expired && !b[1].expired && !b[2].expired);
	retention_by_count(b, ARRAY_LEN(b), 2);
	ck_assert(b[0].expired && b[1].expired);	/* and what depends */
	ck_assert(!b[2].expired && !b[3].expired && !b[4].expired);
	retention_by_count(b, ARRAY_LEN(b), 1);
	ck_assert(b[2].expired && !b[3].expired && !b[4].expired);
	/* One that is expired already does not count as kept. */
	b[2].expired = false;
	b[3].expired = b[4].expired = true;
	retention_by_count(b, ARRAY_LEN(b), 1);
	ck_assert(!b[2].expired);
}
END_TEST

START_TEST(wal)
{
	struct retention_backup b[] = {
		{ .label = FULL_1, .timeline = 1, .start_lsn = 0x1000 },
		{ .label = FULL_2, .timeline = 2, .start_lsn = 0x5000 },
		{ .label = FULL_3, .timeline = 4, .start_lsn = 0x3000 },
	};

	/* A segment that ends where the backup starts is not needed. */
	ck_assert(!retention_needs_wal(b, 3, 1, 0x1000));
	ck_assert(retention_needs_wal(b, 3, 1, 0x1001));
	ck_assert(retention_needs_wal(b, 3, 3, 0x2000));
	b[0].expired = true;
	ck_assert(!retention_needs_wal(b, 3, 1, 0x9000));
	ck_assert(!retention_needs_wal(b, 3, 2, 0x5000));
	ck_assert(retention_needs_wal(b, 3, 2, 0x6000));
	ck_assert(retention_needs_wal(b, 3, 3, 0x6000));
	/* A younger backup on a later timeline that starts further back. */
	ck_assert(!retention_needs_wal(b, 3, 3, 0x4000));
	ck_assert(retention_needs_wal(b, 3, 4, 0x4000));
	/* No backup at all: nothing may go. */
	b[1].expired = b[2].expired = true;
	ck_assert(retention_needs_wal(b, 3, 1, 1));
	ck_assert(retention_needs_wal(b, 0, 1, 1));
}
END_TEST

UNIT_MAIN("retention", by_count, wal)
