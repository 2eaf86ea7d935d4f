/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "common/err.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

/* Texts and exit statuses that people and scripts rely on, verbatim. */
static const struct {
	int		 code;
	const char	*name, *text;
	int		 exit_status;
} known[] = {
	{ ERR_GENERAL, "ERR_GENERAL", "error", 1 },
	{ ERR_NOMEM, "ERR_NOMEM", "out of memory", 94 },
	{ ERR_SYS, "ERR_SYS", "system call failed", 1 },
	{ ERR_USAGE, "ERR_USAGE", "wrong usage", 2 },
	{ ERR_LIMIT, "ERR_LIMIT", "limit exceeded", 1 },
	{ ERR_FORMAT, "ERR_FORMAT", "malformed data", 29 },
	{ ERR_CONFIG, "ERR_CONFIG", "configuration error", 32 },
	{ ERR_NOT_FOUND, "ERR_NOT_FOUND", "not found", 55 },
	{ ERR_EXISTS, "ERR_EXISTS", "exists already", 40 },
	{ ERR_ACCESS, "ERR_ACCESS", "access denied", 41 },
	{ ERR_TIMEOUT, "ERR_TIMEOUT", "timed out", 124 },
	{ ERR_CANCELLED, "ERR_CANCELLED", "cancelled", 63 },
	{ ERR_CLOSED, "ERR_CLOSED", "connection closed", 1 },
	{ ERR_CONNECT, "ERR_CONNECT", "cannot connect", 49 },
	{ ERR_PROTOCOL, "ERR_PROTOCOL", "protocol violation", 39 },
	{ ERR_AUTH, "ERR_AUTH", "authentication failed", 105 },
	{ ERR_TLS, "ERR_TLS", "TLS failure", 1 },
	{ ERR_CHECKSUM, "ERR_CHECKSUM", "checksum mismatch", 26 },
	{ ERR_LOCKED, "ERR_LOCKED", "lock held", 50 },
	{ ERR_STORE, "ERR_STORE", "repository failure", 49 },
	{ ERR_NOSPACE, "ERR_NOSPACE", "no space left", 64 },
	{ ERR_ARCHIVE, "ERR_ARCHIVE", "archive_command fails", 68 },
	{ ERR_DB_CONNECT, "ERR_DB_CONNECT", "cannot connect to PostgreSQL", 56 },
	{ ERR_DB_QUERY, "ERR_DB_QUERY", "query failed", 57 },
	{ ERR_MISMATCH, "ERR_MISMATCH", "belongs to another cluster", 44 },
	{ ERR_DUPLICATE, "ERR_DUPLICATE", "exists with other content", 45 },
	{ ERR_RUNNING, "ERR_RUNNING", "PostgreSQL is running", 38 },
	{ ERR_CLOCK, "ERR_CLOCK", "clocks differ", 106 },
	{ ERR_NOT_YET, "ERR_NOT_YET", "not supported yet", 67 },
	{ ERR_ABSENT, "ERR_ABSENT", "not in the repository", 1 },
};

START_TEST(known_codes)
{
	size_t	i;

	ck_assert_int_eq(ERR_GENERAL, -10000);
	for (i = 0; i < ARRAY_LEN(known); i++) {
		ck_assert_str_eq(err_name(known[i].code), known[i].name);
		ck_assert_str_eq(err_text(known[i].code), known[i].text);
		ck_assert_int_eq(err_exit_status(known[i].code),
		    known[i].exit_status);
	}
}
END_TEST

/* Whatever is added to err.def later obeys its rules, too. */
START_TEST(all_codes)
{
	int	code, other;

	for (code = ERR_FIRST; code >= ERR_LAST; code--) {
		ck_assert_int_ge(err_exit_status(code), 1);
		ck_assert_int_le(err_exit_status(code), 125);
		ck_assert(strncmp(err_name(code), "ERR_", 4) == 0);
		ck_assert_str_ne(err_text(code), "");
		for (other = ERR_FIRST; other > code; other--)
			ck_assert_str_ne(err_text(code), err_text(other));
	}
}
END_TEST

START_TEST(codes_of_others)
{
	ck_assert_str_eq(err_text(0), "success");
	ck_assert_int_eq(err_exit_status(0), 0);
	ck_assert_str_eq(err_text(-ENOENT), "No such file or directory");
	ck_assert_int_eq(err_exit_status(-ENOENT), 1);
	ck_assert_str_eq(err_name(-ENOENT), "ERR_?");
	ck_assert_str_eq(err_text(ERR_LAST - 1), "unknown error");
	ck_assert_str_eq(err_text(ERR_FIRST + 1), "unknown error");
	ck_assert_str_eq(err_text(-4095), "unknown error");
	ck_assert_str_eq(err_text(1), "unknown error");
	ck_assert_str_eq(err_name(0), "ERR_?");
	ck_assert_int_eq(err_exit_status(ERR_LAST - 1), 1);
}
END_TEST

START_TEST(set_wrap_hint)
{
	struct err	e = { 0 };

	ck_assert_int_eq(err_set(&e, ERR_CONFIG, "bad %s", "key"), ERR_CONFIG);
	ck_assert_str_eq(e.msg, "bad key");
	ck_assert_int_eq(err_hint(&e, "try %d", 7), ERR_CONFIG);
	ck_assert_str_eq(e.hint, "try 7");
	ck_assert_int_eq(err_wrap(&e, "cannot load %s", "x.ini"), ERR_CONFIG);
	ck_assert_str_eq(e.msg, "cannot load x.ini: bad key");
	ck_assert_str_eq(e.hint, "try 7");
	/* A new error has no old hint. */
	ck_assert_int_eq(err_set(&e, ERR_AUTH, "no"), ERR_AUTH);
	ck_assert_str_eq(e.hint, "");
	ck_assert_int_eq(err_wrap(NULL, "x"), ERR_GENERAL);
	ck_assert_int_eq(err_hint(NULL, "x"), ERR_GENERAL);
	ck_assert_int_eq(err_set(NULL, ERR_AUTH, "x"), ERR_AUTH);
	ck_assert_int_eq(err_sys(NULL, ENOENT, "x"), ERR_NOT_FOUND);
}
END_TEST

/* What only a person can mend says how; the rest says nothing. */
START_TEST(hints_of_the_system)
{
	static const int mend[] = { ENOSPC, EDQUOT, EROFS, EACCES, EPERM, EIO,
	    EMFILE, ENFILE };
	struct err	e = { 0 };
	size_t		i;

	for (i = 0; i < ARRAY_LEN(mend); i++) {
		err_sys(&e, mend[i], "x");
		ck_assert_str_ne(e.hint, "");
		ck_assert_ptr_null(strchr(e.hint, '\n'));
	}
	err_sys(&e, ENOSPC, "x");
	ck_assert_str_eq(e.hint, "make room on that file system (df -h, "
	    "df -i)");
	err_sys(&e, ENOENT, "x");
	ck_assert_str_eq(e.hint, "");
}
END_TEST

START_TEST(own_text_as_argument)
{
	struct err	e = { 0 };

	err_set(&e, ERR_AUTH, "inner");
	err_hint(&e, "hint");
	err_hint(&e, "%s, twice: %s", e.hint, e.hint);
	ck_assert_str_eq(e.hint, "hint, twice: hint");
	err_set(&e, ERR_AUTH, "outer (%s)", e.msg);
	ck_assert_str_eq(e.msg, "outer (inner)");
	err_sys(&e, EIO, "again (%s)", e.msg);
	ck_assert_str_eq(e.msg, "again (outer (inner)): Input/output error");
	err_wrap(&e, "[%s]", e.msg);
	ck_assert_str_eq(e.msg, "[again (outer (inner)): Input/output error]: "
	    "again (outer (inner)): Input/output error");
}
END_TEST

START_TEST(system_errors)
{
	static const struct {
		int	errnum, code;
	} v[] = {
		{ ENOSPC, ERR_NOSPACE }, { EDQUOT, ERR_NOSPACE },
		{ ENOENT, ERR_NOT_FOUND }, { EACCES, ERR_ACCESS },
		{ EPERM, ERR_ACCESS }, { EROFS, ERR_ACCESS }, { EEXIST, ERR_EXISTS },
		{ ENOMEM, ERR_NOMEM }, { ETIMEDOUT, ERR_TIMEOUT },
		{ EIO, ERR_SYS },
	};
	struct err	e = { 0 };
	size_t		i;

	for (i = 0; i < ARRAY_LEN(v); i++) {
		ck_assert_int_eq(err_sys(&e, v[i].errnum, "open %s", "f"),
		    v[i].code);
		ck_assert_int_eq(e.code, v[i].code);
		ck_assert(strncmp(e.msg, "open f: ", 8) == 0);
		ck_assert_str_eq(e.msg + 8, strerror(v[i].errnum));
	}
}
END_TEST

START_TEST(long_texts_are_cut)
{
	struct err	e = { 0 };
	char		text[3000];
	int		i;

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	err_set(&e, ERR_AUTH, "%s", text);
	ck_assert_uint_eq(strlen(e.msg), sizeof(e.msg) - 1);
	err_wrap(&e, "in front");
	ck_assert_uint_eq(strlen(e.msg), sizeof(e.msg) - 1);
	ck_assert(strncmp(e.msg, "in front: xxx", 13) == 0);
	err_hint(&e, "%s", text);
	ck_assert_uint_eq(strlen(e.hint), sizeof(e.hint) - 1);
	/* Contexts around the size at which nothing of the old text fits. */
	for (i = 1018; i <= 1026; i++) {
		err_set(&e, ERR_AUTH, "old");
		err_wrap(&e, "%.*s", i, text);
		ck_assert_uint_lt(strlen(e.msg), sizeof(e.msg));
		ck_assert_uint_ge(strlen(e.msg), (size_t)MIN(i, 1023));
	}
	err_sys(&e, EIO, "%s", text);
	ck_assert_uint_eq(strlen(e.msg), sizeof(e.msg) - 1);
}
END_TEST

UNIT_MAIN("err", known_codes, all_codes, codes_of_others, set_wrap_hint,
    hints_of_the_system,
    own_text_as_argument, system_errors, long_texts_are_cut)
