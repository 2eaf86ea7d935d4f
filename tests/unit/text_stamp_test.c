/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "tests/unit/text_samples.h"
#include "tests/unit/unit.h"

START_TEST(stamps)
{
	static const struct sample samples[] = {
		{ "1970-01-01T00:00:00Z", 0, 0 },
		{ "1969-12-31T23:59:59.5Z", 0, -500000 },
		{ "2026-07-10 22:19:13Z", 0, S(INT64_C(1783721953)) },
		{ "2026-07-10t22:19:13.123456789z", 0,
		    S(INT64_C(1783721953)) + 123456 },
		{ "2026-07-11T00:19:13+02:00", 0, S(INT64_C(1783721953)) },
		{ "2026-07-10T17:19:13-0500", 0, S(INT64_C(1783721953)) },
		{ "2026-07-10T17:19:13-05", 0, S(INT64_C(1783721953)) },
		{ "2000-02-29T00:00:00Z", 0, S(951782400) },
		{ "2016-12-31T23:59:60Z", 0, S(1483228800) },
		{ "1900-02-29T00:00:00Z", ERR_FORMAT, 0 },
		{ "2023-02-29T00:00:00Z", ERR_FORMAT, 0 },
		{ "2023-13-01T00:00:00Z", ERR_FORMAT, 0 },
		{ "2023-00-01T00:00:00Z", ERR_FORMAT, 0 },
		{ "2023-04-31T00:00:00Z", ERR_FORMAT, 0 },
		{ "2023-04-00T00:00:00Z", ERR_FORMAT, 0 },
		{ "2023-04-01T24:00:00Z", ERR_FORMAT, 0 },
		{ "2023-04-01T23:60:00Z", ERR_FORMAT, 0 },
		{ "2023-04-01T23:00:61Z", ERR_FORMAT, 0 },
		{ "0000-04-01T23:00:00Z", ERR_FORMAT, 0 },
		{ "2023-04-01T23:00:00", ERR_FORMAT, 0 },
		{ "2023-04-01T23:00:00.Z", ERR_FORMAT, 0 },
		{ "2023-04-01T23:00:00.1234567890Z", ERR_FORMAT, 0 },
		{ "2023-04-01T23:00:00Zx", ERR_FORMAT, 0 },
		{ "2023-04-01T23:00:00+24:00", ERR_FORMAT, 0 },
		{ "2023-04-01T23:00:00+02:60", ERR_FORMAT, 0 },
		{ "2023-04-01T23:00:00+02:0", ERR_FORMAT, 0 },
		{ "2023-4-1T23:00:00Z", ERR_FORMAT, 0 },
		{ "2023-04-01", ERR_FORMAT, 0 }, { "", ERR_FORMAT, 0 },
		{ "now", ERR_FORMAT, 0 },
	};
	char	out[TEXT_STAMP_MAX];

	try_all(text_parse_rfc3339, samples, ARRAY_LEN(samples));
	ck_assert_str_eq(text_print_rfc3339(0, out), "1970-01-01T00:00:00Z");
	ck_assert_str_eq(text_print_rfc3339(-1, out),
	    "1969-12-31T23:59:59.999999Z");
	ck_assert_str_eq(text_print_rfc3339(S(951782400), out),
	    "2000-02-29T00:00:00Z");
	ck_assert_str_eq(text_print_rfc3339(INT64_MIN, out),
	    "0001-01-01T00:00:00.224192Z");
	ck_assert_str_eq(text_print_rfc3339(INT64_MAX, out),
	    "9999-12-31T23:59:59.775807Z");
}
END_TEST

START_TEST(labels)
{
	static const struct sample samples[] = {
		{ "20251123-020000", 0, S(1763863200) },
		{ "20251123-02000", ERR_FORMAT, 0 },
		{ "20251123-020000F", ERR_FORMAT, 0 },
		{ "20251123T020000", ERR_FORMAT, 0 },
		{ "20251123-020060", ERR_FORMAT, 0 },
		{ "20250229-020000", ERR_FORMAT, 0 }, { "", ERR_FORMAT, 0 },
	};
	char	out[TEXT_STAMP_MAX];

	try_all(text_parse_label, samples, ARRAY_LEN(samples));
	ck_assert_str_eq(text_print_label(S(1763863200) + 999999, out),
	    "20251123-020000");
}
END_TEST

/* Against libc's calendar, some 16000 moments over 2000 years. */
START_TEST(calendar)
{
	char	  ours[TEXT_STAMP_MAX], theirs[TEXT_STAMP_MAX];
	struct tm tm;
	int64_t	  t, back;
	time_t	  tt;

	for (t = -30000000000; t < 33000000000; t += 3999971) {
		tt = (time_t)t;
		ck_assert_ptr_nonnull(gmtime_r(&tt, &tm));
		strftime(theirs, sizeof(theirs), "%Y-%m-%dT%H:%M:%SZ", &tm);
		text_print_rfc3339(S(t), ours);
		ck_assert_str_eq(ours, theirs);
		ck_assert_int_eq(text_parse_rfc3339(ours, &back), 0);
		ck_assert_int_eq(back, S(t));
	}
}
END_TEST

UNIT_MAIN("text_stamp", stamps, labels, calendar)
