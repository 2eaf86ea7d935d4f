/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/pgfiles.h"
#include "common/err.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char	root[64];

static const char *
at(const char *name)
{
	static char	path[256];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	return path;
}

static void
setup(void)
{
	strcpy(root, "/tmp/homelab-unit.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(root));
}

static void
teardown(void)
{
	char	command[128];

	snprintf(command, sizeof(command), "rm -rf %s", root);
	ck_assert_int_eq(system(command), 0);
}

START_TEST(write_and_read)
{
	struct stat	st;
	struct err	e = { 0 };
	char		*text;
	size_t		n;

	setup();
	ck_assert_int_eq(pgfiles_write(at("f"), "hello", 5, 0640, &e), 0);
	ck_assert_int_eq(pgfiles_write(at("f"), "bye", 3, 0640, &e), 0);
	ck_assert_int_eq(pgfiles_read(at("f"), 3, &text, &n, &e), 0);
	ck_assert_uint_eq(n, 3);
	ck_assert_str_eq(text, "bye");
	free(text);
	ck_assert_int_eq(stat(at("f"), &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0640);
	ck_assert_int_ne(access(at("f.homelab-tmp"), F_OK), 0);
	ck_assert_int_eq(pgfiles_read(at("f"), 2, &text, &n, &e), ERR_LIMIT);
	ck_assert_int_eq(pgfiles_read(at("g"), 2, &text, &n, &e),
	    ERR_NOT_FOUND);
	ck_assert_int_eq(pgfiles_write(at("no/f"), "x", 1, 0600, &e),
	    ERR_NOT_FOUND);
	teardown();
}
END_TEST

START_TEST(running_server)
{
	struct err	e = { 0 };
	char		text[32];
	pid_t		pid;

	setup();
	ck_assert_int_eq(pgfiles_server_pid(root, &pid, &e), 0);
	ck_assert_int_eq(pid, 0);
	snprintf(text, sizeof(text), "%ld\n/data\n", (long)getpid());
	ck_assert_int_eq(pgfiles_write(at("postmaster.pid"), text,
	    strlen(text), 0600, &e), 0);
	ck_assert_int_eq(pgfiles_server_pid(root, &pid, &e), 0);
	ck_assert_int_eq(pid, getpid());
	/* Single-user mode writes the pid negated. */
	snprintf(text, sizeof(text), "-%ld\n", (long)getpid());
	ck_assert_int_eq(pgfiles_write(at("postmaster.pid"), text,
	    strlen(text), 0600, &e), 0);
	ck_assert_int_eq(pgfiles_server_pid(root, &pid, &e), 0);
	ck_assert_int_eq(pid, getpid());
	ck_assert_int_eq(pgfiles_write(at("postmaster.pid"), "999999999\n",
	    10, 0600, &e), 0);
	ck_assert_int_eq(pgfiles_server_pid(root, &pid, &e), 0);
	ck_assert_int_eq(pid, 0);
	teardown();
}
END_TEST

START_TEST(control)
{
	struct pgcontrol c;
	struct err	e = { 0 };

	setup();
	ck_assert_int_eq(pgfiles_read_control(root, &c, NULL, &e),
	    ERR_NOT_FOUND);
	ck_assert_int_eq(mkdir(at("global"), 0700), 0);
	ck_assert_int_eq(pgfiles_write(at("global/pg_control"), "short", 5,
	    0600, &e), 0);
	ck_assert_int_eq(pgfiles_read_control(root, &c, NULL, &e),
	    ERR_FORMAT);
	ck_assert_ptr_nonnull(strstr(e.msg,
	    "/global/pg_control: pg_control is too short (5 bytes)"));
	teardown();
}
END_TEST

START_TEST(segment_names)
{
	char	out[PGFILES_SEGMENT_MAX];

	ck_assert_str_eq(pgfiles_segment(out, 1, 0x2000028, 16u << 20),
	    "000000010000000000000002");
	ck_assert_str_eq(pgfiles_segment(out, 10, 0x1ff000000u, 16u << 20),
	    "0000000A00000001000000FF");
	ck_assert_str_eq(pgfiles_segment(out, 1, 0x100000000u, 16u << 20),
	    "000000010000000100000000");
	ck_assert_str_eq(pgfiles_segment(out, 1, 0x1fff00000u, 1u << 20),
	    "000000010000000100000FFF");
	ck_assert_str_eq(pgfiles_segment(out, 1, 0x1c0000000u, 1u << 30),
	    "000000010000000100000003");
}
END_TEST

UNIT_MAIN("pgfiles", write_and_read, running_server, control, segment_names)
