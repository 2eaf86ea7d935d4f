/* SPDX-License-Identifier: MIT */
/*
 * wire_recorded - bytes that real peers sent, for wire_test.
 *
 * recorded_server: PostgreSQL 15.20 after a start-up packet of user postgres
 * (trust), to
 *	select 1 as a, null::text as b, 'x' as c
 *	do $$begin raise notice 'hi' using hint='h'; end$$
 *	begin; select 1/0
 *	rollback
 *	Parse s1 "select $1::int4 + 1 as n", Describe, Bind 41, Execute, Close,
 *	Sync
 *	copy (values (1),(2)) to stdout
 *	the empty query
 *	listen ch; notify ch, 'pl'
 * recorded_client: pgbench 15 -M prepared -t 2, script "select :x + 1;", from
 * its start-up packet (trust) to its Terminate.
 */
#ifndef TESTS_WIRE_RECORDED_H
#define TESTS_WIRE_RECORDED_H

static const char recorded_server[] =
    "R\000\000\000\010\000\000\000\000S\000\000\000\033application_name"
    "\000probe\000S\000\000\000\031client_encoding\000UTF8\000S\000\000"
    "\000\027DateStyle\000ISO, MDY\000S\000\000\000&default_transaction"
    "_read_only\000off\000S\000\000\000\027in_hot_standby\000off\000S"
    "\000\000\000\031integer_datetimes\000on\000S\000\000\000\033Interv"
    "alStyle\000postgres\000S\000\000\000\024is_superuser\000on\000S"
    "\000\000\000\031server_encoding\000UTF8\000S\000\000\0002server_ve"
    "rsion\00015.20 (Debian 15.20-0+deb12u1)\000S\000\000\000#session_a"
    "uthorization\000postgres\000S\000\000\000#standard_conforming_stri"
    "ngs\000on\000S\000\000\000\025TimeZone\000Etc/UTC\000K\000\000\000"
    "\014\000\000\006l\206{w\277Z\000\000\000\005IT\000\000\000B\000"
    "\003a\000\000\000\000\000\000\000\000\000\000\027\000\004\377\377"
    "\377\377\000\000b\000\000\000\000\000\000\000\000\000\000\031\377"
    "\377\377\377\377\377\000\000c\000\000\000\000\000\000\000\000\000"
    "\000\031\377\377\377\377\377\377\000\000D\000\000\000\024\000\003"
    "\000\000\000\0011\377\377\377\377\000\000\000\001xC\000\000\000"
    "\015SELECT 1\000Z\000\000\000\005IN\000\000\000zSNOTICE\000VNOTICE"
    "\000C00000\000Mhi\000Hh\000WPL/pgSQL function inline_code_block li"
    "ne 1 at RAISE\000Fpl_exec.c\000L3907\000Rexec_stmt_raise\000\000C"
    "\000\000\000\007DO\000Z\000\000\000\005IC\000\000\000\012BEGIN\000"
    "E\000\000\000ASERROR\000VERROR\000C22012\000Mdivision by zero\000F"
    "int.c\000L869\000Rint4div\000\000Z\000\000\000\005EC\000\000\000"
    "\015ROLLBACK\000Z\000\000\000\005I1\000\000\000\004t\000\000\000"
    "\012\000\001\000\000\000\027T\000\000\000\032\000\001n\000\000\000"
    "\000\000\000\000\000\000\000\027\000\004\377\377\377\377\000\0002"
    "\000\000\000\004D\000\000\000\014\000\001\000\000\000\00242C\000"
    "\000\000\015SELECT 1\0003\000\000\000\004Z\000\000\000\005IH\000"
    "\000\000\011\000\000\001\000\000d\000\000\000\0061\012d\000\000"
    "\000\0062\012c\000\000\000\004C\000\000\000\013COPY 2\000Z\000\000"
    "\000\005II\000\000\000\004Z\000\000\000\005IC\000\000\000\013LISTE"
    "N\000C\000\000\000\013NOTIFY\000A\000\000\000\016\000\000\006lch"
    "\000pl\000Z\000\000\000\005I";

static const char recorded_client[] =
    "\000\000\000<\000\003\000\000user\000s1\000database\000postgres"
    "\000application_name\000pgbench\000\000P\000\000\000\031P_0\000sel"
    "ect $1 + 1;\000\000\000S\000\000\000\004B\000\000\000\026\000P_0"
    "\000\000\000\000\001\000\000\000\0017\000\001\000\000D\000\000\000"
    "\006P\000E\000\000\000\011\000\000\000\000\000S\000\000\000\004B"
    "\000\000\000\026\000P_0\000\000\000\000\001\000\000\000\0017\000"
    "\001\000\000D\000\000\000\006P\000E\000\000\000\011\000\000\000"
    "\000\000S\000\000\000\004X\000\000\000\004";

#endif /* TESTS_WIRE_RECORDED_H */
