/* SPDX-License-Identifier: MIT */
/* The text form of a manifest; manifest.h describes it. */
#include "common/base.h"
#include "archiver/manifest.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "common/err.h"

#define MAGIC	"homelab-manifest 1\n"

/*
 * The facts: X(kind, key, member). One table writes and reads them; a kind
 * is a pair of functions below.
 */
#define FACTS(X) \
	X(FIXED,   "label",            label) \
	X(FIXED,   "run",              run) \
	X(STRING,  "prior",            prior) \
	X(U64,     "system-id",        system_id) \
	X(INT,     "pg-version",       pg_version) \
	X(U32,     "control-version",  control_version) \
	X(U32,     "catalog-version",  catalog_version) \
	X(U32,     "block-size",       block_size) \
	X(U32,     "relation-blocks",  relseg_blocks) \
	X(U32,     "wal-segment-size", wal_segment_size) \
	X(BOOL,    "checksums",        checksums) \
	X(BOOL,    "checked",          checked) \
	X(BOOL,    "from-standby",     from_standby) \
	X(LSN,     "start-lsn",        start_lsn) \
	X(LSN,     "stop-lsn",         stop_lsn) \
	X(U32,     "start-timeline",   start_timeline) \
	X(U32,     "stop-timeline",    stop_timeline) \
	X(I64,     "start-time",       start_time) \
	X(I64,     "copy-time",        copy_time) \
	X(I64,     "stop-time",        stop_time) \
	X(STRING,  "archiver",         archiver_version) \
	X(STRING,  "host",             host) \
	X(STRING,  "owner",            owner) \
	X(U64,     "size",             size) \
	X(U64,     "stored",           stored) \
	X(U32,     "packs",            packs)

enum fact_kind {
	FACT_FIXED, FACT_STRING, FACT_U64, FACT_U32, FACT_INT, FACT_I64,
	FACT_BOOL, FACT_LSN
};

static const struct fact {
	const char	*key;
	size_t		 offset;
	size_t		 size;
	enum fact_kind	 kind;
} facts[] = {
#define X(kind, key, member) \
	{ key, offsetof(struct manifest, member), \
	    sizeof(((struct manifest *)0)->member), FACT_##kind },
FACTS(X)
#undef X
};

static bool
is_plain(unsigned char c)
{
	return c > ' ' && c < 127 && c != '%';
}

static void
put_escaped(struct buf *out, const char *s)
{
	const char	*from;

	while (*s != '\0') {
		for (from = s; is_plain((unsigned char)*s); s++)
			;
		buf_append(out, from, (size_t)(s - from));
		if (*s != '\0') {
			buf_printf(out, "%%%02X", (unsigned char)*s);
			s++;
		}
	}
}

static void
put_fact(const struct manifest *m, const struct fact *f, struct buf *out)
{
	const char	*at = (const char *)m + f->offset;
	const char	*string = at;
	char		 lsn[LSN_MAX];

	if (f->kind == FACT_STRING) {
		memcpy(&string, at, sizeof(string));
		if (string == NULL)
			return;
	}
	buf_printf(out, "h %s ", f->key);
	switch (f->kind) {
	case FACT_FIXED:
	case FACT_STRING:
		put_escaped(out, string);
		break;
	case FACT_U64:
		buf_printf(out, "%" PRIu64, *(const uint64_t *)(const void *)at);
		break;
	case FACT_U32:
		buf_printf(out, "%" PRIu32, *(const uint32_t *)(const void *)at);
		break;
	case FACT_INT:
		buf_printf(out, "%d", *(const int *)(const void *)at);
		break;
	case FACT_I64:
		buf_printf(out, "%" PRId64, *(const int64_t *)(const void *)at);
		break;
	case FACT_BOOL:
		buf_append_str(out, *(const bool *)at ? "y" : "n");
		break;
	case FACT_LSN:
		buf_append_str(out, lsn_format(lsn,
		    *(const uint64_t *)(const void *)at));
		break;
	}
	buf_append_u8(out, '\n');
}

static void
put_bad(const struct manifest_file *f, struct buf *out)
{
	uint32_t	i;

	for (i = 0; i < f->bad_count; i++) {
		buf_printf(out, "%s%" PRIu32, i == 0 ? "" : ",",
		    f->bad[i].first);
		if (f->bad[i].count > 1) {
			buf_printf(out, "-%" PRIu32,
			    f->bad[i].first + f->bad[i].count - 1);
		}
	}
	if (f->bad_count == 0)
		buf_append_u8(out, '-');
}

static void
put_file(const struct manifest_file *f, struct buf *out)
{
	char	hex[DIGEST_HEX_LEN + 1];

	digest_hex(&f->digest, hex);
	buf_printf(out, "f %" PRIu64 " %" PRId64 " %04o %s ", f->size,
	    f->mtime, (unsigned)f->mode, hex);
	switch (f->where) {
	case MANIFEST_EMPTY:
		buf_append_u8(out, '-');
		break;
	case MANIFEST_RUN:
		buf_printf(out, "r:%" PRIu32 ":%" PRIu64 ":%" PRIu64,
		    f->pack, f->offset, f->stored);
		break;
	case MANIFEST_MAP:
		digest_hex(&f->map_digest, hex);
		buf_printf(out, "m:%" PRIu32 ":%" PRIu64 ":%" PRIu64 ":%s",
		    f->pack, f->offset, f->stored, hex);
		break;
	}
	if (f->backup != NULL)
		buf_printf(out, "@%s", f->backup);
	buf_append_u8(out, ' ');
	put_bad(f, out);
	buf_append_u8(out, ' ');
	put_escaped(out, f->path);
	buf_append_u8(out, '\n');
}

void
manifest_encode(const struct manifest *m, struct buf *out)
{
	struct digest	d;
	char		hex[DIGEST_HEX_LEN + 1];
	size_t		i, start = buf_len(out);

	buf_append_str(out, MAGIC);
	for (i = 0; i < ARRAY_LEN(facts); i++)
		put_fact(m, &facts[i], out);
	for (i = 0; i < m->dir_count; i++) {
		buf_printf(out, "d %04o ", (unsigned)m->dirs[i].mode);
		put_escaped(out, m->dirs[i].path);
		buf_append_u8(out, '\n');
	}
	for (i = 0; i < m->space_count; i++) {
		buf_printf(out, "t %" PRIu32 " ", m->spaces[i].oid);
		put_escaped(out, m->spaces[i].target == NULL ? "-" :
		    m->spaces[i].target);
		if (m->spaces[i].name != NULL) {
			buf_append_u8(out, ' ');
			put_escaped(out, m->spaces[i].name);
		}
		buf_append_u8(out, '\n');
	}
	for (i = 0; i < m->file_count; i++)
		put_file(&m->files[i], out);
	if (buf_failed(out))
		return;
	digest_of(NULL, buf_bytes(out) + start, buf_len(out) - start, &d);
	digest_hex(&d, hex);
	buf_printf(out, "e %s\n", hex);
}

/* The rest of a line; fields are taken from the front. */
struct cursor {
	const char	*p;
	const char	*end;
};

/* The next field, up to a blank or the end; false if there is none. */
static bool
take(struct cursor *c, const char **field, size_t *n)
{
	const char	*blank;

	if (c->p == NULL)
		return false;
	blank = memchr(c->p, ' ', (size_t)(c->end - c->p));
	*field = c->p;
	*n = (size_t)((blank == NULL ? c->end : blank) - c->p);
	c->p = blank == NULL ? NULL : blank + 1;
	return *n > 0;
}

/* A number in some base at *p, before end; moves behind it. */
static bool
scan(const char **p, const char *end, unsigned base, uint64_t max, uint64_t *v)
{
	const char	*s = *p;
	uint64_t	 r = 0;
	unsigned	 digit;

	for (; s < end && *s >= '0' && *s <= '9'; s++) {
		digit = (unsigned)(*s - '0');
		if (digit >= base || r > (max - digit) / base)
			return false;
		r = r * base + digit;
	}
	if (s == *p)
		return false;
	*p = s;
	*v = r;
	return true;
}

static bool
take_number(struct cursor *c, unsigned base, uint64_t max, uint64_t *v)
{
	const char	*s;
	size_t		 n;

	if (!take(c, &s, &n))
		return false;
	return scan(&s, s + n, base, max, v) && (s == c->end || *s == ' ');
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* The unescaped form of a field, allocated; NULL if malformed or no memory. */
static char *
unescape(const char *s, size_t n)
{
	char	*out;
	size_t	 i, len = 0;
	int	 high, low;

	if (n >= 3 * MANIFEST_PATH_MAX)
		return NULL;
	out = malloc(n + 1);
	if (out == NULL)
		return NULL;
	for (i = 0; i < n; i++) {
		if (s[i] != '%') {
			if (!is_plain((unsigned char)s[i]))
				break;
			out[len++] = s[i];
			continue;
		}
		if (n - i < 3)
			break;
		high = hex_digit(s[i + 1]);
		low = hex_digit(s[i + 2]);
		if (high < 0 || low < 0 || high + low == 0)
			break;
		out[len++] = (char)(high << 4 | low);
		i += 2;
	}
	if (i < n || len == 0 || len >= MANIFEST_PATH_MAX) {
		free(out);
		return NULL;
	}
	out[len] = '\0';
	return out;
}

static char *
take_string(struct cursor *c)
{
	const char	*s;
	size_t		 n;

	return take(c, &s, &n) ? unescape(s, n) : NULL;
}

/* Relative, and no component is empty, "." or "..". */
static bool
is_below(const char *path)
{
	size_t	n;

	for (;;) {
		n = strcspn(path, "/");
		if (n == 0 || (n == 1 && path[0] == '.') ||
		    (n == 2 && path[0] == '.' && path[1] == '.'))
			return false;
		if (path[n] == '\0')
			return true;
		path += n + 1;
	}
}

static char *
take_path(struct cursor *c)
{
	char	*path = take_string(c);

	if (path != NULL && (c->p != NULL || !is_below(path))) {
		free(path);
		return NULL;
	}
	return path;
}

static bool
set_fact(struct manifest *m, const struct fact *f, const char *value)
{
	char		*at = (char *)m + f->offset, *string;
	const char	*p = value, *end = value + strlen(value);
	uint64_t	 v;
	int64_t		 i;

	switch (f->kind) {
	case FACT_FIXED:
		if (strlen(value) >= f->size)
			return false;
		memcpy(at, value, strlen(value) + 1);
		return true;
	case FACT_STRING:
		memcpy(&string, at, sizeof(string));
		if (manifest_set(&string, value) != 0)
			return false;
		memcpy(at, &string, sizeof(string));
		return true;
	case FACT_U64:
	case FACT_U32:
	case FACT_INT:
		if (!scan(&p, end, 10, f->kind == FACT_U64 ? UINT64_MAX :
		    f->kind == FACT_U32 ? UINT32_MAX : INT32_MAX, &v) ||
		    p != end)
			return false;
		memcpy(at, &v, f->size);	/* little endian, as all we run on */
		return true;
	case FACT_I64:
		if (*p == '-')
			p++;
		if (!scan(&p, end, 10, INT64_MAX, &v) || p != end)
			return false;
		i = *value == '-' ? -(int64_t)v : (int64_t)v;
		memcpy(at, &i, sizeof(i));
		return true;
	case FACT_BOOL:
		*(bool *)at = strcmp(value, "y") == 0;
		return *(bool *)at || strcmp(value, "n") == 0;
	case FACT_LSN:
		if (!lsn_parse(value, &v))
			return false;
		memcpy(at, &v, sizeof(v));
		return true;
	}
	return false;
}

static bool
parse_fact(struct manifest *m, struct cursor *c)
{
	const char	*key;
	char		*value;
	size_t		 n, i;
	bool		 good = true;

	if (!take(c, &key, &n))
		return false;
	if (c->p == NULL || c->p == c->end)
		return true;	/* an empty value: the default */
	value = take_string(c);
	if (value == NULL || c->p != NULL) {
		free(value);
		return false;
	}
	for (i = 0; i < ARRAY_LEN(facts); i++) {
		if (strlen(facts[i].key) == n &&
		    memcmp(facts[i].key, key, n) == 0)
			good = set_fact(m, &facts[i], value);
	}
	free(value);
	return good;
}

static bool
parse_directory(struct manifest *m, struct cursor *c)
{
	struct manifest_directory *d;
	uint64_t	mode;
	char		*path;

	if (!take_number(c, 8, 07777, &mode))
		return false;
	path = take_path(c);
	if (path == NULL)
		return false;
	d = manifest_add_directory(m, path);
	free(path);
	if (d == NULL)
		return false;
	d->mode = (uint32_t)mode;
	return true;
}

static bool
parse_tablespace(struct manifest *m, struct cursor *c)
{
	uint64_t	oid;
	char		*target, *name = NULL;
	bool		good = false;

	if (!take_number(c, 10, UINT32_MAX, &oid) || oid == 0)
		return false;
	target = take_string(c);
	if (target == NULL)
		return false;
	if (c->p != NULL) {
		name = take_string(c);
		if (name == NULL || c->p != NULL)
			goto out;
	}
	if (target[0] != '/' && strcmp(target, "-") != 0)
		goto out;
	good = manifest_add_tablespace(m, (uint32_t)oid,
	    target[0] == '/' ? target : NULL, name) != NULL;
out:
	free(target);
	free(name);
	return good;
}

static bool
take_digest(struct cursor *c, struct digest *d)
{
	const char	*s;
	size_t		 n;

	return take(c, &s, &n) && digest_from_hex(s, n, d) == 0;
}

/* <where>, n bytes at s. */
static bool
parse_where(struct manifest_file *f, const char *s, size_t n)
{
	const char	*end = s + n, *at;
	char		 label[LABEL_MAX];
	uint64_t	 pack;

	at = memchr(s, '@', n);
	if (at != NULL) {
		n = (size_t)(end - at) - 1;
		if (n >= sizeof(label))
			return false;
		memcpy(label, at + 1, n);
		label[n] = '\0';
		if (!label_parse(label, NULL, NULL) ||
		    manifest_set(&f->backup, label) != 0)
			return false;
		end = at;
	}
	if (end - s == 1 && *s == '-') {
		f->where = MANIFEST_EMPTY;
		return f->size == 0;
	}
	if (end - s < 2 || (s[0] != 'r' && s[0] != 'm') || s[1] != ':')
		return false;
	f->where = s[0] == 'r' ? MANIFEST_RUN : MANIFEST_MAP;
	s += 2;
	if (!scan(&s, end, 10, UINT32_MAX, &pack) || s == end || *s++ != ':' ||
	    !scan(&s, end, 10, UINT32_MAX, &f->offset) || s == end ||
	    *s++ != ':' || !scan(&s, end, 10, UINT32_MAX, &f->stored))
		return false;
	f->pack = (uint32_t)pack;
	if (f->where == MANIFEST_RUN)
		return s == end;
	return s < end && *s == ':' &&
	    digest_from_hex(s + 1, (size_t)(end - s) - 1, &f->map_digest) == 0;
}

/* <bad>, n bytes at s. */
static bool
parse_bad(struct manifest_file *f, const char *s, size_t n)
{
	const char	*end = s + n;
	uint64_t	 first, last, next = 0;
	struct manifest_range *r;

	if (n == 1 && *s == '-')
		return true;
	for (;;) {
		if (!scan(&s, end, 10, UINT32_MAX, &first))
			return false;
		last = first;
		if (s < end && *s == '-') {
			s++;
			if (!scan(&s, end, 10, UINT32_MAX - 1, &last))
				return false;
		}
		if (first < next || last < first)
			return false;
		next = last + 1;
		r = realloc(f->bad, (f->bad_count + 1) * sizeof(*r));
		if (r == NULL)
			return false;
		f->bad = r;
		r[f->bad_count].first = (uint32_t)first;
		r[f->bad_count].count = (uint32_t)(last - first + 1);
		f->bad_count++;
		if (s == end)
			return true;
		if (*s++ != ',')
			return false;
	}
}

static bool
parse_file(struct manifest *m, struct cursor *c)
{
	struct manifest_file f = { 0 }, *added;
	uint64_t	mtime, mode;
	const char	*s;
	char		*path = NULL;
	size_t		n;

	if (!take_number(c, 10, INT64_MAX, &f.size) ||
	    !take_number(c, 10, INT64_MAX, &mtime) ||
	    !take_number(c, 8, 07777, &mode) || !take_digest(c, &f.digest))
		return false;
	f.mtime = (int64_t)mtime;
	f.mode = (uint32_t)mode;
	if (!take(c, &s, &n) || !parse_where(&f, s, n) ||
	    !take(c, &s, &n) || !parse_bad(&f, s, n))
		goto fail;
	path = take_path(c);
	if (path == NULL)
		goto fail;
	added = manifest_add_file(m, path);
	if (added == NULL)
		goto fail;
	f.path = added->path;
	*added = f;
	free(path);
	return true;
fail:
	free(path);
	free(f.backup);
	free(f.bad);
	return false;
}

static bool
parse_line(struct manifest *m, const char *p, const char *end)
{
	struct cursor	c = { p + 2, end };

	if (end - p < 3 || p[1] != ' ')
		return false;
	switch (p[0]) {
	case 'h':
		return parse_fact(m, &c);
	case 'd':
		return parse_directory(m, &c);
	case 't':
		return parse_tablespace(m, &c);
	case 'f':
		return parse_file(m, &c);
	default:
		return false;
	}
}

/* What the parts must have for anything to be restored. */
static bool
is_complete(const struct manifest *m)
{
	return label_parse(m->label, NULL, NULL) && m->run[0] != '\0' &&
	    strspn(m->run, "0123456789abcdef") == strlen(m->run) &&
	    m->system_id != 0 && m->start_timeline != 0 && m->start_lsn != 0 &&
	    m->stop_lsn >= m->start_lsn && m->wal_segment_size != 0;
}

/* Checks first line and digest; *n becomes the length without the last. */
static int
check_frame(const char *text, size_t *n, struct err *e)
{
	static const char family[] = "homelab-manifest ";
	const size_t	tail = 2 + DIGEST_HEX_LEN + 1;
	struct digest	stored, d;

	if (*n < sizeof(family) || memcmp(text, family, sizeof(family) - 1) != 0)
		return err_set(e, ERR_FORMAT, "this is not a manifest");
	if (*n < sizeof(MAGIC) - 1 ||
	    memcmp(text, MAGIC, sizeof(MAGIC) - 1) != 0) {
		return err_set(e, ERR_NOT_YET,
		    "manifest of a format that this version cannot read");
	}
	if (*n < sizeof(MAGIC) - 1 + tail || text[*n - 1] != '\n' ||
	    memcmp(text + *n - tail, "e ", 2) != 0 ||
	    text[*n - tail - 1] != '\n' ||
	    digest_from_hex(text + *n - tail + 2, DIGEST_HEX_LEN, &stored) != 0)
		return err_set(e, ERR_FORMAT, "manifest has no end");
	*n -= tail;
	digest_of(NULL, text, *n, &d);
	if (!digest_equal(&d, &stored)) {
		return err_set(e, ERR_CHECKSUM,
		    "manifest does not match its digest");
	}
	return 0;
}

int
manifest_decode(struct manifest *m, const char *text, size_t n, struct err *e)
{
	struct manifest	x;
	const char	*p, *end, *eol;
	size_t		 line = 1;
	int		 rc;

	rc = check_frame(text, &n, e);
	if (rc != 0)
		return rc;
	manifest_init(&x);
	end = text + n;
	for (p = text + sizeof(MAGIC) - 1; p < end; p = eol + 1) {
		line++;
		eol = memchr(p, '\n', (size_t)(end - p));
		if (eol == NULL || !parse_line(&x, p, eol)) {
			manifest_release(&x);
			return err_set(e, ERR_FORMAT,
			    "manifest is malformed in line %zu", line);
		}
	}
	if (!is_complete(&x)) {
		manifest_release(&x);
		return err_set(e, ERR_FORMAT, "manifest lacks basic facts");
	}
	*m = x;
	return 0;
}
