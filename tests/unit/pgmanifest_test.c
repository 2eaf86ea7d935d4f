/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/pgmanifest.h"
#include "archiver/manifest.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/sha256.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

static void
sample(struct manifest *m, int version)
{
	struct manifest_file *f;

	manifest_init(m);
	m->pg_version = version;
	m->system_id = 7;
	m->start_timeline = 2;
	m->start_lsn = 0x2000028;
	m->stop_lsn = 0x2000138;
	f = manifest_add_file(m, "base/5/1");
	f->size = 9;
	f->mtime = 1763863200;
	ck_assert_ptr_nonnull(manifest_add_file(m, "postgresql.auto.conf"));
	ck_assert_ptr_nonnull(manifest_add_file(m, "a\"\\\xc3\xa9"));
	ck_assert_ptr_nonnull(manifest_add_file(m, "a\"\\b"));
}

#define FILES "\"Files\": [\n" \
	"{ \"Path\": \"base/5/1\", \"Size\": 9, " \
	"\"Last-Modified\": \"2025-11-23 02:00:00 GMT\", " \
	"\"Checksum-Algorithm\": \"CRC32C\", " \
	"\"Checksum\": \"44332211\" },\n" \
	"{ \"Encoded-Path\": \"61225cc3a9\", \"Size\": 0, " \
	"\"Last-Modified\": \"1970-01-01 00:00:00 GMT\", " \
	"\"Checksum-Algorithm\": \"CRC32C\", " \
	"\"Checksum\": \"00000000\" },\n" \
	"{ \"Path\": \"a\\\"\\\\b\", \"Size\": 0, " \
	"\"Last-Modified\": \"1970-01-01 00:00:00 GMT\", " \
	"\"Checksum-Algorithm\": \"CRC32C\", " \
	"\"Checksum\": \"00000000\" }\n],\n" \
	"\"WAL-Ranges\": [\n" \
	"{ \"Timeline\": 2, \"Start-LSN\": \"0/2000028\", " \
	"\"End-LSN\": \"0/2000138\" }\n],\n"

static void
assert_text(int version, const char *body)
{
	static const uint32_t crcs[] = { 0x11223344, 1, 0, 0 };
	unsigned char	sum[SHA256_LEN];
	char		hex[2 * SHA256_LEN + 1];
	struct manifest	m;
	struct buf	out = { 0 };
	struct err	e = { 0 };
	size_t		i;

	sample(&m, version);
	ck_assert_int_eq(pgmanifest_encode(&m, crcs, &out, &e), 0);
	ck_assert_int_eq(strncmp(buf_cstr(&out), body, strlen(body)), 0);
	/* The checksum covers all that stands before its line. */
	ck_assert_int_eq(sha256_of(body, strlen(body), sum), 0);
	for (i = 0; i < sizeof(sum); i++)
		snprintf(hex + 2 * i, 3, "%02x", sum[i]);
	ck_assert_ptr_nonnull(strstr(buf_cstr(&out) + strlen(body), hex));
	buf_release(&out);
	manifest_release(&m);
}

START_TEST(both_versions)
{
	assert_text(15, "{ \"PostgreSQL-Backup-Manifest-Version\": 1,\n" FILES);
	assert_text(17, "{ \"PostgreSQL-Backup-Manifest-Version\": 2,\n"
	    "\"System-Identifier\": 7,\n" FILES);
}
END_TEST

UNIT_MAIN("pgmanifest", both_versions)
