/* SPDX-License-Identifier: MIT */
/*
 * The pooler's ini file. What is accepted is dumped, and the dump must be a
 * file that says the same.
 */
#include "common/base.h"
#include "pooler/config.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/err.h"
#include "tests/fuzz/fuzz.h"

/* One file for all runs, written anew each time. */
static char	path[128];
static int	fd = -1;

static void
remove_file(void)
{
	unlink(path);
}

static void
open_file(void)
{
	const char *dir = getenv("TMPDIR");

	snprintf(path, sizeof(path), "%s/homelab-fuzz.XXXXXX",
	    dir == NULL ? "/dev/shm" : dir);
	fd = mkstemp(path);
	FUZZ_CHECK(fd >= 0);
	atexit(remove_file);
}

static void
write_file(const void *bytes, size_t n)
{
	FUZZ_CHECK(ftruncate(fd, 0) == 0);
	FUZZ_CHECK(pwrite(fd, bytes, n, 0) == (ssize_t)n);
}

static struct config *
load(void)
{
	struct config_source	 source = { .path = path };
	struct config		*c = NULL;
	struct err		 e = { 0 };
	int			 rc = config_load(&source, &c, &e);

	FUZZ_CHECK((rc == 0) == (c != NULL));
	FUZZ_CHECK(rc == 0 || (e.code == rc && e.msg[0] != '\0'));
	return c;
}

/* Files outside this one are not for the fuzzer to read. */
static bool
names_a_file(const uint8_t *data, size_t size)
{
	static const char *const words[] = { "%include", "auth_file" };
	size_t	i, w, n;

	for (w = 0; w < ARRAY_LEN(words); w++) {
		n = strlen(words[w]);
		for (i = 0; i + n <= size; i++) {
			if (memcmp(data + i, words[w], n) == 0)
				return true;
		}
	}
	return false;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf	one = { 0 }, two = { 0 };
	struct config	*c, *again;

	if (fd < 0)
		open_file();
	if (names_a_file(data, size))
		return 0;
	write_file(data, size);
	c = load();
	if (c == NULL)
		return 0;
	config_dump(c, &one);
	write_file(buf_bytes(&one), buf_len(&one));
	again = load();
	FUZZ_CHECK(again != NULL);
	config_dump(again, &two);
	FUZZ_CHECK(buf_len(&one) == buf_len(&two));
	FUZZ_CHECK(memcmp(buf_bytes(&one), buf_bytes(&two), buf_len(&one)) == 0);
	config_free(c);
	config_free(again);
	buf_release(&one);
	buf_release(&two);
	return 0;
}
