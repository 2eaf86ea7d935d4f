/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/pgmanifest.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "archiver/manifest.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/sha256.h"

/* The first version of PostgreSQL whose manifests name the cluster. */
#define WITH_SYSTEM_ID	17

static bool
is_ascii(const char *s)
{
	for (; *s != '\0'; s++) {
		if ((unsigned char)*s < ' ' || (unsigned char)*s > 126)
			return false;
	}
	return true;
}

/* A path as JSON; one that is not plain ASCII in hexadecimal. */
static void
put_path(const char *path, struct buf *out)
{
	if (!is_ascii(path)) {
		buf_append_str(out, "\"Encoded-Path\": \"");
		for (; *path != '\0'; path++)
			buf_printf(out, "%02x", (unsigned char)*path);
	} else {
		buf_append_str(out, "\"Path\": \"");
		for (; *path != '\0'; path++) {
			if (*path == '"' || *path == '\\')
				buf_append_u8(out, '\\');
			buf_append_u8(out, (uint8_t)*path);
		}
	}
	buf_append_u8(out, '"');
}

static void
put_file(const struct manifest_file *f, uint32_t crc, struct buf *out)
{
	char		stamp[64];
	time_t		t = (time_t)f->mtime;
	struct tm	tm;

	memset(&tm, 0, sizeof(tm));
	gmtime_r(&t, &tm);
	strftime(stamp, sizeof(stamp), "%Y-%m-%d %H:%M:%S GMT", &tm);
	buf_append_str(out, "{ ");
	put_path(f->path, out);
	/* The CRC's bytes stand in the order of the machine: low first. */
	buf_printf(out, ", \"Size\": %" PRIu64 ", \"Last-Modified\": \"%s\", "
	    "\"Checksum-Algorithm\": \"CRC32C\", "
	    "\"Checksum\": \"%02x%02x%02x%02x\" }", f->size, stamp,
	    crc & 0xff, crc >> 8 & 0xff, crc >> 16 & 0xff, crc >> 24);
}

static void
put_range(const struct manifest *m, struct buf *out)
{
	char	start[LSN_MAX], stop[LSN_MAX];

	buf_printf(out, "\"WAL-Ranges\": [\n{ \"Timeline\": %" PRIu32
	    ", \"Start-LSN\": \"%s\", \"End-LSN\": \"%s\" }\n],\n",
	    m->start_timeline, lsn_format(start, m->start_lsn),
	    lsn_format(stop, m->stop_lsn));
}

int
pgmanifest_encode(const struct manifest *m, const uint32_t *crcs,
    struct buf *out, struct err *e)
{
	unsigned char	sum[SHA256_LEN];
	const char	*separator = "";
	size_t		i, start = buf_len(out);
	int		rc;

	buf_printf(out, "{ \"PostgreSQL-Backup-Manifest-Version\": %d,\n",
	    m->pg_version >= WITH_SYSTEM_ID ? 2 : 1);
	if (m->pg_version >= WITH_SYSTEM_ID) {
		buf_printf(out, "\"System-Identifier\": %" PRIu64 ",\n",
		    m->system_id);
	}
	buf_append_str(out, "\"Files\": [");
	for (i = 0; i < m->file_count; i++) {
		if (strcmp(m->files[i].path, "postgresql.auto.conf") == 0)
			continue;
		buf_printf(out, "%s\n", separator);
		put_file(&m->files[i], crcs[i], out);
		separator = ",";
	}
	buf_append_str(out, "\n],\n");
	put_range(m, out);
	if (buf_failed(out))
		return err_set(e, ERR_NOMEM, "out of memory");
	rc = sha256_of(buf_bytes(out) + start, buf_len(out) - start, sum);
	if (rc != 0)
		return err_set(e, rc, "SHA-256 is not available");
	buf_append_str(out, "\"Manifest-Checksum\": \"");
	for (i = 0; i < sizeof(sum); i++)
		buf_printf(out, "%02x", sum[i]);
	buf_append_str(out, "\"}\n");
	return buf_failed(out) ? err_set(e, ERR_NOMEM, "out of memory") : 0;
}
