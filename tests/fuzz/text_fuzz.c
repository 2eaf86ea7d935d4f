/* SPDX-License-Identifier: MIT */
/* Numbers, sizes, durations, stamps: what is read is printed and read back. */
#include "common/base.h"
#include "common/text.h"

#include <string.h>

#include "tests/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char	s[64], out[TEXT_STAMP_MAX];
	int64_t	v, back;
	bool	b;
	size_t	n = MIN(size, sizeof(s) - 1);

	memcpy(s, data, n);
	s[n] = '\0';
	if (text_parse_int(s, 0, &v) == 0 && text_parse_int(s, 16, &v) == 0)
		FUZZ_CHECK(s[0] != '\0');
	if (text_parse_bool(s, &b) == 0)
		FUZZ_CHECK(strlen(s) <= 5);
	if (text_parse_size(s, &v) == 0) {
		FUZZ_CHECK(v >= 0);
		FUZZ_CHECK(text_parse_size(text_print_size(v, out), &back) ==
		    0 && back == v);
	}
	if (text_parse_time(s, TEXT_USEC_PER_SEC, &v) == 0) {
		FUZZ_CHECK(v >= 0);
		FUZZ_CHECK(text_parse_time(text_print_time(v, out), 1,
		    &back) == 0 && back == v);
		FUZZ_CHECK(text_parse_time(text_print_seconds(v, out),
		    TEXT_USEC_PER_SEC, &back) == 0 && back == v);
	}
	/* An offset may lead out of the years that can be printed. */
	if (text_parse_rfc3339(s, &v) == 0 && s[n - 1] == 'Z')
		FUZZ_CHECK(text_parse_rfc3339(text_print_rfc3339(v, out),
		    &back) == 0 && (back == v || strncmp(s, "9999", 4) == 0));
	if (text_parse_label(s, &v) == 0)
		FUZZ_CHECK(strcmp(text_print_label(v, out), s) == 0);
	return 0;
}
