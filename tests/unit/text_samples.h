/* SPDX-License-Identifier: MIT */
/* text_samples - tables of inputs, for the tests of common/text*.c. */
#ifndef TESTS_UNIT_TEXT_SAMPLES_H
#define TESTS_UNIT_TEXT_SAMPLES_H

#include "common/base.h"

#include <check.h>
#include <string.h>
#include <time.h>

#include "common/err.h"
#include "common/text.h"

#define UNTOUCHED	INT64_C(424242)
#define S(n)		((n) * TEXT_USEC_PER_SEC)

struct sample {
	const char	*text;
	int		 rc;
	int64_t		 value;
};

typedef int	parser(const char *, int64_t *);

/* Each sample gives its code, and its value if that is 0. */
static inline void
try_all(parser *parse, const struct sample *s, size_t n)
{
	int64_t	v;
	size_t	i;

	for (i = 0; i < n; i++) {
		v = UNTOUCHED;
		ck_assert_msg(parse(s[i].text, &v) == s[i].rc,
		    "\"%s\" gave the wrong code", s[i].text);
		ck_assert_msg(v == (s[i].rc == 0 ? s[i].value : UNTOUCHED),
		    "\"%s\" gave %lld", s[i].text, (long long)v);
	}
}

#endif /* TESTS_UNIT_TEXT_SAMPLES_H */
