/* SPDX-License-Identifier: MIT */
/* The block map of one file: what decodes keeps the map's invariant. */
#include "common/base.h"

#include <string.h>

#include "archiver/pagemap.h"
#include "common/buf.h"
#include "common/err.h"
#include "tests/fuzz/fuzz.h"

static void
check_invariant(const struct pagemap *m)
{
	uint64_t next = 0;

	FUZZ_CHECK(m->count <= PAGEMAP_RUNS_MAX);
	for (size_t i = 0; i < m->count; i++) {
		const struct pagemap_run *r = &m->runs[i];

		FUZZ_CHECK(r->first == next);
		FUZZ_CHECK(r->pages >= 1 && r->pages <= PAGEMAP_RUN_PAGES);
		FUZZ_CHECK(r->skip + r->pages <= PAGEMAP_RUN_PAGES);
		FUZZ_CHECK(r->backup == PAGEMAP_OWN ||
		    r->backup < m->backup_count);
		FUZZ_CHECK(r->offset + r->stored >= r->offset);
		next += r->pages;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct pagemap	m, again;
	struct buf	first = { 0 }, second = { 0 };
	struct err	e = { 0 };

	if (pagemap_decode(&m, bytes, n, &e) < 0)
		return 0;
	check_invariant(&m);
	pagemap_encode(&m, &first);
	FUZZ_CHECK(!buf_failed(&first));
	FUZZ_CHECK(pagemap_decode(&again, buf_bytes(&first), buf_len(&first),
	    &e) == 0);
	FUZZ_CHECK(again.count == m.count);
	pagemap_encode(&again, &second);
	FUZZ_CHECK(buf_len(&first) == buf_len(&second));
	FUZZ_CHECK(memcmp(buf_bytes(&first), buf_bytes(&second),
	    buf_len(&first)) == 0);
	pagemap_release(&again);
	pagemap_release(&m);
	buf_release(&first);
	buf_release(&second);
	return 0;
}
