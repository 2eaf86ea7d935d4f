/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "common/log.h"
#include "tests/unit/tempfile.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <pthread.h>
#include <regex.h>

#include "common/err.h"

#define PREFIX "[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}" \
	"\\.[0-9]{3} [A-Za-z0-9+-]+ \\[[0-9]+\\] "

static char	path[TEMP_PATH_MAX];
static char	content[1 << 20];

static void
open_log(void)
{
	struct log_target	t = { .file = path };

	temp_write(path, "", 0);
	ck_assert_int_eq(log_open(&t, NULL), 0);
}

/* What the file holds; the log goes on. */
static const char *
read_log(void)
{
	FILE	*f = fopen(path, "r");
	size_t	 n;

	ck_assert_ptr_nonnull(f);
	n = fread(content, 1, sizeof(content) - 1, f);
	content[n] = '\0';
	fclose(f);
	return content;
}

static void
expect(const char *pattern)
{
	regex_t	re;

	ck_assert_int_eq(regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB), 0);
	ck_assert_msg(regexec(&re, read_log(), 0, NULL, 0) == 0,
	    "the log is: %s", content);
	regfree(&re);
}

START_TEST(format)
{
	open_log();
	log_warning("S-%p: %s", (void *)0x10, "slow");
	expect("^" PREFIX "WARNING S-0x10: slow\n$");
	log_close();
	unlink(path);
}
END_TEST

START_TEST(levels)
{
	int	verbose;

	open_log();
	for (verbose = 0; verbose <= 2; verbose++) {
		log_set_verbose(verbose);
		ck_assert_int_eq(log_verbose(), verbose);
		log_info("l%d", verbose);
		log_debug("d%d", verbose);
		log_noise("n%d", verbose);
		ck_assert(log_wants(LV_FATAL) && log_wants(LV_LOG));
		ck_assert_int_eq(log_wants(LV_DEBUG), verbose >= 1);
		ck_assert_int_eq(log_wants(LV_NOISE), verbose >= 2);
	}
	expect("^" PREFIX "LOG l0\n" PREFIX "LOG l1\n" PREFIX "DEBUG d1\n"
	    PREFIX "LOG l2\n" PREFIX "DEBUG d2\n" PREFIX "NOISE n2\n$");
	log_set_verbose(0);
	log_fatal("f");
	log_error("e");
	expect("FATAL f\n" PREFIX "ERROR e\n$");
	log_close();
	unlink(path);
}
END_TEST

START_TEST(lines_stay_lines)
{
	open_log();
	log_info("one\ntwo\n");
	expect("^" PREFIX "LOG one\n\ttwo\n$");
	log_info("%s", "a\rb\x1b[31mc\x01" "d\te");
	expect("LOG a\\?b\\?\\[31mc\\?d\te\n$");
	log_info("%s", "");
	expect("LOG \n$");
	log_close();
	unlink(path);
}
END_TEST

START_TEST(long_lines_are_cut)
{
	static char	big[3 * LOG_LINE_MAX];
	size_t		i, n;

	open_log();
	memset(big, 'x', sizeof(big) - 1);
	log_info("%s", big);
	n = strlen(read_log());
	ck_assert_uint_ge(n, LOG_LINE_MAX);
	ck_assert_uint_lt(n, LOG_LINE_MAX + 128);
	ck_assert_int_eq(content[n - 1], '\n');
	/* Newlines that double in size must not run over. */
	for (i = 0; i < sizeof(big) - 1; i++)
		big[i] = '\n';
	log_info("%s", big);
	log_info("end");
	expect("\n" PREFIX "LOG end\n$");
	log_close();
	unlink(path);
}
END_TEST

START_TEST(errno_is_kept)
{
	open_log();
	errno = ENOTTY;
	log_info("x");
	ck_assert_int_eq(errno, ENOTTY);
	log_close();
	unlink(path);
}
END_TEST

START_TEST(rotation_and_errors)
{
	struct log_target	t = { .file = path };
	struct err		e = { 0 };

	open_log();
	log_info("old");
	unlink(path);
	ck_assert_int_eq(log_open(&t, NULL), 0);
	log_info("new");
	expect("^" PREFIX "LOG new\n$");
	/* Appended to, and an error leaves the old target in place. */
	ck_assert_int_eq(log_open(&t, NULL), 0);
	t.file = "/nonexistent/log";
	ck_assert_int_eq(log_open(&t, &e), ERR_NOT_FOUND);
	ck_assert_str_eq(e.msg, "cannot open logfile \"/nonexistent/log\": "
	    "No such file or directory");
	t.file = path;
	t.to_syslog = true;
	t.syslog_facility = "nowhere";
	ck_assert_int_eq(log_open(&t, &e), ERR_CONFIG);
	ck_assert_str_eq(e.msg, "unknown syslog facility \"nowhere\"");
	log_info("still");
	expect("^" PREFIX "LOG new\n" PREFIX "LOG still\n$");
	log_close();
	unlink(path);
}
END_TEST

static void *
write_many(void *arg)
{
	const char	*word = arg;
	int		 i;

	for (i = 0; i < 500; i++)
		log_info("%s%s%s%s", word, word, word, word);
	return NULL;
}

START_TEST(threads_do_not_mix)
{
	static const char	*words[] = { "aaaaaaaa", "bbbbbbbb", "cccccccc" };
	pthread_t		 t[3];
	char			*line, *text, *next;
	size_t			 i, lines = 0;

	open_log();
	for (i = 0; i < 3; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, write_many,
		    (void *)(uintptr_t)words[i]), 0);
	for (i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	read_log();
	for (line = content; *line != '\0'; line = next, lines++) {
		next = strchr(line, '\n');
		*next++ = '\0';
		text = strstr(line, "LOG ") + 4;
		ck_assert_uint_eq(strlen(text), 32);
		ck_assert_uint_eq(strspn(text, (char[]){ *text, '\0' }), 32);
	}
	ck_assert_uint_eq(lines, 1500);
	log_close();
	unlink(path);
}
END_TEST

START_TEST(standard_error)
{
	struct log_target	t = { .to_stderr = true, .file = "" };
	int			pipefd[2], saved;
	ssize_t			n;

	ck_assert_int_eq(pipe(pipefd), 0);
	saved = dup(STDERR_FILENO);
	ck_assert_int_eq(dup2(pipefd[1], STDERR_FILENO), STDERR_FILENO);
	ck_assert_int_eq(log_open(&t, NULL), 0);
	log_info("seen");
	t.to_stderr = false;
	ck_assert_int_eq(log_open(&t, NULL), 0);
	log_info("unseen");
	log_close();
	log_info("again");
	ck_assert_int_eq(dup2(saved, STDERR_FILENO), STDERR_FILENO);
	n = read(pipefd[0], content, sizeof(content) - 1);
	ck_assert_int_gt(n, 0);
	content[n] = '\0';
	ck_assert_ptr_nonnull(strstr(content, "LOG seen\n"));
	ck_assert_ptr_null(strstr(content, "unseen"));
	ck_assert_ptr_nonnull(strstr(content, "LOG again\n"));
}
END_TEST

/* Without a syslog daemon this only shows that nothing else breaks. */
START_TEST(syslog_too)
{
	struct log_target	t = { .to_syslog = true, .syslog_ident = "unit",
	    .syslog_facility = "local0", .file = path };

	temp_write(path, "", 0);
	ck_assert_int_eq(log_open(&t, NULL), 0);
	log_info("both");
	log_debug("neither");
	t.syslog_facility = NULL;
	ck_assert_int_eq(log_open(&t, NULL), 0);
	log_info("both");
	expect("^" PREFIX "LOG both\n" PREFIX "LOG both\n$");
	log_close();
	unlink(path);
}
END_TEST

UNIT_MAIN("log", syslog_too, format, levels, lines_stay_lines, long_lines_are_cut,
    errno_is_kept, rotation_and_errors, threads_do_not_mix, standard_error)
