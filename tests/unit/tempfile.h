/* SPDX-License-Identifier: MIT */
/*
 * tempfile - files that a unit test needs for a moment.
 *
 * They lie in $TMPDIR, else /tmp, and the test unlinks them. Because their
 * names are random, messages are compared after temp_hide().
 */
#ifndef TESTS_UNIT_TEMPFILE_H
#define TESTS_UNIT_TEMPFILE_H

#include "common/base.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"

#define TEMP_PATH_MAX	128

static inline void
temp_rewrite(const char *path, const void *bytes, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, bytes, n), (ssize_t)n);
	ck_assert_int_eq(close(fd), 0);
}

/* Makes a file of these bytes and puts its name into path. */
static inline void
temp_write(char path[TEMP_PATH_MAX], const void *bytes, size_t n)
{
	const char	*dir = getenv("TMPDIR");
	int		 fd;

	snprintf(path, TEMP_PATH_MAX, "%s/homelab-unit.XXXXXX",
	    dir == NULL || *dir == '\0' ? "/tmp" : dir);
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(close(fd), 0);
	temp_rewrite(path, bytes, n);
}

/* Replaces each occurrence of path in text by a word that is not longer. */
static inline void
temp_hide(char *text, const char *path, const char *word)
{
	size_t	from = strlen(path), to = strlen(word);
	char	*p;

	while ((p = strstr(text, path)) != NULL) {
		memcpy(p, word, to);
		memmove(p + to, p + from, strlen(p + from) + 1);
	}
}

/* Removes each " (file:line)" at the end of a line. */
static inline void
temp_hide_number(struct buf *lines)
{
	char	*text = strdup(buf_cstr(lines)), *line, *next, *cut;

	ck_assert_ptr_nonnull(text);
	buf_clear(lines);
	for (line = text; *line != '\0'; line = next) {
		next = strchr(line, '\n') + 1;
		next[-1] = '\0';
		cut = strstr(line, " (/");
		if (cut != NULL)
			*cut = '\0';
		buf_printf(lines, "%s\n", line);
	}
	free(text);
}

#endif /* TESTS_UNIT_TEMPFILE_H */
