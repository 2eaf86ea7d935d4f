/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/recovery.h"
#include "common/buf.h"
#include "common/err.h"
#include "tests/unit/unit.h"

#include <string.h>

START_TEST(what_fits_together)
{
	static const struct recovery good[] = {
		{ .type = RECOVERY_DEFAULT },
		{ .type = RECOVERY_DEFAULT, .timeline = "current" },
		{ .type = RECOVERY_IMMEDIATE, .action = "promote" },
		{ .type = RECOVERY_STANDBY, .timeline = "latest" },
		{ .type = RECOVERY_XID, .target = "7281", .exclusive = true },
		{ .type = RECOVERY_NAME, .target = "before the change" },
		{ .type = RECOVERY_LSN, .target = "1/6A", .timeline = "4" },
		{ .type = RECOVERY_TIME, .target = "2026-11-21 04:00:00+01",
		    .action = "shutdown" },
	};
	struct err	e = { 0 };
	int64_t		time = 0;
	uint64_t	lsn = 0;
	size_t		i;

	for (i = 0; i < ARRAY_LEN(good); i++) {
		ck_assert_msg(recovery_check(&good[i], &time, &lsn, &e) == 0,
		    "%zu: %s", i, e.msg);
	}
	ck_assert_int_eq(time, 1795230000000000);
	ck_assert_uint_eq(lsn, 0x10000006au);
}
END_TEST

START_TEST(what_does_not)
{
	static const char long_name[] = "0123456789012345678901234567890123456"
	    "789012345678901234567890123";
	static const struct {
		struct recovery	r;
		const char	*msg;
	} bad[] = {
		{ { .type = RECOVERY_TIME },
		    "this type of restore needs a target" },
		{ { .type = RECOVERY_NAME, .target = "" },
		    "this type of restore needs a target" },
		{ { .type = RECOVERY_DEFAULT, .target = "x" },
		    "a target was given, but the type of the restore has "
		    "none" },
		{ { .type = RECOVERY_IMMEDIATE, .exclusive = true },
		    "target-exclusive needs --type=time, xid or lsn" },
		{ { .type = RECOVERY_NAME, .target = "a", .exclusive = true },
		    "target-exclusive needs --type=time, xid or lsn" },
		{ { .type = RECOVERY_DEFAULT, .action = "pause" },
		    "target-action needs a type with a target" },
		{ { .type = RECOVERY_XID, .target = "1", .action = "stop" },
		    "\"stop\" is not a target-action" },
		{ { .type = RECOVERY_DEFAULT, .timeline = "newest" },
		    "\"newest\" is not a timeline" },
		{ { .type = RECOVERY_DEFAULT, .timeline = "99999999999" },
		    "\"99999999999\" is not a timeline" },
		{ { .type = RECOVERY_XID, .target = "-1" },
		    "\"-1\" is not a transaction id" },
		{ { .type = RECOVERY_LSN, .target = "6A" },
		    "\"6A\" is not an LSN" },
		{ { .type = RECOVERY_TIME, .target = "2026-11-21 04:00:00" },
		    "\"2026-11-21 04:00:00\" is not a time with a zone" },
		{ { .type = RECOVERY_NONE, .target = "x" },
		    "a target was given, but the type of the restore has "
		    "none" },
		{ { .type = RECOVERY_NONE, .timeline = "current" },
		    "target-timeline has no meaning with --type=none or "
		    "preserve" },
		{ { .type = RECOVERY_PRESERVE, .archive_off = true },
		    "--type=preserve writes no settings: archive-mode and "
		    "recovery-option have no effect" },
		{ { .type = RECOVERY_NAME, .target = long_name },
		    "the name of a restore point has at most 63 bytes" },
	};
	struct err	e = { 0 };
	size_t		i;

	ck_assert_uint_eq(strlen(long_name), 64);
	for (i = 0; i < ARRAY_LEN(bad); i++) {
		ck_assert_int_eq(recovery_check(&bad[i].r, NULL, NULL, &e),
		    ERR_USAGE);
		ck_assert_str_eq(e.msg, bad[i].msg);
	}
}
END_TEST

static void
assert_settings(const struct recovery *r, const char *before, const char *after)
{
	struct buf	out = { 0 };

	recovery_settings(r, "20251123-020000F", before, strlen(before), &out);
	ck_assert_str_eq(buf_cstr(&out), after);
	buf_release(&out);
}

#define COMMENT	"# restored from backup 20251123-020000F by homelab-archiver\n"

START_TEST(settings)
{
	struct recovery	r = { .restore_command = "get 'a\\b' %f" };
	char		delay[] = "recovery_min_apply_delay=5 min=x";
	char		nonsense[] = "nonsense";
	char		*const options[] = { delay, nonsense };
	struct err	e = { 0 };

	assert_settings(&r, "", COMMENT
	    "restore_command = 'get ''a\\\\b'' %f'\n");
	/* What another restore left is put out of action, once. */
	assert_settings(&r, "# note\nwork_mem = '4MB'\n"
	    "  RECOVERY_target_time= 'x'\nrestore_command 'old'\n"
	    "recovery_targets = 1\n# recovery_target = 'immediate'\n"
	    "recovery_target_xid = '1'", "# note\nwork_mem = '4MB'\n"
	    "#   RECOVERY_target_time= 'x'\n# restore_command 'old'\n"
	    "recovery_targets = 1\n# recovery_target = 'immediate'\n"
	    "# recovery_target_xid = '1'\n" COMMENT
	    "restore_command = 'get ''a\\\\b'' %f'\n");
	r = (struct recovery){ .type = RECOVERY_TIME, .action = "promote",
	    .target = "2026-11-21 04:00:00.25+01", .exclusive = true,
	    .timeline = "3" };
	assert_settings(&r, "", COMMENT
	    "recovery_target_time = '2026-11-21T03:00:00.250000+00'\n"
	    "recovery_target_inclusive = 'false'\n"
	    "recovery_target_action = 'promote'\n"
	    "recovery_target_timeline = '3'\n");
	r = (struct recovery){ .type = RECOVERY_IMMEDIATE };
	assert_settings(&r, "", COMMENT "recovery_target = 'immediate'\n"
	    "recovery_target_timeline = 'current'\n");
	r = (struct recovery){ .type = RECOVERY_XID, .target = "12" };
	assert_settings(&r, "", COMMENT "recovery_target_xid = '12'\n");
	r = (struct recovery){ .type = RECOVERY_LSN, .target = "0/1" };
	assert_settings(&r, "", COMMENT "recovery_target_lsn = '0/1'\n");
	r = (struct recovery){ .type = RECOVERY_NAME, .target = "it's\nme" };
	assert_settings(&r, "", COMMENT "recovery_target_name = 'it''sme'\n");
	ck_assert_str_eq(recovery_signal_file(&r), "recovery.signal");
	r = (struct recovery){ .archive_off = true, .options = options,
	    .option_count = 1 };
	ck_assert_int_eq(recovery_check(&r, NULL, NULL, &e), 0);
	assert_settings(&r, "", COMMENT "archive_mode = 'off'\n"
	    "recovery_min_apply_delay = '5 min=x'\n");
	r.option_count = 2;
	ck_assert_int_eq(recovery_check(&r, NULL, NULL, &e), ERR_USAGE);
	ck_assert_str_eq(e.msg, "\"nonsense\" is not a setting");
	r.type = RECOVERY_STANDBY;
	ck_assert_str_eq(recovery_signal_file(&r), "standby.signal");
	r.type = RECOVERY_PRESERVE;
	ck_assert_ptr_null(recovery_signal_file(&r));
	/* As after a crash: no restore_command, and old settings put away. */
	r = (struct recovery){ .type = RECOVERY_NONE,
	    .restore_command = "get", .archive_off = true };
	ck_assert_ptr_null(recovery_signal_file(&r));
	ck_assert_int_eq(recovery_check(&r, NULL, NULL, &e), 0);
	assert_settings(&r, "recovery_target_time = 'x'\n",
	    "# recovery_target_time = 'x'\n" COMMENT
	    "archive_mode = 'off'\n");
}
END_TEST

UNIT_MAIN("recovery", what_fits_together, what_does_not, settings)
