/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/pagemap.h"

#include <string.h>

#include "archiver/label.h"
#include "common/buf.h"
#include "common/err.h"

#define FORMAT	1

static void
put_number(struct buf *out, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		buf_append_u8(out, (uint8_t)(v | 0x80));
	buf_append_u8(out, (uint8_t)v);
}

/* Small differences of either sign become small numbers. */
static uint64_t
zigzag(int64_t v)
{
	return (uint64_t)v << 1 ^ (v < 0 ? UINT64_MAX : 0);
}

static int64_t
unzigzag(uint64_t v)
{
	return (int64_t)(v >> 1 ^ ((v & 1) != 0 ? UINT64_MAX : 0));
}

void
pagemap_encode(const struct pagemap *m, struct buf *out)
{
	const struct pagemap_run *r;
	uint64_t	end = 0;
	uint32_t	pack = 0;
	size_t		i;

	put_number(out, FORMAT);
	put_number(out, m->count);
	put_number(out, m->backup_count);
	for (i = 0; i < m->backup_count; i++) {
		put_number(out, strlen(m->backups[i]));
		buf_append_str(out, m->backups[i]);
	}
	for (i = 0; i < m->count; i++) {
		r = &m->runs[i];
		put_number(out, r->pages);
		put_number(out, r->skip);
		if (m->backup_count != 0) {
			put_number(out, r->backup == PAGEMAP_OWN ? 0 :
			    (uint64_t)r->backup + 1);
		}
		put_number(out, zigzag((int64_t)r->pack - (int64_t)pack));
		if (r->pack != pack)
			end = 0;
		put_number(out, zigzag((int64_t)(r->offset - end)));
		put_number(out, r->stored);
		buf_append(out, r->digest, PAGEMAP_DIGEST);
		pack = r->pack;
		end = r->offset + r->stored;
	}
}

/* What is left to decode; `bad` sticks, so that a run is checked once. */
struct reader {
	const unsigned char	*p;
	const unsigned char	*end;
	bool			 bad;
};

static uint64_t
get_number(struct reader *r)
{
	uint64_t	v = 0;
	int		shift;

	for (shift = 0; shift < 63; shift += 7) {
		if (r->p == r->end)
			break;
		v |= (uint64_t)(*r->p & 0x7f) << shift;
		if ((*r->p++ & 0x80) == 0)
			return v;
	}
	r->bad = true;
	return 0;
}

/* A number that must not pass max. */
static uint64_t
get_bounded(struct reader *r, uint64_t max)
{
	uint64_t	v = get_number(r);

	if (v > max) {
		r->bad = true;
		return 0;
	}
	return v;
}

static int
decode_backups(struct pagemap *m, struct reader *r, size_t count)
{
	enum label_type	type;
	char	full[LABEL_MAX], *label;
	size_t	i, len;

	if (count == 0)
		return 0;
	m->backups = calloc(count, sizeof(*m->backups));
	if (m->backups == NULL)
		return ERR_NOMEM;
	for (i = 0; i < count; i++) {
		len = (size_t)get_bounded(r, 64);
		if (r->bad || len == 0 || (size_t)(r->end - r->p) < len)
			return ERR_FORMAT;
		label = malloc(len + 1);
		if (label == NULL)
			return ERR_NOMEM;
		memcpy(label, r->p, len);
		label[len] = '\0';
		m->backups[m->backup_count++] = label;
		r->p += len;
		/* It will be part of a key. */
		if (strlen(label) != len || !label_parse(label, &type, full))
			return ERR_FORMAT;
	}
	return 0;
}

static bool
decode_run(const struct pagemap *m, struct reader *r, struct pagemap_run *run,
    const struct pagemap_run *before)
{
	uint64_t	pack = 0, end = 0, owner, number;

	if (before != NULL) {
		pack = before->pack;
		end = before->offset + before->stored;
		run->first = before->first + before->pages;
	}
	run->pages = (uint32_t)get_bounded(r, PAGEMAP_RUN_PAGES);
	run->skip = (uint32_t)get_bounded(r, PAGEMAP_RUN_PAGES - 1);
	run->backup = PAGEMAP_OWN;
	if (m->backup_count != 0) {
		owner = get_bounded(r, m->backup_count);
		if (owner != 0)
			run->backup = (uint32_t)(owner - 1);
	}
	number = pack + (uint64_t)unzigzag(get_number(r));
	if (number > UINT32_MAX)
		return false;
	run->pack = (uint32_t)number;
	if (number != pack)
		end = 0;
	run->offset = end + (uint64_t)unzigzag(get_number(r));
	run->stored = (uint32_t)get_bounded(r, 2 * PAGEMAP_RUN);
	if (r->bad || (size_t)(r->end - r->p) < PAGEMAP_DIGEST)
		return false;
	memcpy(run->digest, r->p, PAGEMAP_DIGEST);
	r->p += PAGEMAP_DIGEST;
	/* A pack is far smaller than 4 GiB; so are honest offsets. */
	return run->pages != 0 && run->stored != 0 &&
	    run->pages + run->skip <= PAGEMAP_RUN_PAGES &&
	    run->offset <= UINT32_MAX;
}

static int
decode(struct pagemap *m, struct reader *r)
{
	size_t	i, count, backups;
	int	rc;

	if (get_number(r) != FORMAT)
		return ERR_FORMAT;
	count = (size_t)get_bounded(r, PAGEMAP_RUNS_MAX);
	backups = (size_t)get_bounded(r, PAGEMAP_BACKUPS_MAX);
	/* A run takes 21 bytes or more: refuse before allocating. */
	if (r->bad || count > (size_t)(r->end - r->p) / 21)
		return ERR_FORMAT;
	rc = decode_backups(m, r, backups);
	if (rc != 0)
		return rc;
	m->runs = calloc(count == 0 ? 1 : count, sizeof(*m->runs));
	if (m->runs == NULL)
		return ERR_NOMEM;
	for (i = 0; i < count; i++) {
		if (!decode_run(m, r, &m->runs[i],
		    i == 0 ? NULL : &m->runs[i - 1]))
			return ERR_FORMAT;
	}
	m->count = count;
	return r->p == r->end ? 0 : ERR_FORMAT;
}

int
pagemap_decode(struct pagemap *m, const void *bytes, size_t n, struct err *e)
{
	struct pagemap	x = { 0 };
	struct reader	r = { bytes, (const unsigned char *)bytes + n, false };
	int		rc;

	rc = decode(&x, &r);
	if (rc != 0) {
		pagemap_release(&x);
		return err_set(e, rc, rc == ERR_NOMEM ? "out of memory" :
		    "malformed block map (%zu bytes)", n);
	}
	*m = x;
	return 0;
}

void
pagemap_release(struct pagemap *m)
{
	size_t	i;

	for (i = 0; i < m->backup_count; i++)
		free(m->backups[i]);
	free(m->backups);
	free(m->runs);
	memset(m, 0, sizeof(*m));
}
