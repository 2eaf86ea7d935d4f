/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/catalog.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/log.h"
#include "common/text.h"

#define SEGMENT_LEN	24

char *
catalog_key_pack(const struct catalog *c, char out[CATALOG_KEY_MAX],
    const char *label, const char *run, uint32_t number)
{
	snprintf(out, CATALOG_KEY_MAX, "%s/backup/%s/%s/data/%" PRIu32,
	    c->stanza, label, run, number);
	return out;
}

static char *
key_manifest(const struct catalog *c, char out[CATALOG_KEY_MAX],
    const char *label, const char *run)
{
	snprintf(out, CATALOG_KEY_MAX, "%s/backup/%s/manifest-%s", c->stanza,
	    label, run);
	return out;
}

char *
catalog_key_intent(const struct catalog *c, char out[CATALOG_KEY_MAX],
    const char *label, const char *run, uint32_t number)
{
	snprintf(out, CATALOG_KEY_MAX, "%s/backup/%s/%s/intent-%" PRIu32,
	    c->stanza, label, run, number);
	return out;
}

char *
catalog_key_tombstone(const struct catalog *c, char out[CATALOG_KEY_MAX],
    const char *label)
{
	snprintf(out, CATALOG_KEY_MAX, "%s/backup/%s/tombstone", c->stanza,
	    label);
	return out;
}

void
catalog_list_release(struct catalog_list *l)
{
	free(l->backups);
	memset(l, 0, sizeof(*l));
}

static int
compare_backups(const void *a, const void *b)
{
	const struct catalog_backup *x = a, *y = b;

	return strcmp(x->label, y->label);
}

/* The last component of a key; a trailing slash does not count. */
static void
last_component(const char *key, char *out, size_t size)
{
	size_t		 n = strlen(key), from;

	if (n > 0 && key[n - 1] == '/')
		n--;
	for (from = n; from > 0 && key[from - 1] != '/'; from--)
		;
	snprintf(out, size, "%.*s", (int)(n - from), key + from);
}

static int
note_label(void *arg, const struct store_entry *entry)
{
	struct catalog_list *l = arg;
	struct catalog_backup *b;
	char		name[LABEL_MAX];
	size_t		room;

	last_component(entry->key, name, sizeof(name));
	if (!entry->is_prefix || !label_parse(name, NULL, NULL))
		return 0;
	if (l->count == l->room) {
		room = l->room == 0 ? 16 : l->room * 2;
		b = realloc(l->backups, room * sizeof(*b));
		if (b == NULL)
			return ERR_NOMEM;
		l->backups = b;
		l->room = room;
	}
	b = &l->backups[l->count++];
	memset(b, 0, sizeof(*b));
	memcpy(b->label, name, sizeof(b->label));
	return 0;
}

/* What lies directly below backup/<label>/. */
static int
note_object(void *arg, const struct store_entry *entry)
{
	struct catalog_backup *b = arg;
	char		name[128];

	last_component(entry->key, name, sizeof(name));
	if (entry->is_prefix)
		return 0;
	if (strcmp(name, "tombstone") == 0) {
		b->tombstone = true;
	} else if (strncmp(name, "manifest-", 9) == 0 &&
	    strlen(name) - 9 < sizeof(b->run)) {
		b->doubled = b->committed;
		b->committed = true;
		/* Of two, the smaller run until they are read. */
		if (!b->doubled || strcmp(name + 9, b->run) < 0)
			memcpy(b->run, name + 9, strlen(name + 9) + 1);
	}
	return 0;
}

/* The manifests of one label. */
struct runs {
	char	run[16][MANIFEST_RUN_MAX];
	size_t	count;
};

static int
note_run(void *arg, const struct store_entry *entry)
{
	struct runs	*r = arg;
	const char	*dash = strrchr(entry->key, '-');

	if (!entry->is_prefix && dash != NULL &&
	    r->count < ARRAY_LEN(r->run) &&
	    strlen(dash + 1) < sizeof(r->run[0]))
		memcpy(r->run[r->count++], dash + 1, strlen(dash + 1) + 1);
	return 0;
}

/*
 * Several manifests under one label: the backup that started first counts.
 * One that cannot be read does not, as long as another can.
 */
static int
resolve_doubled(const struct catalog *c, struct catalog_backup *b,
    struct err *e)
{
	struct catalog_backup one = *b;
	struct runs	r = { .count = 0 };
	struct manifest	m;
	struct err	why = { 0 };
	char		prefix[CATALOG_KEY_MAX];
	int64_t		first = INT64_MAX;
	size_t		i;
	int		rc;

	key_manifest(c, prefix, b->label, "");
	rc = store_list(c->store, prefix, true, note_run, &r, &c->limits, e);
	for (i = 0; rc == 0 && i < r.count; i++) {
		memcpy(one.run, r.run[i], sizeof(one.run));
		if (catalog_load(c, &one, &m, &why) != 0)
			continue;
		if (m.start_time < first || (m.start_time == first &&
		    strcmp(one.run, b->run) < 0)) {
			first = m.start_time;
			memcpy(b->run, one.run, sizeof(b->run));
		}
		manifest_release(&m);
	}
	return rc;
}

int
catalog_list(const struct catalog *c, struct catalog_list *l, struct err *e)
{
	struct catalog_list found = { 0 };
	char		prefix[CATALOG_KEY_MAX];
	size_t		i;
	int		rc;

	snprintf(prefix, sizeof(prefix), "%s/backup/", c->stanza);
	rc = store_list(c->store, prefix, true, note_label, &found, &c->limits,
	    e);
	for (i = 0; rc == 0 && i < found.count; i++) {
		snprintf(prefix, sizeof(prefix), "%s/backup/%s/", c->stanza,
		    found.backups[i].label);
		rc = store_list(c->store, prefix, true, note_object,
		    &found.backups[i], &c->limits, e);
		if (rc == 0 && found.backups[i].doubled)
			rc = resolve_doubled(c, &found.backups[i], e);
	}
	if (rc != 0) {
		catalog_list_release(&found);
		return rc == ERR_NOMEM ? err_set(e, rc, "out of memory") : rc;
	}
	if (found.count > 0)
		qsort(found.backups, found.count, sizeof(*found.backups),
		    compare_backups);
	*l = found;
	return 0;
}

const struct catalog_backup *
catalog_find(const struct catalog_list *l, const char *label)
{
	size_t	i;

	for (i = 0; i < l->count; i++) {
		if (strcmp(l->backups[i].label, label) == 0)
			return &l->backups[i];
	}
	return NULL;
}

int
catalog_load(const struct catalog *c, const struct catalog_backup *b,
    struct manifest *m, struct err *e)
{
	char		key[CATALOG_KEY_MAX];
	struct buf	text = { 0 };
	int		rc;

	if (!b->committed) {
		err_set(e, ERR_NOT_FOUND, "backup %s was never completed",
		    b->label);
		return err_hint(e, "it has no manifest: choose another one, "
		    "see the info command");
	}
	key_manifest(c, key, b->label, b->run);
	rc = catalog_get(c, OBJECT_MANIFEST, key, &text, e);
	if (rc == 0)
		rc = manifest_decode(m, buf_bytes(&text), buf_len(&text), e);
	if (rc == 0 && (strcmp(m->label, b->label) != 0 ||
	    strcmp(m->run, b->run) != 0)) {
		rc = err_set(e, ERR_MISMATCH,
		    "it says it belongs to backup %s, run %s", m->label,
		    m->run);
		manifest_release(m);
	}
	buf_release(&text);
	return rc == 0 ? 0 : err_wrap(e, "cannot read %s", key);
}

int
catalog_commit(const struct catalog *c, const struct manifest *m,
    struct err *e)
{
	char		key[CATALOG_KEY_MAX];
	struct buf	text = { 0 };
	int		rc;

	manifest_encode(m, &text);
	if (buf_failed(&text)) {
		rc = err_set(e, ERR_NOMEM, "out of memory for the manifest");
	} else {
		key_manifest(c, key, m->label, m->run);
		rc = catalog_put(c, OBJECT_MANIFEST, key, buf_bytes(&text),
		    buf_len(&text), e);
	}
	buf_release(&text);
	return rc;
}

/* A pack goes out from where it lies: no second copy of 16 MiB. */
static int
put_plain(const struct catalog *c, enum object_kind kind, const char *key,
    const void *bytes, size_t n, struct err *e)
{
	struct object_header h = { .kind = kind, .filter = FILTER_NONE,
	    .plain_size = n, .stored_size = n };
	unsigned char	head[OBJECT_HEADER_SIZE];
	struct store_part parts[2] = {
		{ .bytes = head, .len = sizeof(head) },
		{ .bytes = bytes, .len = n },
	};

	digest_of(NULL, bytes, n, &h.digest);
	object_header_encode(&h, head);
	return store_put_parts(c->store, key, parts, 2, &c->limits, e);
}

int
catalog_put(const struct catalog *c, enum object_kind kind, const char *key,
    const void *bytes, size_t n, struct err *e)
{
	struct buf	out = { 0 };
	int		rc;

	if (kind == OBJECT_PACK)
		return put_plain(c, kind, key, bytes, n, e);
	rc = object_pack(kind, FILTER_LZ4, 0, bytes, n, &out, e);
	if (rc == 0) {
		rc = store_put(c->store, key, buf_bytes(&out), buf_len(&out),
		    &c->limits, e);
	}
	buf_release(&out);
	return rc;
}

int
catalog_get(const struct catalog *c, enum object_kind kind, const char *key,
    struct buf *out, struct err *e)
{
	struct buf	stored = { 0 };
	int		rc;

	rc = store_get(c->store, key, 0, 0, &stored, &c->limits, e);
	if (rc == 0) {
		rc = object_unpack(kind, buf_bytes(&stored), buf_len(&stored),
		    out, e);
	}
	buf_release(&stored);
	return rc;
}

/* Memory of a known size that an object's bytes go into. */
struct room {
	unsigned char	*at;
	size_t		 left;
};

static int
to_room(void *arg, const void *bytes, size_t n, struct err *e)
{
	struct room *r = arg;

	if (n > r->left)
		return err_set(e, ERR_STORE, "more bytes than were asked for");
	memcpy(r->at, bytes, n);
	r->at += n;
	r->left -= n;
	return 0;
}

int
catalog_read_pack(const struct catalog *c, const char *label, const char *run,
    uint32_t number, uint64_t offset, size_t n, void *out, struct err *e)
{
	struct room	room = { out, n };
	char		key[CATALOG_KEY_MAX];
	int		rc;

	catalog_key_pack(c, key, label, run, number);
	rc = store_read(c->store, key, OBJECT_HEADER_SIZE + offset, n, to_room,
	    &room, &c->limits, e);
	if (rc == 0 && room.left > 0)
		rc = err_set(e, ERR_CHECKSUM, "%s is too short", key);
	return rc;
}

static int
stop_at_first(void *arg, const struct store_entry *entry)
{
	(void)entry;
	*(bool *)arg = true;
	return 0;
}

int
catalog_has_wal(const struct catalog *c, uint64_t system_id,
    const char *segment, struct err *e)
{
	char	prefix[CATALOG_KEY_MAX];
	bool	found = false;
	int	rc;

	assert(strlen(segment) == SEGMENT_LEN);
	snprintf(prefix, sizeof(prefix), "%s/wal/%" PRIu64 "/%.8s/%.8s/%s-",
	    c->stanza, system_id, segment, segment + 8, segment);
	rc = store_list(c->store, prefix, false, stop_at_first, &found,
	    &c->limits, e);
	return rc != 0 ? rc : found;
}

int64_t
catalog_stamp(const struct catalog *c, enum object_kind kind, const char *key,
    struct buf *text)
{
	struct buf	b = { 0 };
	struct err	e = { 0 };
	char		stamp[TEXT_STAMP_MAX];
	const char	*p;
	int64_t		t = 0;
	size_t		n;

	if (catalog_get(c, kind, key, &b, &e) != 0) {
		log_warning("cannot read %s: %s", key, e.msg);
		return 0;
	}
	p = strstr(buf_cstr(&b), "\ntime ");
	n = p == NULL ? sizeof(stamp) : strcspn(p + 6, "\n");
	if (n < sizeof(stamp)) {
		memcpy(stamp, p + 6, n);
		stamp[n] = '\0';
		if (text_parse_rfc3339(stamp, &t) != 0)
			t = 0;
	}
	if (text != NULL)
		buf_append(text, buf_bytes(&b), buf_len(&b));
	buf_release(&b);
	return t;
}

int
catalog_has_run(const struct catalog *c, const char *label, const char *run,
    struct err *e)
{
	char	prefix[CATALOG_KEY_MAX];
	bool	found = false;
	int	rc;

	snprintf(prefix, sizeof(prefix), "%s/backup/%s/%s/data/", c->stanza,
	    label, run);
	rc = store_list(c->store, prefix, false, stop_at_first, &found,
	    &c->limits, e);
	return rc != 0 ? rc : found;
}

struct each_wal {
	int	(*each)(void *arg, const char *segment,
		    const struct store_entry *entry);
	void	*arg;
};

static int
note_wal(void *arg, const struct store_entry *entry)
{
	struct each_wal	*w = arg;
	char		name[128], segment[SEGMENT_LEN + 1] = "";

	last_component(entry->key, name, sizeof(name));
	if (strspn(name, "0123456789ABCDEF") == SEGMENT_LEN &&
	    name[SEGMENT_LEN] == '-')
		memcpy(segment, name, SEGMENT_LEN);
	return w->each(w->arg, segment, entry);
}

int
catalog_each_wal(const struct catalog *c, uint64_t system_id,
    int (*each)(void *, const char *, const struct store_entry *), void *arg,
    struct err *e)
{
	struct each_wal	w = { each, arg };
	char		prefix[CATALOG_KEY_MAX];

	snprintf(prefix, sizeof(prefix), "%s/wal/%" PRIu64 "/", c->stanza,
	    system_id);
	return store_list(c->store, prefix, false, note_wal, &w, &c->limits, e);
}
