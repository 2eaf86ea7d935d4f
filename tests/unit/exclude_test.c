/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/exclude.h"
#include "tests/unit/unit.h"

START_TEST(files)
{
	static const char *const copied[] = {
		"PG_VERSION", "global/pg_control", "global/pg_filenode.map",
		"base/5/16384", "base/5/16384_fsm", "base/5/pg_filenode.map",
		"pg_xact/0000", "pg_multixact/offsets/0000",
		"pg_logical/replorigin_checkpoint", "postgresql.auto.conf",
		"pg_hba.conf", "current_logfiles", "log/backup_label",
		"t3_16384", "base/5/t3", "base/5/t_1", "base/5/tx_1",
		"base/5/t3_x", "pg_walrus/x", "pg_tblspc/1/PG_15_1/5/2",
	};
	static const char *const skipped[] = {
		"postmaster.pid", "postmaster.opts", "backup_label",
		"tablespace_map", "backup_label.old", "backup_manifest",
		"recovery.signal", "standby.signal", "current_logfiles.tmp",
		"postgresql.auto.conf.tmp", "base/5/pg_internal.init",
		"global/pg_internal.init.4711", "base/5/t3_16384",
		"base/5/t3_16384_fsm", "base/5/t12_16384.1",
		"base/pgsql_tmp/pgsql_tmp12.3", "pgsql_tmp1",
		"pg_wal/000000010000000000000001",
		"pg_wal/archive_status/000000010000000000000001.ready",
	};
	size_t	i;

	for (i = 0; i < ARRAY_LEN(copied); i++) {
		ck_assert_msg(exclude_path(copied[i], false) == EXCLUDE_COPY,
		    "%s", copied[i]);
	}
	for (i = 0; i < ARRAY_LEN(skipped); i++) {
		ck_assert_msg(exclude_path(skipped[i], false) == EXCLUDE_SKIP,
		    "%s", skipped[i]);
	}
}
END_TEST

START_TEST(directories)
{
	static const char *const copied[] = {
		"base", "base/5", "global", "pg_wal", "pg_tblspc", "pg_logical",
		"pg_logical/snapshots", "mine/pg_replslot", "backup_label",
	};
	static const char *const emptied[] = {
		"pg_dynshmem", "pg_notify", "pg_replslot", "pg_serial",
		"pg_snapshots", "pg_stat_tmp", "pg_subtrans",
		"pg_wal/archive_status", "pg_wal/summaries",
	};
	static const char *const skipped[] = {
		"base/pgsql_tmp", "pg_wal/mine", "pg_tblspc/1/PG_15_1/pgsql_tmp",
	};
	size_t	i;

	for (i = 0; i < ARRAY_LEN(copied); i++) {
		ck_assert_msg(exclude_path(copied[i], true) == EXCLUDE_COPY,
		    "%s", copied[i]);
	}
	for (i = 0; i < ARRAY_LEN(emptied); i++) {
		ck_assert_msg(exclude_path(emptied[i], true) == EXCLUDE_EMPTY,
		    "%s", emptied[i]);
	}
	for (i = 0; i < ARRAY_LEN(skipped); i++) {
		ck_assert_msg(exclude_path(skipped[i], true) == EXCLUDE_SKIP,
		    "%s", skipped[i]);
	}
}
END_TEST

START_TEST(relations)
{
	static const char *const bad[] = {
		"", "0", "016384", "x", "16384_", "16384_main", "16384.",
		"16384.0", "16384.x", "16384_fsm_vm", "16384.1_fsm",
		"99999999999", "PG_VERSION", "pg_filenode.map", "t3_16384",
	};
	struct relation	r;
	size_t		i;

	ck_assert(relation_parse("16384", &r));
	ck_assert(r.number == 16384 && r.segment == 0 &&
	    r.fork == RELATION_MAIN);
	ck_assert(relation_parse("16384.12", &r));
	ck_assert(r.segment == 12 && r.fork == RELATION_MAIN);
	ck_assert(relation_parse("16384_vm.1", &r));
	ck_assert(r.segment == 1 && r.fork == RELATION_VM);
	ck_assert(relation_parse("1_fsm", &r) && r.fork == RELATION_FSM);
	ck_assert(relation_parse("4294967295_init", &r));
	ck_assert(r.number == UINT32_MAX && r.fork == RELATION_INIT);
	for (i = 0; i < ARRAY_LEN(bad); i++)
		ck_assert_msg(!relation_parse(bad[i], &r), "%s", bad[i]);
}
END_TEST

START_TEST(relation_directories)
{
	ck_assert(relation_directory("global"));
	ck_assert(relation_directory("base/5"));
	ck_assert(relation_directory("pg_tblspc/16400/PG_15_202209061/5"));
	ck_assert(!relation_directory("base"));
	ck_assert(!relation_directory("base/"));
	ck_assert(!relation_directory("base/5/x"));
	ck_assert(!relation_directory("pg_tblspc/16400"));
	ck_assert(!relation_directory("pg_tblspc/16400/PG_15_202209061"));
	ck_assert(!relation_directory("pg_tblspc/16400/mine/5"));
	ck_assert(!relation_directory("pg_tblspc/x/PG_15_202209061/5"));
	ck_assert(!relation_directory("pg_xact"));
}
END_TEST

UNIT_MAIN("exclude", files, directories, relations, relation_directories)
