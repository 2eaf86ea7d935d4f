/* SPDX-License-Identifier: MIT */
/*
 * The manifest's parser. Its last line is a digest of the others, which a
 * fuzzer does not guess: it is put right here. (A bit of the input chooses to
 * leave it as it came.)
 */
#include "common/base.h"

#include <string.h>

#include "archiver/manifest.h"
#include "common/buf.h"
#include "common/digest.h"
#include "common/err.h"
#include "tests/fuzz/fuzz.h"

/* What names places to write to must lie below the data directory. */
static void
check_path(const char *path)
{
	FUZZ_CHECK(path != NULL && path[0] != '/' && path[0] != '\0');
	FUZZ_CHECK(strlen(path) < MANIFEST_PATH_MAX);
	FUZZ_CHECK(strcmp(path, "..") != 0);
	FUZZ_CHECK(strncmp(path, "../", 3) != 0);
	FUZZ_CHECK(strstr(path, "/../") == NULL);
	FUZZ_CHECK(strlen(path) < 3 ||
	    strcmp(path + strlen(path) - 3, "/..") != 0);
}

/* What was read and is written must be read as the same. */
static void
check_again(const struct manifest *m)
{
	struct manifest	again;
	struct buf	first = { 0 }, second = { 0 };
	struct err	e = { 0 };

	manifest_encode(m, &first);
	FUZZ_CHECK(!buf_failed(&first));
	FUZZ_CHECK(manifest_decode(&again, buf_bytes(&first),
	    buf_len(&first), &e) == 0);
	manifest_encode(&again, &second);
	FUZZ_CHECK(buf_len(&first) == buf_len(&second));
	FUZZ_CHECK(memcmp(buf_bytes(&first), buf_bytes(&second),
	    buf_len(&first)) == 0);
	FUZZ_CHECK(again.file_count == m->file_count);
	FUZZ_CHECK(manifest_bad_blocks(&again) == manifest_bad_blocks(m));
	manifest_release(&again);
	buf_release(&first);
	buf_release(&second);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct manifest	m;
	struct digest	d;
	struct buf	text = { 0 };
	struct err	e = { 0 };
	char		hex[DIGEST_HEX_LEN + 1];

	if (n == 0)
		return 0;
	if (bytes[0] & 1)
		buf_append(&text, "homelab-manifest 1\n", 19);
	buf_append(&text, bytes + 1, n - 1);
	if (!(bytes[0] & 2)) {
		digest_of(NULL, buf_bytes(&text), buf_len(&text), &d);
		digest_hex(&d, hex);
		buf_append(&text, "e ", 2);
		buf_append(&text, hex, DIGEST_HEX_LEN);
		buf_append(&text, "\n", 1);
	}
	FUZZ_CHECK(!buf_failed(&text));
	if (manifest_decode(&m, buf_bytes(&text), buf_len(&text), &e) == 0) {
		for (size_t i = 0; i < m.file_count; i++)
			check_path(m.files[i].path);
		for (size_t i = 0; i < m.dir_count; i++)
			check_path(m.dirs[i].path);
		check_again(&m);
		manifest_release(&m);
	}
	buf_release(&text);
	return 0;
}
