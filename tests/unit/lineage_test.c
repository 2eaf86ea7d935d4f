/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/lineage.h"

#include "tests/unit/unit.h"

static const char history[] =
    "1\t0/3000000\tno recovery target specified\n"
    "\n"
    "# a comment\n"
    "4\t1/5000028\tbefore 2026-11-21 05:58:43+00\n";

START_TEST(ancestors_lead_to_it)
{
	ck_assert(lineage_leads_from(history, 1, 0x2000100));
	ck_assert(lineage_leads_from(history, 1, 0x3000000));
	ck_assert(lineage_leads_from(history, 4, (UINT64_C(1) << 32) + 0x5000028));
}
END_TEST

START_TEST(what_came_after_the_switch_is_lost)
{
	ck_assert(!lineage_leads_from(history, 1, 0x3000001));
	ck_assert(!lineage_leads_from(history, 4, (UINT64_C(1) << 32) + 0x5000029));
}
END_TEST

START_TEST(strangers_do_not)
{
	ck_assert(!lineage_leads_from(history, 2, 0x1000000));
	ck_assert(!lineage_leads_from("", 1, 0x1000000));
	ck_assert(!lineage_leads_from("1\t0", 1, 0));
	ck_assert(!lineage_leads_from("1 x/y\n\n\n", 1, 0));
}
END_TEST

UNIT_MAIN("lineage", ancestors_lead_to_it, what_came_after_the_switch_is_lost,
    strangers_do_not)
