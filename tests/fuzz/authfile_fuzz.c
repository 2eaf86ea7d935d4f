/* SPDX-License-Identifier: MIT */
/* The authentication file: users and secrets stay within their limits. */
#include "common/base.h"
#include "pooler/authfile.h"

#include <string.h>

#include "common/buf.h"
#include "common/err.h"
#include "tests/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct authfile_secret	*s = NULL;
	struct buf		 text = { 0 };
	struct err		 e = { 0 };
	size_t			 n = 0, i;
	int			 rc;

	buf_append(&text, data, size);
	rc = authfile_parse("f", &text, &s, &n, &e);
	FUZZ_CHECK(rc == 0 || (e.code == rc && e.msg[0] != '\0'));
	for (i = 0; i < n; i++) {
		FUZZ_CHECK(strlen(s[i].user) <= AUTHFILE_USER_MAX);
		FUZZ_CHECK(strlen(s[i].secret) <= AUTHFILE_SECRET_MAX);
		FUZZ_CHECK(s[i].kind == authfile_kind(s[i].secret));
		authfile_release(&s[i]);
	}
	free(s);
	buf_release(&text);
	return 0;
}
