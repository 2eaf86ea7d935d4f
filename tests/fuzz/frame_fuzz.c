/* SPDX-License-Identifier: MIT */
/*
 * The archiver's control protocol: a frame that was read lies within the
 * input, comes out of the same bytes with more behind them, not out of fewer,
 * and can be written again as it was.
 */
#include "common/base.h"

#include <string.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/frame.h"
#include "tests/fuzz/fuzz.h"

static void
check_frame(const struct frame *f, const uint8_t *bytes, size_t used)
{
	struct buf	again = { 0 };
	const char	*key, *value;
	size_t		at = 0, start = frame_begin(&again, f->type);

	FUZZ_CHECK(f->len <= FRAME_BODY_MAX);
	FUZZ_CHECK((const uint8_t *)f->body == bytes + FRAME_HEADER);
	FUZZ_CHECK(f->len + FRAME_HEADER == used);
	while (frame_next(f, &at, &key, &value)) {
		FUZZ_CHECK(key >= f->body && value < f->body + f->len);
		FUZZ_CHECK(frame_get(f, key) != NULL);
		(void)frame_get_int(f, key);
		frame_add(&again, key, value);
	}
	frame_end(&again, start);
	FUZZ_CHECK(!buf_failed(&again));
	FUZZ_CHECK(buf_len(&again) == used);
	FUZZ_CHECK(memcmp(buf_bytes(&again), bytes, used) == 0);
	buf_release(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct frame	f;
	size_t		used = 0, at = 0;
	int		rc;

	while ((rc = frame_parse(bytes + at, n - at, &f, &used)) == 1) {
		FUZZ_CHECK(used >= FRAME_HEADER && used <= n - at);
		check_frame(&f, bytes + at, used);
		FUZZ_CHECK(frame_parse(bytes + at, used - 1, &f, &used) == 0);
		FUZZ_CHECK(frame_parse(bytes + at, n - at, &f, &used) == 1);
		at += used;
	}
	FUZZ_CHECK(rc <= 0);
	return 0;
}
