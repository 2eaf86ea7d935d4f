/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "tests/unit/text_samples.h"
#include "tests/unit/unit.h"

static int
c_integer(const char *s, int64_t *out)
{
	return text_parse_int(s, 0, out);
}

static int
decimal(const char *s, int64_t *out)
{
	return text_parse_int(s, 10, out);
}

static int
seconds(const char *s, int64_t *out)
{
	return text_parse_time(s, TEXT_USEC_PER_SEC, out);
}

START_TEST(integers)
{
	static const struct sample c_samples[] = {
		{ "0", 0, 0 }, { "10", 0, 10 }, { "-7", 0, -7 },
		{ "+7", 0, 7 }, { "0777", 0, 511 }, { "0x1F", 0, 31 },
		{ "-0x10", 0, -16 }, { "00", 0, 0 },
		{ "9223372036854775807", 0, INT64_MAX },
		{ "-9223372036854775808", 0, INT64_MIN },
		{ "9223372036854775808", ERR_LIMIT, 0 },
		{ "-9223372036854775809", ERR_LIMIT, 0 },
		{ "99999999999999999999999999", ERR_LIMIT, 0 },
		{ "99999999999999999999999999x", ERR_FORMAT, 0 },
		{ "0xffffffffffffffff", ERR_LIMIT, 0 },
		{ "", ERR_FORMAT, 0 }, { "-", ERR_FORMAT, 0 },
		{ "0x", ERR_FORMAT, 0 }, { "08", ERR_FORMAT, 0 },
		{ "1 ", ERR_FORMAT, 0 }, { " 1", ERR_FORMAT, 0 },
		{ "1.0", ERR_FORMAT, 0 }, { "--1", ERR_FORMAT, 0 },
		{ "ten", ERR_FORMAT, 0 }, { "a", ERR_FORMAT, 0 },
	};
	static const struct sample decimal_samples[] = {
		{ "010", 0, 10 }, { "0x10", ERR_FORMAT, 0 },
		{ "-010", 0, -10 }, { "0", 0, 0 }, { "-0", 0, 0 },
	};

	try_all(c_integer, c_samples, ARRAY_LEN(c_samples));
	try_all(decimal, decimal_samples, ARRAY_LEN(decimal_samples));
}
END_TEST

START_TEST(booleans)
{
	static const char *const yes[] = { "y", "Yes", "ON", "true", "1" };
	static const char *const no[] = { "n", "NO", "off", "False", "0" };
	static const char *const neither[] = { "", "2", "ye", "yess", " y" };
	size_t	i;
	bool	b;

	for (i = 0; i < ARRAY_LEN(yes); i++) {
		b = false;
		ck_assert_int_eq(text_parse_bool(yes[i], &b), 0);
		ck_assert(b);
		ck_assert_int_eq(text_parse_bool(no[i], &b), 0);
		ck_assert(!b);
		ck_assert_int_eq(text_parse_bool(neither[i], &b), ERR_FORMAT);
	}
}
END_TEST

START_TEST(sizes)
{
	static const struct sample samples[] = {
		{ "0", 0, 0 }, { "812", 0, 812 }, { "812B", 0, 812 },
		{ "1k", 0, 1024 }, { "16MiB", 0, 16 << 20 },
		{ "16MB", 0, 16 << 20 }, { "16m", 0, 16 << 20 },
		{ "1gb", 0, 1 << 30 }, { "4PiB", 0, INT64_C(4) << 50 },
		{ "8191PiB", 0, INT64_C(8191) << 50 },
		{ "8192PiB", ERR_LIMIT, 0 },
		{ "9223372036854775807", 0, INT64_MAX },
		{ "9223372036854775808", ERR_LIMIT, 0 },
		{ "99999999999999999999KiB", ERR_LIMIT, 0 },
		{ "", ERR_FORMAT, 0 }, { "MiB", ERR_FORMAT, 0 },
		{ "-1", ERR_FORMAT, 0 }, { "1.5GB", ERR_FORMAT, 0 },
		{ "1 GB", ERR_FORMAT, 0 }, { "1EiB", ERR_FORMAT, 0 },
		{ "1MiBx", ERR_FORMAT, 0 }, { "1iB", ERR_FORMAT, 0 },
	};
	static const struct {
		int64_t		 n;
		const char	*exact, *people;
	} printed[] = {
		{ 0, "0B", "0 B" }, { 1, "1B", "1 B" },
		{ 1000, "1000B", "1000 B" }, { 1024, "1KiB", "1.0 KiB" },
		{ 1536, "1536B", "1.5 KiB" }, { 1023 * 1024, "1023KiB",
		    "1023.0 KiB" }, { (1 << 20) - 1, "1048575B", "1.0 MiB" },
		{ 16 << 20, "16MiB", "16.0 MiB" },
		{ INT64_C(1) << 60, "1024PiB", "1024.0 PiB" },
		{ INT64_MAX, "9223372036854775807B", "8192.0 PiB" },
	};
	char	out[TEXT_NUMBER_MAX];
	int64_t	back;
	size_t	i;

	try_all(text_parse_size, samples, ARRAY_LEN(samples));
	for (i = 0; i < ARRAY_LEN(printed); i++) {
		ck_assert_str_eq(text_print_size(printed[i].n, out),
		    printed[i].exact);
		ck_assert_int_eq(text_parse_size(out, &back), 0);
		ck_assert_int_eq(back, printed[i].n);
		ck_assert_str_eq(text_print_size_short(printed[i].n, out),
		    printed[i].people);
	}
}
END_TEST

START_TEST(counts)
{
	char	out[TEXT_COUNT_MAX];

	ck_assert_str_eq(text_print_count(0, "backup", out), "0 backups");
	ck_assert_str_eq(text_print_count(1, "backup", out), "1 backup");
	ck_assert_str_eq(text_print_count(UINT64_MAX, "WAL segment", out),
	    "18446744073709551615 WAL segments");
}
END_TEST

START_TEST(durations)
{
	static const struct sample samples[] = {
		{ "0", 0, 0 }, { "120", 0, S(120) }, { "1.5", 0, 1500000 },
		{ ".5", 0, 500000 }, { "5.", 0, S(5) }, { "0.002", 0, 2000 },
		{ "1e+06", 0, S(1000000) }, { "1.5e3", 0, S(1500) },
		{ "2e-06", 0, 2 }, { "25E-1", 0, 2500000 },
		{ "0e99", 0, 0 }, { "0.0000001", 0, 1 },
		{ "1e-99", 0, 1 }, { "1.0000019", 0, 1000001 },
		{ "100ms", 0, 100000 }, { "7us", 0, 7 }, { "1m", 0, S(60) },
		{ "1min", 0, S(60) }, { "0.5h", 0, S(1800) },
		{ "1d", 0, S(86400) }, { "2W", 0, S(14 * 86400) },
		{ "1.123456w", 0, INT64_C(679466188800) },
		{ "9223372036854.775807", 0, INT64_MAX },
		{ "9223372036854.775808", ERR_LIMIT, 0 },
		{ "1e99", ERR_LIMIT, 0 }, { "1e999999999999", ERR_LIMIT, 0 },
		{ "99999999999999999999999999999999999999999999",
		    ERR_LIMIT, 0 },
		{ "", ERR_FORMAT, 0 }, { ".", ERR_FORMAT, 0 },
		{ "-1", ERR_FORMAT, 0 }, { "+1", ERR_FORMAT, 0 },
		{ "1..5", ERR_FORMAT, 0 }, { "s", ERR_FORMAT, 0 },
		{ "1 s", ERR_FORMAT, 0 }, { "1e", ERR_FORMAT, 0 },
		{ "1e+", ERR_FORMAT, 0 }, { "0x10", ERR_FORMAT, 0 },
		{ "nan", ERR_FORMAT, 0 }, { "inf", ERR_FORMAT, 0 },
		{ "1,5", ERR_FORMAT, 0 }, { "1y", ERR_FORMAT, 0 },
	};
	static const struct {
		int64_t		 us;
		const char	*exact, *secs, *people;
	} printed[] = {
		{ 0, "0s", "0", "0us" }, { 1, "1us", "1e-06", "1us" },
		{ 2000, "2ms", "0.002", "2ms" },
		{ 1500000, "1500ms", "1.5", "1s" },
		{ S(60), "1m", "60", "1m 00s" },
		{ S(245), "245s", "245", "4m 05s" },
		{ S(12000), "200m", "12000", "3h 20m" },
		{ S(1000000), "1000000s", "1e+06", "11d 13h" },
		{ S(1234567), "1234567s", "1234567", "14d 6h" },
		{ S(86400) * 14, "14d", "1.2096e+06", "14d 0h" },
		{ INT64_C(123456789), "123456789us", "123.456789", "2m 03s" },
	};
	char	out[TEXT_NUMBER_MAX];
	int64_t	back;
	size_t	i;

	try_all(seconds, samples, ARRAY_LEN(samples));
	ck_assert_int_eq(text_parse_time("3", 1000, &back), 0);
	ck_assert_int_eq(back, 3000);
	for (i = 0; i < ARRAY_LEN(printed); i++) {
		ck_assert_str_eq(text_print_time(printed[i].us, out),
		    printed[i].exact);
		ck_assert_int_eq(seconds(out, &back), 0);
		ck_assert_int_eq(back, printed[i].us);
		ck_assert_str_eq(text_print_seconds(printed[i].us, out),
		    printed[i].secs);
		ck_assert_int_eq(seconds(out, &back), 0);
		ck_assert_int_eq(back, printed[i].us);
		ck_assert_str_eq(text_print_time_short(printed[i].us, out),
		    printed[i].people);
	}
}
END_TEST

/* Whatever is printed is read back, over all magnitudes. */
START_TEST(durations_round_trip)
{
	char	 out[TEXT_NUMBER_MAX];
	uint64_t x = 88172645463325252u;
	int64_t	 us, back;
	int	 i;

	for (i = 0; i < 200000; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		us = (int64_t)(x >> (1 + i % 63));
		ck_assert_int_eq(seconds(text_print_seconds(us, out), &back), 0);
		ck_assert_int_eq(back, us);
		ck_assert_int_eq(seconds(text_print_time(us, out), &back), 0);
		ck_assert_int_eq(back, us);
		ck_assert_int_eq(text_parse_size(text_print_size(us, out),
		    &back), 0);
		ck_assert_int_eq(back, us);
	}
}
END_TEST

START_TEST(no_case)
{
	ck_assert(text_equal_nocase("", ""));
	ck_assert(text_equal_nocase("DateStyle", "dATEsTYLE"));
	ck_assert(!text_equal_nocase("a", ""));
	ck_assert(!text_equal_nocase("", "a"));
	ck_assert(!text_equal_nocase("ab", "abc"));
	ck_assert(!text_equal_nocase("[", "{"));
	ck_assert(text_is_blank('\t') && text_is_blank(' '));
	ck_assert(!text_is_blank('\0') && !text_is_blank('a'));
}
END_TEST

UNIT_MAIN("text", integers, booleans, sizes, counts, durations,
    durations_round_trip, no_case)
